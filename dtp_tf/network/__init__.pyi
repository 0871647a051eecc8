from .batch import Batch as Batch
from .network import DTPNetwork as DTPNetwork
