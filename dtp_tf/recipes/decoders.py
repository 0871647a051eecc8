"""Which decoder can give back what an autoencoder's layers get. No TensorFlow is imported."""

import math

from dtp_tf.errors import SettingError

_SHARES, _SIGNED, _ALL = (0, 1), (-1, 1), (-math.inf, math.inf)
# What activations reach; the others go on above, and below a little under 0.
_REACHED = {
    "sigmoid": _SHARES,
    "tanh": _SIGNED,
    "softsign": _SIGNED,
    "hard_tanh": _SIGNED,
    "relu": (0, math.inf),
    "softplus": (0, math.inf),
    "elu": (-1, math.inf),
    "selu": (-1.7581, math.inf),  # -scale * alpha
    "gelu": (-0.1701, math.inf),
    "silu": (-0.2785, math.inf),
    "leaky_relu": _ALL,
    "linear": _ALL,
}
_PIXELS = {"unit": _SHARES, "symmetric": _SIGNED, "center": _SIGNED, "raw": (0, 255)}


def decoder(preprocessing, activations):
    """Return the first of sigmoid, tanh and linear that reaches all that is to be decoded.

    Args:
        preprocessing: the setting of a recipe.
        activations: of the hidden layers, from the first on.
    """
    wanted = _wanted(preprocessing, activations)
    return next(one for one in ("sigmoid", "tanh", "linear") if _reaches(one, wanted))


def check_decoder(inverse_activation, preprocessing, activations):
    """Raise `SettingError` for decoders that cannot give back what their layers get.

    Args:
        inverse_activation, preprocessing: the settings of a recipe.
        activations: see `decoder`.
    """
    wanted = _wanted(preprocessing, activations)
    if not _reaches(inverse_activation, wanted):
        raise SettingError(
            f"`inverse_activation` {inverse_activation} cannot reach what the decoders of the rule "
            f"autoencoder are to give back: preprocessing {preprocessing} and the activations of "
            f"the layers below go {_words(wanted)}; use {decoder(preprocessing, activations)}."
        )


def _wanted(preprocessing, activations):
    """Return the lowest and the highest number among the inputs of the hidden layers."""
    ranges = [_PIXELS.get(preprocessing, _ALL), *(_REACHED[one] for one in activations[:-1])]
    return min(low for low, _ in ranges), max(high for _, high in ranges)


def _reaches(activation, wanted):
    low, high = _REACHED[activation]
    return low <= wanted[0] and high >= wanted[1]


def _words(wanted):
    low, high = wanted
    below = "below any bound" if low == -math.inf else f"down to {low:g}"
    return f"{below} and {'above any' if high == math.inf else f'up to {high:g}'}"
