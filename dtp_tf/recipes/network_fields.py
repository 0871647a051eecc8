"""The settings of the forward network and its output. This module does not import TensorFlow."""

import dataclasses

from dtp_tf.recipes.layers_in_words import MOST_UNITS
from dtp_tf.recipes.outputs import LOSSES, OUTPUT_LOSSES
from dtp_tf.recipes.settings import setting

ACTIVATIONS = (
    "tanh sigmoid relu elu selu gelu leaky_relu silu softplus softsign hard_tanh linear".split()
)
INITIALIZERS = (
    "orthogonal glorot_uniform glorot_normal he_uniform he_normal lecun_uniform lecun_normal "
    "torch_uniform small_uniform"
).split()
"""The names that the settings of initial weights take."""


@dataclasses.dataclass(frozen=True)
class NetworkFields:
    """The forward layers, their first weights, and what the last one answers."""

    units: tuple | None = setting(
        None, int, "Units of the hidden layers, from the input on, all dense; 256,256 where "
        "neither these nor `layers` are given.", low=1, limit=MOST_UNITS, many=True, optional=True,
    )
    layers: tuple | None = setting(
        None, str, "The hidden layers in words, from the input on, instead of `units`: conv "
        "CHANNELS KERNEL[/STRIDE] [same, valid or pN] [norm] [ACTIVATION] [max or average "
        "SIZE[/STRIDE] [pN]], where pN pads by N pixels and norm is batch normalisation; local "
        "CHANNELS KERNEL[/STRIDE] [same or valid] [ACTIVATION], whose kernels differ from place to "
        "place; residual CHANNELS [/STRIDE] [ACTIVATION] [max or average ...], a normalised block; "
        "dense UNITS [norm] [ACTIVATION]; each also with dropout RATE at its end. norm and dropout "
        "RATE may be entries of their own, of the layer before.",
        many=True, optional=True,
    )
    model: str | None = setting(
        None, str, "A Keras model instead of `units` or `layers`: FILE.keras, whose weights the "
        "training starts from, or FILE.py:FUNCTION, a function of an input shape and a number of "
        "classes, whose file is run.", optional=True,
    )
    activation: str = setting(
        "tanh", str, "Activation of the forward layers f.", choices=tuple(ACTIVATIONS)
    )
    initializer: str = setting(
        "orthogonal", str, "Initial weights of the forward layers (orthogonal: all singular "
        "values 1; torch_uniform: PyTorch's default for Linear); biases start at 0.",
        choices=tuple(INITIALIZERS),
    )
    init: str | None = setting(
        None, str, "Start from the weights of this preset, run or .keras file, and not from "
        "`initializer`: those of the forward layers, and those of inverses where both have them.",
        optional=True,
    )
    dropout: float | tuple = setting(
        0.0, float, "Share of a hidden layer's activations that a training step sets to 0, the "
        "same ones in all that the step asks of the layer; the others become larger. One number, "
        "or one for each hidden layer from the input on. `layers` may say it themselves instead.",
        low=0, high=1, open_high=True, per_layer=True,
    )
    transmission: str = setting(
        "continuous", str, "What a hidden layer sends: sign = -1 or 1, the signs of activations "
        "and targets only, to the next hidden layer and to its own inverse; sample = 0 or 1, drawn "
        "with the activations as probabilities, to the next layer (sigmoid only).",
        choices=("continuous", "sign", "sample"),
    )

    # output
    output_activation: str = setting(
        "softmax", str, "What the output layer answers with: softmax = a probability for each "
        "class, together 1; sigmoid = one against the rest, a probability for each class by "
        "itself; linear = any numbers, which are to come near 1 for the class and 0 for others.",
        choices=tuple(OUTPUT_LOSSES),
    )
    loss: str | None = setting(
        None, str, "Loss of the answers, by Keras's name; none = cross-entropy, or with linear "
        "squared error.", choices=LOSSES, optional=True,
    )
    label_smoothing: float = setting(
        0.0, float, "Share of every label that cross-entropies spread evenly: over all classes "
        "with softmax, over 0 and 1 with sigmoid.", low=0, high=1, open_high=True,
    )
