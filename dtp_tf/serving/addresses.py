"""Where a model is served: what a URL of a model means."""

import dataclasses
import re
import urllib.parse

from dtp_tf.errors import SettingError

MOST_DIGITS = 19  # of a number in 64 bits; no version is so high
FORMS = "http://HOST:8501/v1/models/NAME or grpc://HOST:8500/NAME"
_PIN = r"(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"
_PATHS = {
    "rest": rf"(?P<prefix>.*?)/v1/models/(?P<model>[^/:]+){_PIN}(?:/metadata|:\w+)?/?",
    "grpc": rf"(?P<prefix>)/(?P<model>[^/:]+){_PIN}/?",
}


@dataclasses.dataclass(frozen=True)
class Address:
    """Where a model is served.

    Attributes:
        scheme: "http", "https" or "grpc".
        host, port: of the server.
        prefix: what a proxy puts before `/v1/models`; usually empty.
        model: its name.
        version: a number, or None.
        label: a version's label, or None. Without either, the newest version answers.
    """

    scheme: str
    host: str
    port: int
    prefix: str
    model: str
    version: int | None = None
    label: str | None = None

    @property
    def server(self):
        """The server alone, as text."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def path(self):
        """The model's path in REST."""
        path = f"{self.prefix}/v1/models/{urllib.parse.quote(self.model)}"
        if self.version is not None:
            return f"{path}/versions/{self.version}"
        return path if self.label is None else f"{path}/labels/{urllib.parse.quote(self.label)}"

    def __str__(self):
        if self.scheme != "grpc":
            return self.server + self.path
        return f"{self.server}/{self.model}" + self.path.rpartition(f"/{self.model}")[2]

    def which(self):
        """Return the model in words."""
        if self.version is not None:
            return f"version {self.version} of model {self.model!r}"
        return f"model {self.model!r}" + (f" labelled {self.label!r}" if self.label else "")


def parse_address(url, version=None, label=None):
    """Return the `Address` that a URL means, or such a version of its model.

    Raises:
        SettingError: it is no such URL, or it names a version besides the one that is given.
    """
    if version is not None and label is not None:
        raise SettingError("a version and a label exclude each other: drop one.")
    if label is not None and not (label and label.isprintable()):
        raise SettingError(f"{label!r} is no label; give one without signs that cannot be printed.")
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError:
        raise SettingError(f"{url!r} is no URL of a model; write {FORMS}.") from None
    ports = {"http": 80, "https": 443, "grpc": 8500}
    match = None
    plain = url.isprintable() and " " not in url
    if plain and parts.scheme in ports and parts.hostname and not (parts.query or parts.fragment):
        kind = "grpc" if parts.scheme == "grpc" else "rest"
        match = re.fullmatch(_PATHS[kind], parts.path)
    if match is None or "@" in parts.netloc:
        raise SettingError(f"{url!r} is no URL of a model; write {FORMS}.")
    groups = match.groupdict().items()
    found = {name: value and urllib.parse.unquote(value) for name, value in groups}
    pinned = found["version"] is not None or found["label"] is not None
    if pinned and (version is not None or label is not None):
        raise SettingError(f"{url!r} names a version already: drop that or the option.")
    if found["version"] is not None:
        version = int(found["version"][:MOST_DIGITS])
    if version is not None and version >= 10 ** (MOST_DIGITS - 1):
        raise SettingError(f"a version has {MOST_DIGITS - 1} digits at most.")
    return Address(
        parts.scheme,
        parts.hostname,
        port or ports[parts.scheme],
        urllib.parse.quote(match["prefix"], safe="/%:@!$&'()*+,;=~"),
        found["model"],
        version,
        label if found["label"] is None else found["label"],
    )
