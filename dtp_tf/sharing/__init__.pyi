from .opening import load_preset as load_preset
from .opening import open_model as open_model
from .opening import pretrained_classifier as pretrained_classifier
from .run_presets import save_run as save_run
from .torch_import import import_torch as import_torch
