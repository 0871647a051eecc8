"""What asking a model server by REST and by gRPC has in common: patience, errors, answers' shapes.

The two ways to talk are in `dtp_tf.serving.rest` and `dtp_tf.serving.grpc`.
"""

import abc
import time

from dtp_tf.errors import UserError

LONGEST_PAUSE = 2.0  # seconds between two attempts
# Bytes of an answer at most: of a prediction, and of what is said of a model by REST.
MAX_ANSWER, MAX_ABOUT = 64_000_000, 4_000_000
MAX_VALUES = 10_000_000  # in a tensor of an answer
MAX_VERSIONS = 10_000
# What a server says of a label that it does not know, as if the request were wrong.
NO_LABEL = "Unrecognized servable version label"


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


def no_host(address, error):
    """Return the `ServerError` for a host that does not exist, as `error` says."""
    reason = one_line(getattr(error, "strerror", None) or error)
    return ServerError(f"there is no host {address.host!r} ({reason}).", "no host")


def too_large(address, limit):
    """Return the `ServerError` for an answer of more than `limit` bytes."""
    return ServerError(
        f"{address.server} answers with more than {limit:,} bytes, which is the limit; ask for "
        "fewer images at a time (--batch-size).",
        "too large",
    )


def one_line(text, most=240):
    """Return a message as one line without its full stop, shortened where it is long."""
    text = " ".join(str(text).split()).rstrip(".")
    return text if len(text) <= most else text[: most - 3] + "..."
