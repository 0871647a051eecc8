"""Imports all that has a name in Keras files, so that Keras knows every class when it reads one."""

from dtp_tf.network import network
from dtp_tf.numerics import activations
from dtp_tf.pairs import block, conv, dense, derived, local, transposed
from dtp_tf.rules import by_name

__all__ = [
    "activations", "block", "by_name", "conv", "dense", "derived", "local", "network", "transposed",
]  # fmt: skip
