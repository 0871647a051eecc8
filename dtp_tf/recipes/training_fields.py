"""The settings of optimizers and of the training. This module does not import TensorFlow."""

import dataclasses

from dtp_tf.recipes.settings import setting

LEARNING_RATE_SCHEDULES = ("constant", "cosine")
OPTIMIZERS = ("adam", "sgd", "sgd-momentum", "rmsprop", "rmsprop-graves", "rmsprop-torch")
PRECISIONS = ("float32", "mixed_bfloat16", "tf32")


@dataclasses.dataclass(frozen=True)
class OptimizerFields:
    """How forward layers and inverses are moved along their gradients."""

    optimizer: str = setting(
        "adam", str,
        "Optimizer of the forward layers. sgd-momentum = SGD with momentum 0.9; rmsprop-graves = "
        "Lee's centred RMSprop (rho 0.95, momentum 0.9, epsilon 1e-3); rmsprop-torch = PyTorch's "
        "defaults (rho 0.99).",
        choices=OPTIMIZERS,
    )
    learning_rate: float = setting(
        3e-4, float, "Learning rate of the forward layers.", low=0, open_low=True
    )
    learning_rate_schedule: str = setting(
        "constant", str,
        "Course of the forward learning rate; cosine falls to 0 at the last epoch.",
        choices=LEARNING_RATE_SCHEDULES,
    )
    inverse_optimizer: str | None = setting(
        None, str, "Optimizer of the inverses.", choices=OPTIMIZERS, optional=True,
    )
    inverse_learning_rate: float | tuple | None = setting(
        None, float, "Learning rate of the inverses; one number, or one for each layer with an "
        "inverse, from the input on.", low=0, open_low=True, per_layer=True, optional=True,
    )
    inverse_learning_rate_schedule: str | None = setting(
        None, str, "Course of the inverses' learning rate.", choices=LEARNING_RATE_SCHEDULES,
        optional=True,
    )


@dataclasses.dataclass(frozen=True)
class TrainingFields:
    """How long is trained, with which numbers, and what is measured."""

    batch_size: int = setting(128, int, "Images per update.", low=1)
    epochs: int = setting(
        30, int, "Passes over the training images; an alternating epoch passes over them twice.",
        low=1,
    )
    class_weights: str | None = setting(
        None, str, "Weights of the training images by their class: balanced = all classes count "
        "alike, however many images they have; none = all images count alike.",
        choices=("balanced",), optional=True,
    )
    early_stopping: int | None = setting(
        None, int, "Stop after this many epochs without a better validation accuracy.",
        low=1, optional=True,
    )
    diagnostics_every: int | None = setting(
        None, int, "Epochs between measurements of the angles to backpropagation and Gauss-Newton "
        "(also after the first and the last epoch); none = no measurements.",
        low=1, optional=True,
    )
    diagnostics_images: int = setting(
        100, int, "Training images that are measured on, always the same.", low=1,
    )
    seed: int = setting(
        0, int, "Seed of the split, the initial weights, the order of images and the noise.",
        low=0, high=2**31 - 1, limit=2**31,
    )
    precision: str = setting(
        "float32", str, "What products are computed with: mixed_bfloat16 = bfloat16 in the forward "
        "layers, float32 in all else; tf32 = TF32 on GPUs that have it, for rules that take no "
        "small differences of targets.",
        choices=PRECISIONS,
    )
    deterministic: bool = setting(
        False, bool, "Bit-equal weights for the same seed on the same machine; slower.",
    )
