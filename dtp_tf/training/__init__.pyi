from .building import build_network as build_network
from .building import compile_network as compile_network
from .building import initializer as initializer
from .loop import Loop as Loop
from .optimizers import make_optimizer as make_optimizer
from .train import RunHistory as RunHistory
