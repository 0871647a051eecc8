"""What the tests of PyTorch weights share: arrays by name, and by NumPy what they answer."""

import numpy as np
import pytest

from dtp_tf.errors import UserError

SIZES = (6, 5, 4, 5, 3)
LAYERS = ",".join(map(str, SIZES))


def linears(sizes=SIZES, seed=0):
    """Return (weight (outputs, inputs), bias) of each layer, as PyTorch keeps them."""
    chance = np.random.default_rng(seed)
    return [
        (chance.normal(size=(n, m)).astype("float32"), chance.normal(size=n).astype("float32"))
        for m, n in zip(sizes, sizes[1:], strict=False)
    ]


def named(pattern="{}", layers=None, step=2):
    """Return the state dict of an `nn.Sequential`: Linear layers at 0, 2, 4, .."""
    found = {}
    for i, (weight, bias) in enumerate(layers or linears()):
        found[pattern.format(i * step) + ".weight"] = weight
        found[pattern.format(i * step) + ".bias"] = bias
    return found


def lettered(inner=""):
    """Return F1 .. F4 and G2, G3 of a notebook, whose G_i leads from layer i to layer i - 1."""
    found = {}
    for i, (weight, bias) in enumerate(linears(), start=1):
        found[f"F{i}{inner}.weight"], found[f"F{i}{inner}.bias"] = weight, bias
    for i in (2, 3):
        ((weight, bias),) = linears((SIZES[i], SIZES[i - 1]), seed=10 + i)
        found[f"G{i}{inner}.weight"], found[f"G{i}{inner}.bias"] = weight, bias
    return found


def softmax(logits):
    exponents = np.exp(logits - logits.max(-1, keepdims=True))
    return exponents / exponents.sum(-1, keepdims=True)


def forward(x, layers=None):
    """Return what the network of `linears` answers, computed with NumPy as PyTorch would."""
    layers = layers or linears()
    for i, (weight, bias) in enumerate(layers):
        x = x @ weight.T + bias
        x = np.tanh(x) if i < len(layers) - 1 else x
    return softmax(x)


X = np.random.default_rng(1).normal(size=(20, 6)).astype("float32")


def refused(call, *args):
    with pytest.raises(UserError) as caught:
        call(*args)
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text
