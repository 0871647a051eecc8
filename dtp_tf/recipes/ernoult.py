"""The experiments of Ernoult et al. 2022, arXiv 2201.13415. No TensorFlow is imported.

In the authors' code a layer's loss is half the squared error to its target, and the output layer
has such a loss too, which is beta times the gradient of C. Here hidden layers have the whole
squared error and the output layer C: rates are halved, and multiplied by beta, to make the same
updates. The decay of a weight is in proportion to its rate, so that it is divided by the same.
"""

from dtp_tf.recipes.named_recipe import NamedRecipe

_DECAY = (
    "PyTorch's weight decay of 1e-4 is part of the gradient that a momentum of 0.9 adds up: as "
    "much is 1e-3 beside the momentum, where Keras has it."
)
_CIFAR10 = dict(
    dataset="cifar10", activation="elu", preprocessing="imagenet", flip=True, crop=4, epochs=90,
    optimizer="sgd-momentum weight_decay=0.001", initializer="torch_uniform",
    learning_rate_schedule="cosine min=1e-05 epochs=85",
)
_INVERSES = dict(
    inverse_optimizer="sgd-momentum", inverse_learning_rate_schedule="constant",
    inverse_initializer="torch_uniform",
)


def _layers(hidden, rate, beta):
    """Return what layers learn with that are taught by targets."""
    shares = [0.5] * hidden + [beta]
    decays = ",".join(f"{1e-3 / share:.5g}" for share in shares)
    return dict(
        target_step=beta, learning_rate=tuple(rate * share for share in shares),
        optimizer=f"sgd-momentum weight_decay={decays}",
    )


_LENET = _layers(3, 0.0362, 0.466)
WHOLE = {
    "ernoult-cifar10-lenet": NamedRecipe(
        "CIFAR-10 with the network that Ernoult et al. 2022 call LeNet, and all of its updates of "
        "the inverses.",
        dict(
            _CIFAR10, layers=("conv 32 5 max 3/2 p1", "conv 64 5 max 3/2 p1", "dense 512"),
            batch_size=256, learning_rate=0.0362,
        ),
        {
            "ldrl": dict(
                _INVERSES, **_LENET, noise=(0.416, 0.383, 0.140),
                inverse_steps=(41, 51, 24), inverse_learning_rate=(7.19e-4, 1.25e-4, 3.54e-2),
            ),
            # The yardsticks of its angles; of these the paper says no constants.
            "drl": dict(
                inverse_first=True, inverse_activation="matched",
                inverse_initializer="torch_uniform", **_LENET,
            ),
            "fwdtp": dict(
                inverse_first=True, inverse_activation="matched",
                inverse_initializer="torch_uniform", **_LENET,
            ),
        },
        "Published are angles between updates and backpropagation's, of the layers from the first "
        "on: L-DRL 33.5, 8, 2.6 and 0 degrees, DRL 85, 83, 13.5 and 1.5, random inverses (here "
        "the rule fwdtp, whose first target is at the top hidden layer) about 90, 90, 90 and 0; "
        "`--diagnostics-every` measures them. drl and fwdtp have settings of our own. The "
        "others are those of the authors' code, decay and course of the rate those of their VGG. "
        f"{_DECAY}",
    ),
    "ernoult-cifar10-vgg": NamedRecipe(
        "CIFAR-10 with the SimpleVGG of Ernoult et al. 2022, their constants and weight decay; for "
        "a GPU.",
        dict(
            _CIFAR10, batch_size=128, learning_rate=0.05,
            layers=tuple(f"conv {n} 3 max 2" for n in (128, 128, 256, 256, 512)),
        ),
        {
            "ldrl": dict(
                _INVERSES, **_layers(5, 0.05, 0.7), noise=(0.4, 0.4, 0.2, 0.2, 0.08),
                inverse_steps=(20, 30, 35, 55, 20),
                inverse_learning_rate=(1e-4, 3.5e-4, 8e-3, 8e-3, 0.18),
            ),
            "bp": {},
        },
        "As quoted from memory, not read again: test accuracy of L-DRL 89.38, BP 89.07 %; their "
        f"rates are 0.05 to 0.08. {_DECAY}",
    ),
}
# About half an hour on 2 cores. The updates of the inverses per batch stay as they are: with fewer
# the inverses are still random after an epoch, and the layers learn nothing.
QUICK = {
    "ernoult-cifar10-lenet": 1,
    "ernoult-cifar10-vgg": (2, 0.9),
}
