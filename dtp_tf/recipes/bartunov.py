"""The experiments of Bartunov et al. 2018, arXiv 1807.04587. No TensorFlow is imported.

LC is a network of locally connected layers, FC one of dense layers.
"""

from dtp_tf.recipes.named_recipe import NamedRecipe, adam

_BEST = (
    "each the best test error seen in 500 epochs, with the best of 60 drawn settings, so below "
    "what an epoch chosen by validation gives"
)
_BARTUNOV = (
    "The batch size and the scale of pixels are of our own. The target step is taken to be for "
    "each example's own gradient. Of AO-SDTP the paper says no settings but 512 auxiliary units: "
    "it has those of SDTP here."
)
_OF_FC = (
    "The network and the figures are the paper's; settings of the rules for LC were not at hand: "
    "those here are the published ones of its FC network by the same schedule."
)
_CONVOLUTION = (
    "The paper's yardstick for LC, BP with the kernels of a layer all equal: published is a test "
    f"error of {{}} %, {_BEST}. Its rate and Adam are those that are published for BP and FC. The "
    "batch size and the scale of pixels are of our own."
)


def _without_feedback(rate, *moments, **more):
    return {"learning_rate": rate, "optimizer": adam(*moments), **more}


def _bartunov(schedule, forward, inverse, noise, step=None):
    """Return a rule's settings: `forward` and `inverse` are a rate, two betas and an epsilon."""
    return {
        **_without_feedback(*forward),
        "schedule": schedule,
        "inverse_learning_rate": inverse[0],
        "inverse_optimizer": adam(*inverse[1:]),
        "inverse_initializer": "glorot_uniform",
        "noise": noise,
        **({} if step is None else {"target_step": step}),
    }


def _denoising(*settings):
    """Return the settings of SDTP, and of AO-SDTP the same, for which the paper has none."""
    return {name: _bartunov(*settings) for name in ("sdtp", "ao_sdtp")}


_FIXED = {"inverse_initializer": "glorot_uniform"}
_OF_MNIST = {
    "bp": _without_feedback(1.52e-4, 0.9, 0.999, 1e-8),
    "fa": _without_feedback(1.68e-4, 0.9, 0.999, 1e-4, **_FIXED),
    "dfa": _without_feedback(1.649e-3, 0.9, 0.95, 1e-3, **_FIXED),
}
_OF_CIFAR10 = {
    "bp": _without_feedback(1.9e-5, 0.9, 0.999, 1e-6),
    "fa": _without_feedback(2.5e-5, 0.9, 0.99, 1e-4, **_FIXED),
    "dfa": _without_feedback(5.0e-5, 0.9, 0.99, 1e-8, **_FIXED),
}
_MNIST = dict(dataset="mnist", initializer="glorot_uniform", batch_size=100, epochs=500)
_CIFAR10 = dict(
    dataset="cifar10", initializer="glorot_uniform", flip=True, crop=4, batch_size=100, epochs=500,
)
_MNIST_FC = dict(_MNIST, units=(256,) * 5)
_CIFAR10_FC = dict(_CIFAR10, units=(1024,) * 3)
_MNIST_LC = dict(_MNIST, layers=("local 32 3/2", "local 64 3/2", "dense 1024"))
_CIFAR10_LC = dict(
    _CIFAR10, layers=("local 64 5/2", "local 128 5/2", "local 256 3", "dense 1024"),
)

_PARALLEL, _ALTERNATING = "parallel", "alternating"
_MNIST_PARALLEL = {
    "dtp": _bartunov(
        _PARALLEL, (7.57e-4, 0.99, 0.95, 1e-3), (7.68e-4, 0.99, 0.999, 1e-4), 0.361, 0.150
    ),
    **_denoising(_PARALLEL, (4.02e-4, 0.99, 0.999, 1e-8), (1.101e-3, 0.99, 0.95, 1e-6), 0.214),
    **_OF_MNIST,
}
_MNIST_ALTERNATING = {
    "dtp": _bartunov(
        _ALTERNATING, (3.08e-4, 0.99, 0.99, 1e-4), (4.593e-3, 0.99, 0.999, 1e-4), 0.220, 0.232
    ),
    **_denoising(_ALTERNATING, (3.01e-4, 0.9, 0.95, 1e-4), (9.572e-3, 0.9, 0.95, 1e-3), 0.118),
    **_OF_MNIST,
}
_CIFAR10_PARALLEL = {
    "dtp": _bartunov(
        _PARALLEL, (1.2e-5, 0.9, 0.999, 1e-8), (3.9e-5, 0.9, 0.99, 1e-6), 0.170, 0.126
    ),
    **_denoising(_PARALLEL, (1.29e-4, 0.9, 0.99, 1e-6), (1.1e-5, 0.9, 0.99, 1e-6), 0.273),
    **_OF_CIFAR10,
}
_CIFAR10_ALTERNATING = {
    "dtp": _bartunov(
        _ALTERNATING, (1.3e-5, 0.9, 0.999, 1e-8), (1.14e-4, 0.9, 0.99, 1e-4), 0.135, 0.172
    ),
    **_denoising(_ALTERNATING, (4.1e-5, 0.9, 0.99, 1e-4), (1.4e-5, 0.9, 0.99, 1e-8), 0.126),
    **_OF_CIFAR10,
}


def _experiment(network, settings, rules, errors, more=""):
    """Return a recipe; `errors` are those of DTP, SDTP, AO-SDTP, FA, DFA and BP."""
    names = "DTP", "SDTP", "AO-SDTP", "FA", "DFA", "BP"
    said = ", ".join(f"{name} {error}" for name, error in zip(names, errors, strict=True))
    order = {
        "parallel": "inverses and layers on every batch",
        "alternating": "passes for inverses, then for layers",
    }[rules["dtp"]["schedule"]]
    return NamedRecipe(
        f"{network}, as Bartunov et al. 2018: {order}.",
        settings,
        rules,
        " ".join(f"Published test errors: {said} %, {_BEST}. {more} {_BARTUNOV}".split()),
    )


def _convolution(network, settings, rule, error):
    layers = tuple(one.replace("local", "conv") for one in settings["layers"])
    return NamedRecipe(
        f"{network} with convolutions for locally connected layers, as Bartunov et al. 2018 have "
        "them beside these.",
        {**settings, "layers": layers},
        {"bp": rule},
        _CONVOLUTION.format(error),
    )


_MNIST_NETWORK = "MNIST, 784-256x5-10 tanh"
_MNIST_LOCAL = "MNIST, two locally connected layers of 32 and 64 channels and 1024 units, tanh"
_CIFAR10_NETWORK = "CIFAR-10, 3072-1024x3-10 tanh"
_CIFAR10_LOCAL = (
    "CIFAR-10, three locally connected layers of 64, 128 and 256 channels and 1024 units, tanh"
)
WHOLE = {
    "bartunov-mnist-fc": _experiment(
        _MNIST_NETWORK, _MNIST_FC, _MNIST_PARALLEL, ("2.86", "3.52", "2.93", "1.85", "2.75", "1.48")
    ),
    "bartunov-mnist-fc-alternating": _experiment(
        _MNIST_NETWORK,
        _MNIST_FC,
        _MNIST_ALTERNATING,
        ("1.83", "2.28", "1.86", "1.85", "2.75", "1.48"),
    ),
    "bartunov-mnist-lc": _experiment(
        _MNIST_LOCAL,
        _MNIST_LC,
        _MNIST_PARALLEL,
        ("1.52", "1.98", "1.92", "1.26", "2.05", "1.17"),
        _OF_FC,
    ),
    "bartunov-mnist-lc-alternating": _experiment(
        _MNIST_LOCAL,
        _MNIST_LC,
        _MNIST_ALTERNATING,
        ("1.46", "1.90", "1.91", "1.26", "2.05", "1.17"),
        _OF_FC,
    ),
    "bartunov-mnist-conv": _convolution("MNIST", _MNIST_LC, _OF_MNIST["bp"], "1.01"),
    "bartunov-cifar10-fc": _experiment(
        _CIFAR10_NETWORK,
        _CIFAR10_FC,
        _CIFAR10_PARALLEL,
        ("59.14", "55.32", "47.11", "41.97", "47.80", "41.32"),
    ),
    "bartunov-cifar10-fc-alternating": _experiment(
        _CIFAR10_NETWORK,
        _CIFAR10_FC,
        _CIFAR10_ALTERNATING,
        ("42.32", "54.27", "45.40", "41.97", "47.80", "41.32"),
    ),
    "bartunov-cifar10-lc": _experiment(
        _CIFAR10_LOCAL,
        _CIFAR10_LC,
        _CIFAR10_PARALLEL,
        ("39.47", "46.63", "40.05", "37.44", "44.41", "32.41"),
        _OF_FC,
    ),
    "bartunov-cifar10-lc-alternating": _experiment(
        _CIFAR10_LOCAL,
        _CIFAR10_LC,
        _CIFAR10_ALTERNATING,
        ("39.47", "45.66", "40.21", "37.44", "44.41", "32.41"),
        _OF_FC,
    ),
    "bartunov-cifar10-conv": _convolution("CIFAR-10", _CIFAR10_LC, _OF_CIFAR10["bp"], "31.87"),
}
# Epochs that take less than an hour on 2 cores.
QUICK = {
    **dict.fromkeys(("bartunov-mnist-fc", "bartunov-mnist-fc-alternating"), 10),
    **dict.fromkeys(("bartunov-cifar10-fc", "bartunov-cifar10-fc-alternating"), 10),
    **dict.fromkeys(("bartunov-mnist-lc", "bartunov-mnist-lc-alternating"), 5),
    **dict.fromkeys(("bartunov-cifar10-lc", "bartunov-cifar10-lc-alternating"), 1),
    "bartunov-mnist-conv": 10,
    "bartunov-cifar10-conv": 5,
}
