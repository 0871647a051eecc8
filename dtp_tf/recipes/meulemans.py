"""The experiments of Meulemans et al. 2020, arXiv 2006.14331. No TensorFlow is imported.

The constants are those of the configurations in the authors' code. Three of its conventions are
other ones than here, and are converted, so that an update is the same:

* the target step is for the gradient of the mean over a batch of 128: here it is divided by that;
* the output layer, too, has the squared error to a target, 2 step / 128 times the gradient of the
  loss, and Adam's epsilon is divided by this;
* losses of convolutions and of the feedback are means over the units, here sums: epsilons and the
  decay of the feedback are multiplied by their number.
"""

from dtp_tf.recipes.named_recipe import NamedRecipe, adam

_BATCH = 128
_MEMORY = "As quoted from memory, not read again: test errors of"
_CONDITIONS = (
    "each the mean of 10 seeds, of the epoch with the best validation error on 5000 images, of "
    "100. The constants are those of the authors' code; its forward rates are divided by the "
    "target step, and Adam's epsilons are converted to the scale that losses have here. They "
    "compute in float64, here it is float32. Their DTP has its first target at the output, and an "
    "inverse of that layer; here it is Lee's, at the top hidden layer."
)


def _forward(rate, betas, epsilons, step):
    """Return what the layers learn with; `epsilons` are one for each, the output's last."""
    *hidden, output = epsilons
    many = isinstance(rate, tuple)
    return {
        "learning_rate": tuple(one / step for one in rate) if many else rate / step,
        "optimizer": adam(*betas, [*hidden, output * _BATCH / (2 * step)]),
        "target_step": step / _BATCH,
    }


def _feedback(rate, betas, epsilon, noise, units, decay=0.0, scale=1.0):
    """Return what the feedback learns with.

    Args:
        units: of the layers that it gives back.
        scale: by which the authors' loss is larger than the one here, but for the mean over units.
    """
    same = len(set(units)) == 1
    lambdas = tuple(float(f"{decay * one / 2:.5g}") for one in units)
    return {
        "schedule": "parallel",
        "noise": noise,
        "inverse_learning_rate": rate,
        "inverse_optimizer": adam(*betas, [epsilon * one / scale for one in units]),
        "inverse_initializer": "glorot_normal",
        **({"inverse_l2": lambdas[0] if same else lambdas} if decay else {}),
    }


def _dtp_feedback(*settings):
    """Return what the inverses of DTP learn with, whose loss there is divided by sigma^2."""
    rate, betas, epsilon, noise, units = settings
    return _feedback(rate, betas, epsilon, noise, units, scale=noise**-2)


def _passes(before, after):
    return {"inverse_epochs_before": before, "inverse_epochs_after": after}


def _alone(rate, betas, epsilon):
    return {"learning_rate": rate, "optimizer": adam(*betas, epsilon)}


def _dfa(rate, betas, epsilon):
    """Direct feedback alignment: direct maps that never learn, with a target step of 1."""
    scale = _BATCH / 2
    many = isinstance(epsilon, list)
    epsilon = [one * scale for one in epsilon] if many else float(f"{epsilon * scale:.5g}")
    return {**_alone(rate, betas, epsilon), "inverse_initializer": "glorot_normal"}


_COMMON = dict(batch_size=_BATCH, epochs=100, initializer="glorot_normal")
_CIFAR10 = dict(
    _COMMON, dataset="cifar10", preprocessing="symmetric", validation_fraction=0.1,
)
_SMALL = dict(_COMMON, units=(256,) * 5, validation_fraction=1 / 12)
_WIDE_3, _WIDE_2 = (1024,) * 3, (1024,) * 2
_DEEP_5, _DEEP_4 = (256,) * 5, (256,) * 4
_MAPS = 32 * 16 * 16, 64 * 8 * 8, 512  # units of the small network's hidden layers

_CIFAR10_FC = {
    "ddtp_linear": {
        **_forward(5.8539e-5, (0.9, 0.999), [1.6241e-6] * 4, 0.066928),
        **_feedback(
            rate=4.7809e-5, betas=(0.9, 0.999), epsilon=3.0412e-7, noise=0.0063391, units=_WIDE_3,
            decay=5.3956e-5,
        ),
        **_passes(10, 2),
    },
    "ddtp_rhl": {
        **_forward(2.2591e-6, (0.9, 0.999), [7.2191e-8] * 4, 0.016184),
        **_feedback(
            rate=9.0978e-4, betas=(0.99, 0.9), epsilon=2.0504e-5, noise=0.027413, units=_WIDE_3,
            decay=1.3449e-7,
        ),
        **_passes(10, 2),
        "feedback_units": 2048,
    },
    "drl": {
        **_forward(1.4115e-5, (0.9, 0.99), [5.3724e-7] * 4, 0.026212),
        **_feedback(
            rate=1.5184e-4, betas=(0.99, 0.999), epsilon=9.6683e-6, noise=0.099229, units=_WIDE_3,
            decay=1.2559e-5,
        ),
        **_passes(10, 2),
    },
    "dtp": {
        **_forward(8.0826e-6, (0.999, 0.99), [4.2050e-6] * 4, 0.072733),
        **_dtp_feedback(2.1314e-3, (0.9, 0.9), 9.9210e-5, 0.24083, _WIDE_2),
    },
    "dfa": _dfa(3.8143e-4, (0.9, 0.999), 2.5157e-5),
    "bp": _alone(3.8866e-4, (0.9, 0.999), 6.5656e-4),
}  # fmt: skip
_CIFAR10_CNN = {
    "ddtp_linear": {
        **_forward(
            (2.5936e-4, 8.8550e-4, 1.4230e-4, 3.3871e-6), (0.9, 0.999),
            [2.7868e-8 * _MAPS[0], 1.9869e-8 * _MAPS[1], 4.5152e-6, 4.0461e-5], 0.015962,
        ),
        **_feedback(
            rate=4.5157e-3, betas=(0.9, 0.999), epsilon=7.5291e-7, noise=0.0092104, units=_MAPS,
            decay=6.1693e-5,
        ),
        **_passes(10, 1),
    },
    "ddtp_control": {
        **_forward(
            (7.0586e-4, 4.5977e-4, 1.4143e-5, 1.9347e-5), (0.9, 0.999),
            [1.8847e-7 * _MAPS[0], 1.3178e-8 * _MAPS[1], 1.2706e-6, 1.5887e-5], 0.09963,
        ),
        **_feedback(
            rate=1.2521e-4, betas=(0.9, 0.999), epsilon=2.0685e-4, noise=0.074825, units=_MAPS,
            decay=6.7317e-7,
        ),
        **_passes(10, 1),
    },
    "dfa": _dfa(
        (4.5128e-5, 3.9259e-4, 5.3584e-5, 7.3499e-5), (0.9, 0.999),
        [1.1064e-7 * _MAPS[0], 1.3370e-8 * _MAPS[1], 1.4849e-8, 6.5794e-6],
    ),
    "bp": _alone(
        (5.9299e-4, 3.8001e-4, 7.3737e-6, 1.0012e-6), (0.9, 0.999),
        [1.7194e-7, 1.9810e-4, 1.4745e-8, 3.0370e-5],
    ),
}  # fmt: skip
_MNIST = {
    "ddtp_linear": {
        **_forward(2.0354e-5, (0.9, 0.999), [1.2552e-8] * 6, 0.060969),
        **_feedback(
            rate=1.6378e-4, betas=(0.999, 0.999), epsilon=2.8384e-4, noise=0.090752, units=_DEEP_5,
            decay=5.8362e-7,
        ),
        **_passes(6, 1),
    },
    "ddtp_rhl": {
        **_forward(2.8048e-5, (0.9, 0.99), [3.9835e-8] * 6, 0.043516),
        **_feedback(
            rate=3.0245e-4, betas=(0.9, 0.999), epsilon=3.4026e-6, noise=0.041623, units=_DEEP_5,
            decay=1.6213e-3,
        ),
        **_passes(6, 1),
        "feedback_units": 1024,
    },
    "ddtp_control": {
        **_forward(8.8827e-5, (0.9, 0.999), [5.5526e-8] * 6, 0.094167),
        **_feedback(
            rate=1.8713e-4, betas=(0.9, 0.999), epsilon=1.2298e-8, noise=0.00872, units=_DEEP_5,
            decay=4.0220e-4,
        ),
        **_passes(6, 1),
    },
    "drl": {
        **_forward(2.9689e-5, (0.9, 0.99), [1.0011e-8] * 6, 0.068589),
        **_feedback(
            rate=2.0123e-5, betas=(0.99, 0.999), epsilon=5.0845e-8, noise=0.056879, units=_DEEP_5,
            decay=5.3850e-6,
        ),
        **_passes(6, 1),
    },
    "dtp": {
        **_forward(6.1850e-5, (0.9, 0.999), [1.0170e-8] * 6, 0.21951),
        **_dtp_feedback(1.9585e-3, (0.9, 0.999), 7.5411e-6, 0.083725, _DEEP_4),
    },
    "dfa": _dfa(3.8082e-4, (0.9, 0.999), 1.0862e-7),
    "bp": _alone(2.9705e-4, (0.99, 0.999), 6.9278e-8),
}  # fmt: skip
_FASHION_MNIST = {
    "ddtp_linear": {
        **_forward(8.7036e-6, (0.99, 0.99), [1.7280e-8] * 6, 0.01725),
        **_feedback(
            rate=7.9591e-4, betas=(0.99, 0.9), epsilon=3.1082e-8, noise=0.098573, units=_DEEP_5,
            decay=5.7827e-6,
        ),
        **_passes(6, 1),
    },
    "ddtp_rhl": {
        **_forward(3.3751e-5, (0.9, 0.99), [3.6540e-7] * 6, 0.026152),
        **_feedback(
            rate=1.1568e-5, betas=(0.9, 0.999), epsilon=2.0812e-4, noise=0.043876, units=_DEEP_5,
            decay=8.4992e-4,
        ),
        **_passes(6, 1),
        "feedback_units": 1024,
    },
    "ddtp_control": {
        **_forward(3.0077e-5, (0.9, 0.999), [1.3274e-8] * 6, 0.032346),
        **_feedback(
            rate=3.1206e-5, betas=(0.999, 0.99), epsilon=3.2568e-4, noise=0.084869, units=_DEEP_5,
            decay=1.1893e-6,
        ),
        **_passes(6, 1),
    },
    "drl": {
        **_forward(7.1017e-5, (0.99, 0.999), [1.6407e-8] * 6, 0.086567),
        **_feedback(
            rate=9.6983e-5, betas=(0.99, 0.9), epsilon=2.2676e-5, noise=0.084333, units=_DEEP_5,
            decay=2.1388e-5,
        ),
        **_passes(6, 1),
    },
    "dtp": {
        **_forward(6.2647e-5, (0.9, 0.99), [3.1751e-8] * 6, 0.24134),
        **_dtp_feedback(3.6600e-4, (0.99, 0.999), 1.3607e-6, 0.26749, _DEEP_4),
    },
    "dfa": _dfa(9.4030e-4, (0.9, 0.99), 3.6611e-8),
    "bp": _alone(2.8760e-4, (0.9, 0.99), 4.7253e-8),
}  # fmt: skip

WHOLE = {
    "meulemans-mnist-fc": NamedRecipe(
        "MNIST, 784-256x5-10 tanh, as Meulemans et al. 2020.",
        dict(_SMALL, dataset="mnist", preprocessing="channels"),
        _MNIST,
        f"{_MEMORY} BP 1.98, DDTP-linear 2.04, DDTP-RHL 2.10, DRL 2.21, DDTP-control 2.51, DTP "
        f"2.39, DFA 2.17 %, {_CONDITIONS}",
    ),
    "meulemans-fashion-mnist-fc": NamedRecipe(
        "Fashion-MNIST, 784-256x5-10 tanh, as Meulemans et al. 2020.",
        dict(_SMALL, dataset="fashion_mnist"),
        _FASHION_MNIST,
        f"{_MEMORY} BP 10.74, DDTP-linear 11.11, DRL 11.22 %, {_CONDITIONS}",
    ),
    "meulemans-cifar10-fc": NamedRecipe(
        "CIFAR-10, 3072-1024x3-10 tanh, as Meulemans et al. 2020.",
        dict(_CIFAR10, units=(1024,) * 3),
        _CIFAR10_FC,
        f"{_MEMORY} BP 45.60, DDTP-linear 50.36, DRL 50.80, DTP 50.74, DFA 51.28 %, {_CONDITIONS}",
    ),
    "meulemans-cifar10-cnn": NamedRecipe(
        "CIFAR-10, two convolutions of 5x5 with pooling, 32 and 64 channels, and 512 units, tanh, "
        "as Meulemans et al. 2020.",
        dict(_CIFAR10, layers=("conv 32 5 max 3/2 p1", "conv 64 5 max 3/2 p1", "dense 512")),
        _CIFAR10_CNN,
        f"{_MEMORY} BP 24.4, DDTP-linear 24.0 %, {_CONDITIONS}",
    ),
}
# Epochs that take less than an hour on 2 cores.
QUICK = {
    "meulemans-mnist-fc": 10,
    "meulemans-fashion-mnist-fc": 10,
    "meulemans-cifar10-fc": 5,
    "meulemans-cifar10-cnn": 2,
}
