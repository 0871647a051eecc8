"""Connecting to a model server.

    with connect("http://localhost:8501/v1/models/digits") as client:
        answers = answer(client, ["seven.png"], top=3)

No TensorFlow is imported for REST; gRPC needs it for its messages.
"""

from dtp_tf.serving.addresses import parse_address


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
        from dtp_tf.serving.grpc import GrpcClient as Kind  # imports TensorFlow
    else:
        from dtp_tf.serving.rest import RestClient as Kind
    return Kind(address, timeout, retries)
