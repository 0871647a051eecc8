"""Learning rules: how targets and inverse losses are computed. One class a file."""

from dtp_tf.rules.base import Rule
from dtp_tf.rules.dtp import DTP

__all__ = ["DTP", "Rule"]
