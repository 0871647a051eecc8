from .base import LayerPair as LayerPair
from .block import BlockPair as BlockPair
from .conv import Conv2DPair as Conv2DPair
from .dense import DensePair as DensePair
from .dense import sign as sign
from .local import LocallyConnected2DPair as LocallyConnected2DPair
