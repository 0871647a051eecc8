"""A client of TensorFlow Serving: what is asked, how patiently, and what counts as an answer.

    with connect("http://localhost:8501/v1/models/digits") as client:
        answers = answer(client, ["seven.png"], top=3)

No TensorFlow is imported for REST; gRPC needs it for its messages. The two ways to talk are in
`dtp_tf.serving_rest` and `dtp_tf.serving_grpc`.
"""

import abc
import dataclasses
import math
import re
import time
import urllib.parse

from dtp_tf.errors import SettingError, UserError
from dtp_tf.image_files import encode_image, read_image

FORMS = "http://HOST:8501/v1/models/NAME or grpc://HOST:8500/NAME"
LONGEST_PAUSE = 2.0  # seconds between two attempts
_PIN = r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_PATHS = {
    "rest": rf"(?P<prefix>.*?)/v1/models/(?P<model>[^/:]+){_PIN}(?:/metadata|:\w+)?/?",
    "grpc": rf"(?P<prefix>)/(?P<model>[^/:]+){_PIN}/?",
}


class ServerError(UserError):
    """What a model server, or the way to it, did wrong.

    Attributes:
        kind: a word or two to count errors by: an HTTP status, a gRPC code, "timeout", ...
    """

    def __init__(self, text, kind):
        super().__init__(text)
        self.kind = kind


class UnavailableError(ServerError):
    """The server says that it cannot answer yet, or not so much at once: asking again may help."""


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
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError:
        raise SettingError(f"{url!r} is no URL of a model; write {FORMS}.") from None
    ports = {"http": 80, "https": 443, "grpc": 8500}
    match = None
    if parts.scheme in ports and parts.hostname and not (parts.query or parts.fragment):
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
        version = int(found["version"])
    return Address(
        parts.scheme,
        parts.hostname,
        port or ports[parts.scheme],
        match["prefix"],
        found["model"],
        version,
        label if found["label"] is None else found["label"],
    )


def connect(url, version=None, label=None, timeout=10.0, retries=5):
    """Return a `Client` of the model at a URL; nothing is sent yet.

    Args:
        url: http(s)://HOST:PORT/v1/models/NAME or grpc://HOST:PORT/NAME.
        version, label: which version of the model; not both. By default the newest.
        timeout: seconds to wait for each answer.
        retries: how often to ask again a server that is not available (503, UNAVAILABLE), after
            pauses of 0.1 s, 0.2 s, 0.4 s and so on up to 2 s.

    Raises:
        SettingError: a URL that means no model.
    """
    address = parse_address(url, version, label)
    if address.scheme == "grpc":
        from dtp_tf.serving_grpc import GrpcClient as Kind
    else:
        from dtp_tf.serving_rest import RestClient as Kind
    return Kind(address, timeout, retries)


class Client(abc.ABC):
    """A connection to one model; not for several threads at once.

    A context manager, which closes the connection. Every failure is a `ServerError` of one
    sentence.
    """

    def __init__(self, address, timeout, retries):
        self.address, self.timeout, self.retries = address, timeout, retries

    @abc.abstractmethod
    def prepare(self, signature, inputs):
        """Return a request, ready to be sent any number of times.

        Args:
            signature: name of a signature.
            inputs: by name: a list of bytes, or an integer array.
        """

    @abc.abstractmethod
    def send(self, request):
        """Send a request of `prepare` once; return the outputs by name as nested lists.

        Strings come as `str`.
        """

    @abc.abstractmethod
    def status_once(self):
        """Return what the server says of every version; see `status`."""

    @abc.abstractmethod
    def signatures_once(self):
        """Return what the server says of the signatures; see `signatures`."""

    @abc.abstractmethod
    def close(self):
        """Close the connection."""

    def predict(self, signature, inputs):
        """Return the outputs of a signature; see `prepare` and `send`."""
        request = self.prepare(signature, inputs)
        return self._patiently(lambda: self.send(request))

    def status(self):
        """Return a dict for each version: "version", "state", and "error" (None if it is well)."""
        return self._patiently(self.status_once)

    def signatures(self):
        """Return (version, signatures by name).

        A signature is a dict: "method", and "inputs" and "outputs" by name, each a dict of
        "dtype" (such as "uint8") and "shape" (a list, -1 for any size; None for any rank).
        """
        return self._patiently(self.signatures_once)

    def _patiently(self, call):
        for attempt in range(self.retries):
            try:
                return call()
            except UnavailableError:
                time.sleep(min(LONGEST_PAUSE, 0.1 * 2**attempt))
        return call()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def answer(client, paths, top, batch_size=32):
    """Classify image files by a model server; see `dtp_tf.evaluation.answer`.

    The server gets the encoded images, decodes and fits them. A model without the signature
    `image_bytes` gets pixels that were fitted here, which imports TensorFlow.

    Args:
        client: a `Client`.
        paths: of the images; all are read before any is sent.
        top: classes per image, best first.
        batch_size: images per request.

    Returns:
        One dict per image: "image" (its path), "classes" and "scores" (0 .. 1).

    Raises:
        UserError: an image that is missing or damaged, a server that does not answer well, or more
            classes than it names.
    """
    encoded = [encode_image(path) for path in paths]
    _, signatures = client.signatures()
    if "image_bytes" in signatures:
        signature, name, values = "image_bytes", "image_bytes", encoded
    else:
        shape = pixel_shape(signatures, client.address)
        signature, name = "serving_default", "images"
        values = _fitted([read_image(path) for path in paths], shape)
    answers = []
    for start in range(0, len(paths), batch_size):
        part = values[start : start + batch_size]
        outputs = client.predict(signature, {name: part})
        rows = ranking(outputs, len(part), client.address)
        known = len(outputs.get("probabilities", [()])[0])
        for path, (classes, scores) in zip(paths[start:], rows, strict=False):
            if len(classes) < min(top, known):
                raise UserError(
                    f"{client.address.which()} names the {len(classes)} best classes only; ask for "
                    f"--top {len(classes)} or fewer."
                )
            answers.append({"image": str(path), "classes": classes[:top], "scores": scores[:top]})
    return answers


def pixel_shape(signatures, address):
    """Return the (height, width, channels) that `serving_default` takes.

    Raises:
        UserError: it takes no images.
    """
    inputs = signatures.get("serving_default", {}).get("inputs", {})
    shape = inputs.get("images", {}).get("shape") or []
    if len(shape) != 4 or min(shape[1:]) < 1 or shape[3] not in (1, 3):
        raise UserError(
            f"{address.which()} takes no images: it has neither a signature image_bytes nor an "
            "input `images` of one size; serve an export of this project."
        )
    return tuple(shape[1:])


def _fitted(images, shape):
    import numpy as np

    from dtp_tf.quiet import import_tensorflow

    import_tensorflow()
    from dtp_tf.images import fit_image

    return np.stack([np.asarray(fit_image(image, shape)) for image in images])


def ranking(outputs, count, address):
    """Return (classes, scores) of each of `count` images in the outputs of a prediction.

    Raises:
        ServerError: that is not what the outputs hold.
    """
    classes, scores = outputs.get("classes"), outputs.get("scores")
    try:
        rows = list(zip(classes, scores, strict=True))
        good = len(rows) == count and all(
            len(names) == len(values) > 0
            and all(isinstance(name, str) for name in names)
            and all(math.isfinite(value) for value in values)
            for names, values in rows
        )
    except (TypeError, ValueError):
        good = False
    if not good:
        raise ServerError(
            f"{address.server} answered without classes and finite scores for each of the {count} "
            f"image(s); check {address.which()} with server-status.",
            "bad answer",
        )
    return [(list(names), [float(value) for value in values]) for names, values in rows]


def describe(client):
    """Return what a server says of a model: a dict for JSON.

    "url", "model", "versions" (see `Client.status`), "version" (the one that the signatures are
    of) and "signatures" (see `Client.signatures`); the last two are None where no version is
    available yet.
    """
    versions = client.status()
    version = signatures = None
    if any(one["state"] == "AVAILABLE" for one in versions):
        version, signatures = client.signatures()
    return {
        "url": str(client.address),
        "model": client.address.model,
        "versions": versions,
        "version": version,
        "signatures": signatures,
    }


def one_line(text, most=240):
    """Return a message as one line without its full stop, shortened where it is long."""
    text = " ".join(str(text).split()).rstrip(".")
    return text if len(text) <= most else text[: most - 3] + "..."
