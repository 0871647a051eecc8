"""Layer pairs: a forward layer f and its inverse g in one Keras layer. One class a file."""

from dtp_tf.pairs.base import LayerPair
from dtp_tf.pairs.block import BlockPair
from dtp_tf.pairs.conv import Conv2DPair
from dtp_tf.pairs.dense import DensePair, sign

__all__ = ["BlockPair", "Conv2DPair", "DensePair", "LayerPair", "sign"]
