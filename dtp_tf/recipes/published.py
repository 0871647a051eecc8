"""The experiments of papers, with the settings that they publish. No TensorFlow is imported.

A name is PAPER-DATA-NETWORK; with -quick at its end the same in fewer epochs.
"""

import dataclasses

from dtp_tf.recipes.named_recipe import NamedRecipe

_BEST = (
    "each the best test error seen in 500 epochs, with the best of 60 drawn settings, so below "
    "what an epoch chosen by validation gives"
)
_BARTUNOV = (
    "The batch size and the scale of pixels are of our own. The target step is taken to be for "
    "each example's own gradient. Of AO-SDTP the paper says no settings but 512 auxiliary units: "
    "it has those of SDTP here."
)
_MEULEMANS = (
    "As quoted from memory, not read again: test errors of BP 45.60, DDTP-linear 50.36, DRL 50.80, "
    "DTP 50.74, DFA 51.28 %. Their rates are divided by the target step, as they do. They compute "
    "in float64, here it is float32. Rules without a published setting here have defaults."
)
_ERNOULT = (
    "PyTorch's weight decay of 1e-4 is part of the gradient that a momentum of 0.9 adds up: as "
    "much is 1e-3 beside the momentum, where Keras has it."
)


def _adam(beta_1, beta_2, epsilon):
    return f"adam beta_1={beta_1} beta_2={beta_2} epsilon={epsilon}"


def _without_feedback(rate, *adam, **more):
    return {"learning_rate": rate, "optimizer": _adam(*adam), **more}


def _bartunov(schedule, forward, inverse, noise, step=None):
    """Return a rule's settings: `forward` and `inverse` are a rate, two betas and an epsilon."""
    return {
        **_without_feedback(*forward),
        "schedule": schedule,
        "inverse_learning_rate": inverse[0],
        "inverse_optimizer": _adam(*inverse[1:]),
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
_MNIST = dict(
    dataset="mnist", units=(256,) * 5, initializer="glorot_uniform", batch_size=100, epochs=500,
)
_CIFAR10 = dict(
    dataset="cifar10", units=(1024,) * 3, initializer="glorot_uniform", flip=True, crop=4,
    batch_size=100, epochs=500,
)
_ERNOULT_CIFAR10 = dict(
    dataset="cifar10", activation="elu", preprocessing="imagenet", flip=True, crop=4, epochs=90,
    optimizer="sgd-momentum weight_decay=0.001", initializer="torch_uniform",
    learning_rate_schedule="cosine min=1e-05 epochs=85",
)
_ERNOULT_INVERSES = dict(
    inverse_optimizer="sgd-momentum", inverse_learning_rate_schedule="constant",
    inverse_initializer="torch_uniform",
)

_WHOLE = {
    "bartunov-mnist-fc": NamedRecipe(
        "MNIST, 784-256x5-10 tanh, as Bartunov et al. 2018: inverses and layers on every batch.",
        _MNIST,
        {
            "dtp": _bartunov(
                "parallel", (7.57e-4, 0.99, 0.95, 1e-3), (7.68e-4, 0.99, 0.999, 1e-4), 0.361, 0.150
            ),
            **_denoising(
                "parallel", (4.02e-4, 0.99, 0.999, 1e-8), (1.101e-3, 0.99, 0.95, 1e-6), 0.214
            ),
            **_OF_MNIST,
        },
        f"Published test errors: DTP 2.86, SDTP 3.52, AO-SDTP 2.93, FA 1.85, DFA 2.75, BP 1.48 %, "
        f"{_BEST}. {_BARTUNOV}",
    ),
    "bartunov-mnist-fc-alternating": NamedRecipe(
        "MNIST, 784-256x5-10 tanh, as Bartunov et al. 2018: passes for inverses, then for layers.",
        _MNIST,
        {
            "dtp": _bartunov(
                "alternating", (3.08e-4, 0.99, 0.99, 1e-4), (4.593e-3, 0.99, 0.999, 1e-4), 0.220,
                0.232,
            ),
            **_denoising(
                "alternating", (3.01e-4, 0.9, 0.95, 1e-4), (9.572e-3, 0.9, 0.95, 1e-3), 0.118
            ),
            **_OF_MNIST,
        },
        f"Published test errors: DTP 1.83, SDTP 2.28, AO-SDTP 1.86, FA 1.85, DFA 2.75, BP 1.48 %, "
        f"{_BEST}. {_BARTUNOV}",
    ),
    "bartunov-cifar10-fc": NamedRecipe(
        "CIFAR-10, 3072-1024x3-10 tanh, as Bartunov et al. 2018: inverses and layers on every "
        "batch.",
        _CIFAR10,
        {
            "dtp": _bartunov(
                "parallel", (1.2e-5, 0.9, 0.999, 1e-8), (3.9e-5, 0.9, 0.99, 1e-6), 0.170, 0.126
            ),
            **_denoising(
                "parallel", (1.29e-4, 0.9, 0.99, 1e-6), (1.1e-5, 0.9, 0.99, 1e-6), 0.273
            ),
            **_OF_CIFAR10,
        },
        f"Published test errors: DTP 59.14, SDTP 55.32, AO-SDTP 47.11, FA 41.97, DFA 47.80, BP "
        f"41.32 %, {_BEST}. {_BARTUNOV}",
    ),
    "bartunov-cifar10-fc-alternating": NamedRecipe(
        "CIFAR-10, 3072-1024x3-10 tanh, as Bartunov et al. 2018: passes for inverses, then for "
        "layers.",
        _CIFAR10,
        {
            "dtp": _bartunov(
                "alternating", (1.3e-5, 0.9, 0.999, 1e-8), (1.14e-4, 0.9, 0.99, 1e-4), 0.135, 0.172
            ),
            **_denoising(
                "alternating", (4.1e-5, 0.9, 0.99, 1e-4), (1.4e-5, 0.9, 0.99, 1e-8), 0.126
            ),
            **_OF_CIFAR10,
        },
        f"Published test errors: DTP 42.32, SDTP 54.27, AO-SDTP 45.40, FA 41.97, DFA 47.80, BP "
        f"41.32 %, {_BEST}. {_BARTUNOV}",
    ),
    "meulemans-cifar10-fc": NamedRecipe(
        "CIFAR-10, 3072-1024x3-10 tanh, as Meulemans et al. 2020.",
        dict(
            dataset="cifar10", units=(1024,) * 3, preprocessing="symmetric", batch_size=128,
            epochs=100, initializer="glorot_normal",
        ),
        {
            "ddtp_linear": dict(
                learning_rate=5.854e-5 / 0.0669, target_step=0.0669, noise=0.00634,
                inverse_learning_rate=4.781e-5, inverse_epochs_before=10, inverse_epochs_after=2,
                inverse_initializer="glorot_normal",
            ),
            "dtp": dict(
                learning_rate=8.083e-6 / 0.0727, target_step=0.0727, noise=0.2408,
                inverse_learning_rate=2.131e-3, inverse_initializer="glorot_normal",
            ),
            "drl": dict(
                learning_rate=1.412e-5 / 0.0262, target_step=0.0262, noise=0.0992,
                inverse_learning_rate=1.518e-4, inverse_initializer="glorot_normal",
            ),
        },
        _MEULEMANS,
    ),
    "ernoult-cifar10-lenet": NamedRecipe(
        "CIFAR-10 with the network that Ernoult et al. 2022 call LeNet, and all of its updates of "
        "the inverses.",
        dict(
            _ERNOULT_CIFAR10, layers=("conv 32 5 max 3/2 p1", "conv 64 5 max 3/2 p1", "dense 512"),
            batch_size=256, learning_rate=0.0362,
        ),
        {
            "ldrl": dict(
                _ERNOULT_INVERSES, target_step=0.466, noise=(0.416, 0.383, 0.140),
                inverse_steps=(41, 51, 24), inverse_learning_rate=(7.19e-4, 1.25e-4, 3.54e-2),
            ),
        },
        "Published are angles between its updates and backpropagation's: 33.5, 8, 2.6 and 0 "
        "degrees from the first layer on, which `--diagnostics-every` measures. "
        f"Decay and course of the rate are those of their VGG. {_ERNOULT}",
    ),
    "ernoult-cifar10-vgg": NamedRecipe(
        "CIFAR-10 with the SimpleVGG of Ernoult et al. 2022, their constants and weight decay; for "
        "a GPU.",
        dict(
            _ERNOULT_CIFAR10, batch_size=128, learning_rate=0.05,
            layers=tuple(f"conv {n} 3 max 2" for n in (128, 128, 256, 256, 512)),
        ),
        {
            "ldrl": dict(
                _ERNOULT_INVERSES, target_step=0.7, noise=(0.4, 0.4, 0.2, 0.2, 0.08),
                inverse_steps=(20, 30, 35, 55, 20),
                inverse_learning_rate=(1e-4, 3.5e-4, 8e-3, 8e-3, 0.18),
            ),
        },
        "As quoted from memory, not read again: test accuracy of L-DRL 89.38, BP 89.07 %; their "
        f"rates are 0.05 to 0.08. {_ERNOULT}",
    ),
}

# Epochs that take less than an hour on 2 cores, where the paper's take more.
_QUICK = {
    "bartunov-mnist-fc": 10,
    "bartunov-mnist-fc-alternating": 10,
    "bartunov-cifar10-fc": 10,
    "bartunov-cifar10-fc-alternating": 10,
    "meulemans-cifar10-fc": 5,
}


def _quick(named, epochs):
    whole = named.settings["epochs"]
    return dataclasses.replace(
        named,
        summary=f"{named.summary} In {epochs} epochs of {whole}.",
        settings={**named.settings, "epochs": epochs},
        published=f"{named.published} All that is published is of {whole} epochs.",
    )


PUBLISHED = {
    name: one
    for whole, named in _WHOLE.items()
    for name, one in (
        (whole, named),
        *([(f"{whole}-quick", _quick(named, _QUICK[whole]))] if whole in _QUICK else []),
    )
}
