"""The experiments of Shibuya et al. 2022, arXiv 2212.10352. No TensorFlow is imported."""

from dtp_tf.recipes.named_recipe import NamedRecipe

_SOURCE = (
    "From the authors' code: batches of 256, 100 epochs, 5000 validation images, orthogonal "
    "weights, feedback between -0.001 and 0.001 that never learns, SGD. The figures and the best "
    "rates of the paper were not at hand: the rate of 0.1 and the step of 0.04 are those of the "
    "one call that its code shows, for MNIST with batch normalisation, which is not in this "
    "network. There the first target is at the output and layers have no biases; here it is at "
    "the top hidden layer, as in DTP, and they have. With feedback that small the lowest layers "
    "hardly move. Here dtp, drl and ldrl have the code's five updates of the feedback per batch "
    "and its rate of 0.001."
)
_COMMON = dict(
    batch_size=256, epochs=100, optimizer="sgd", learning_rate=0.1, preprocessing="channels",
    validation_fraction=1 / 12,
)
_STEP = dict(target_step=0.04, inverse_initializer="small_uniform")
_TRAINED = dict(
    _STEP, inverse_initializer="orthogonal", schedule="inverse-first", inverse_steps=5, noise=0.01,
    inverse_optimizer="sgd", inverse_learning_rate=1e-3,
)
_RULES = {
    "fwdtp": _STEP,
    "dtp": _TRAINED,
    "drl": _TRAINED,
    "ldrl": dict(_TRAINED, inverse_learning_rate_schedule="constant"),
    "bp": {},
}


def _experiment(name, network, settings):
    return NamedRecipe(
        f"{name}, {network} tanh, as Shibuya et al. 2022.", {**_COMMON, **settings}, _RULES, _SOURCE
    )


_SMALL = dict(units=(256,) * 5)
WHOLE = {
    "shibuya-mnist-fc": _experiment("MNIST", "784-256x5-10", dict(_SMALL, dataset="mnist")),
    "shibuya-fashion-mnist-fc": _experiment(
        "Fashion-MNIST", "784-256x5-10", dict(_SMALL, dataset="fashion_mnist")
    ),
}
# Epochs that take less than an hour on 2 cores.
QUICK = {}
