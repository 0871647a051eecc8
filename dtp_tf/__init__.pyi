from . import errors as errors
from . import export as export
from . import recipes as recipes
from . import rules as rules
from .comparing.comparison import compare as compare
from .data.sets import load_data as load_data
from .evaluating.diagnostics import Diagnostics as Diagnostics
from .evaluating.evaluation import evaluate as evaluate
from .network.network import DTPNetwork as DTPNetwork
from .pairs.block import BlockPair as BlockPair
from .pairs.conv import Conv2DPair as Conv2DPair
from .pairs.dense import DensePair as DensePair
from .pairs.local import LocallyConnected2DPair as LocallyConnected2DPair
from .presets.folder import preset_info as preset_info
from .recipes.recipe import Recipe as Recipe
from .recipes.recipe import recipe as recipe
from .reports import report as report
from .reproducing.reproduction import reproduce as reproduce
from .sharing.opening import pretrained_classifier as pretrained_classifier
from .training.train import train as train
from .tuning.tuning import tune as tune

__version__: str
