"""The settings of optimizers and of the training. This module does not import TensorFlow."""

import dataclasses

from dtp_tf.recipes.learning_rate_schedules import schedule_setting
from dtp_tf.recipes.optimizers import optimizer_setting
from dtp_tf.recipes.settings import field_of, setting

PRECISIONS = ("float32", "mixed_bfloat16", "tf32")


@dataclasses.dataclass(frozen=True)
class OptimizerFields:
    """How forward layers and inverses are moved along their gradients."""

    optimizer: str = field_of("adam", optimizer_setting(
        "Optimizer of the forward layers: one of Keras's, or sgd-momentum = SGD with momentum 0.9; "
        "rmsprop-graves = Lee's centred RMSprop (rho 0.95, momentum 0.9, epsilon 1e-3); "
        "rmsprop-torch = PyTorch's defaults (rho 0.99). Its arguments follow as NAME=VALUE, 'adam "
        "beta_2=0.95 epsilon=1e-4', or in files {name: adam, beta_2: 0.95}: those of Keras's class "
        "but for the learning rate and averages, and exclude_from_weight_decay=bias,gamma,beta for "
        "what weight_decay leaves alone (gamma and beta are a normalisation's). An argument that "
        "is a number may have one for each layer, epsilon=1e-8,1e-6, as learning_rate."
    ))
    learning_rate: float | tuple = setting(
        3e-4, float, "Learning rate of the forward layers; one number, or one for each layer from "
        "the input on, the output layer last.", low=0, open_low=True, per_layer=True,
    )
    learning_rate_schedule: str = field_of("constant", schedule_setting(
        "Course of the forward learning rate: constant; cosine = falls along half a cosine to min "
        "(default 0) at the end of epoch epochs (default the last); step = times factor (default "
        "0.1) after every=EPOCHS (default a third of all), or at=EPOCH,EPOCH. Each also with "
        "warmup=EPOCHS (default 0), in which the rate first rises evenly from 0. Arguments follow "
        "as NAME=VALUE, 'cosine min=1e-5 epochs=85 warmup=2', or in files {name: cosine, min: "
        "1.0e-5}."
    ))
    weight_ema: float | None = setting(
        None, float, "Momentum of averages that follow all trained weights from update to update, "
        "average = momentum * average + (1 - momentum) * weight. It is they that are validated, "
        "kept as the best network, tested and exported; none = the weights themselves.",
        low=0, high=1, open_low=True, open_high=True, optional=True,
    )
    inverse_optimizer: str | None = field_of(None, optimizer_setting(
        "Optimizer of the inverses, with its arguments as in `optimizer`.", optional=True,
    ))
    inverse_learning_rate: float | tuple | None = setting(
        None, float, "Learning rate of the inverses; one number, or one for each layer with an "
        "inverse, from the input on.", low=0, open_low=True, per_layer=True, optional=True,
    )
    inverse_learning_rate_schedule: str | None = field_of(None, schedule_setting(
        "Course of the inverses' learning rate, as in `learning_rate_schedule`; the passes before "
        "the first epoch are a part of it.", optional=True,
    ))


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
        "layers and where inverses take differences, float32 in all else; tf32 = TF32 on GPUs that "
        "have it, for rules that take no small differences of targets.",
        choices=PRECISIONS,
    )
    deterministic: bool = setting(
        False, bool, "Bit-equal weights for the same seed on the same machine; slower.",
    )
