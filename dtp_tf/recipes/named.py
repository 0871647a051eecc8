"""The named recipes: which settings each has. This module does not import TensorFlow."""

from dtp_tf.recipes.named_recipe import NamedRecipe
from dtp_tf.recipes.published import PUBLISHED

_MNIST_LAYERS = (240,) * 7
_RESNET18 = (
    "conv 64 3 norm", "residual 64", "residual 64", "residual 128 /2", "residual 128",
    "residual 256 /2", "residual 256", "residual 512 /2", "residual 512 average 4",
)  # fmt: skip
_LENET = ("conv 32 5 max 3/2 p1", "conv 64 5 max 3/2 p1", "dense 512")
# Inverses that come near transposed weights: docs/tuning.md, "Large noise".
_LARGE_NOISE = dict(
    target_step=0.3, noise=30.0, inverse_l2=10.0, inverse_first=True, inverse_activation="matched",
    inverse_learning_rate=4e-3, inverse_learning_rate_schedule="cosine",
)  # fmt: skip
# The same, and nearer: little is left between dtp and bp. docs/tuning.md, "Small steps".
_SMALL_STEP = dict(
    _LARGE_NOISE, target_step=0.01, noise=300.0, noise_directions="orthogonal", inverse_l2=100.0,
    inverse_optimizer="adam", inverse_learning_rate=1e-3,
)  # fmt: skip
_MNIST_DECAY = dict(learning_rate=1e-3, optimizer="adam epsilon=1e-09 weight_decay=0.1")
_MNIST_DTP = dict(_SMALL_STEP, **_MNIST_DECAY)
# Of rules whose first target comes from the label: docs/comparing.md.
_LABEL_STEP = dict(_SMALL_STEP, target_step=0.03, denoising=False, schedule="parallel")
_MNIST_SDTP = dict(_LABEL_STEP, **_MNIST_DECAY)
_CIFAR_SDTP = dict(_LABEL_STEP, optimizer="adam epsilon=1e-09 weight_decay=0.3")
# Narrows the angles of fixed feedback to backpropagation, and does bp good: docs/comparing.md.
_DECAY = dict(learning_rate=1e-3, optimizer="adam weight_decay=0.3")
# Feedback that keeps an average of many batches: docs/comparing.md.
_AVERAGED = dict(
    noise=0.03, noise_directions="orthogonal", inverse_optimizer="sgd",
    inverse_learning_rate_schedule="cosine", optimizer="adam epsilon=1e-09 weight_decay=0.3",
)  # fmt: skip
# Few updates of the inverses of `ldrl`: docs/comparing.md.
_FEW_STEPS = dict(inverse_steps=2, noise_directions="orthogonal", inverse_epochs_before=1)

RECIPES = {
    "digits": NamedRecipe(
        "scikit-learn's 1,797 bundled 8x8 digits, 64-512-512-512-10: no download, done in seconds.",
        dict(
            dataset="digits", units=(512,) * 3, preprocessing="symmetric", batch_size=32, epochs=25,
            learning_rate=4e-3, learning_rate_schedule="cosine", pixel_noise=0.2,
        ),
        {
            "dtp": {},
            # The step must stand out of the inverses' error, which nothing takes away.
            "tp": dict(target_step=10.0, noise=0.1),
        },
    ),
    "cifar10": NamedRecipe(
        "CIFAR-10, 3072-1000-1000-1000-10 tanh: the network of Lee et al., settings of our own.",
        dict(
            dataset="cifar10", units=(1000,) * 3, preprocessing="center", flip=True, crop=4,
            batch_size=128, epochs=75, learning_rate=5e-4, learning_rate_schedule="cosine",
        ),
        {
            "dtp": dict(_SMALL_STEP, optimizer="adam epsilon=1e-09 weight_decay=0.3"),
            "ldrl": dict(
                _FEW_STEPS, target_step=0.01, inverse_learning_rate=1.5e-3,
                jacobian_norm="analytic", optimizer="adam epsilon=1e-09 weight_decay=0.6",
            ),
            "bp": dict(optimizer="adam weight_decay=0.3"),
            "sdtp": _CIFAR_SDTP, "ao_sdtp": _CIFAR_SDTP,
            "ddtp_linear": dict(_AVERAGED, inverse_l2=1.0, inverse_learning_rate=5e-3),
            "drl": dict(
                _AVERAGED, inverse_l2=0.1, inverse_learning_rate=5e-2, inverse_first=True,
                inverse_activation="matched", inverse_epochs_before=1,
            ),
        },
    ),
    "cifar10-cnn": NamedRecipe(
        "CIFAR-10 with the small convolutional tanh network of Meulemans et al.",
        dict(
            dataset="cifar10", layers=_LENET, preprocessing="center", flip=True, crop=4,
            batch_size=128, epochs=25, learning_rate=5e-4, learning_rate_schedule="cosine",
        ),
        {
            "ldrl": dict(inverse_steps=1, inverse_learning_rate=1e-2, inverse_epochs_before=1),
            "dtp": dict(noise=0.1),
            "ddtp_linear": dict(
                _AVERAGED, inverse_l2=1.0, inverse_learning_rate=(2e-4, 6e-4, 2e-3),
                inverse_initializer="small_uniform", inverse_epochs_before=1,
            ),
        },
    ),
    "cifar10-lenet": NamedRecipe(
        "CIFAR-10 with the convolutional ELU network that Ernoult et al. call LeNet; fewer updates "
        "of the inverses than theirs, for a CPU.",
        dict(
            dataset="cifar10", layers=_LENET, activation="elu", preprocessing="center", flip=True,
            crop=4, batch_size=128, epochs=30, learning_rate=5e-4, learning_rate_schedule="cosine",
        ),
        {"ldrl": dict(inverse_steps=1, inverse_learning_rate=1e-2, inverse_epochs_before=1)},
    ),
    "cifar10-vgg": NamedRecipe(
        "CIFAR-10 with the SimpleVGG of Ernoult et al. and their constants, but for the weight "
        "decay; hours an epoch on a CPU.",
        dict(
            dataset="cifar10", activation="elu", preprocessing="imagenet", flip=True, crop=4,
            layers=tuple(f"conv {n} 3 max 2" for n in (128, 128, 256, 256, 512)),
            batch_size=128, epochs=90, optimizer="sgd-momentum", learning_rate=0.05,
            learning_rate_schedule="cosine", initializer="torch_uniform",
        ),
        {
            "ldrl": dict(
                target_step=0.7, noise=(0.4, 0.4, 0.2, 0.2, 0.08),
                inverse_steps=(20, 30, 35, 55, 20), inverse_optimizer="sgd-momentum",
                inverse_learning_rate=(1e-4, 3.5e-4, 8e-3, 8e-3, 0.18),
                inverse_learning_rate_schedule="constant", inverse_initializer="torch_uniform",
            ),
        },
    ),
    "cifar10-resnet18": NamedRecipe(
        "CIFAR-10 with the ResNet-18 of He et al. that begins with 3x3 pixels, as Ernoult et al. "
        "have it in their code, a pair for each residual block; settings of our own, for a GPU.",
        dict(
            dataset="cifar10", layers=_RESNET18, activation="relu", preprocessing="imagenet",
            flip=True, crop=4, batch_size=128, epochs=90, learning_rate=5e-4,
            learning_rate_schedule="cosine", initializer="he_normal",
        ),
        {"ldrl": dict(inverse_steps=1, inverse_learning_rate=3e-3, inverse_epochs_before=1)},
    ),
    "cifar10-local": NamedRecipe(
        "CIFAR-10 with the locally connected tanh network of Bartunov et al., settings of our own.",
        dict(
            dataset="cifar10", preprocessing="center",
            layers=("local 64 5/2", "local 128 5/2", "local 256 3", "dense 1024"),
            flip=True, crop=4, batch_size=128, epochs=30, learning_rate=3e-4,
            learning_rate_schedule="cosine", initializer="glorot_uniform",
        ),
        {"dtp": dict(noise=0.1, inverse_initializer="glorot_uniform")},
    ),
    "cifar10-allconv": NamedRecipe(
        "CIFAR-10 with convolutions of stride 2 in the place of pooling, as Bartunov et al. have "
        "them for target propagation; sizes and settings of our own.",
        dict(
            dataset="cifar10", layers=("conv 64 5/2", "conv 128 5/2", "conv 256 3/2"),
            preprocessing="center", flip=True, crop=4, batch_size=128, epochs=30,
            learning_rate=5e-4, learning_rate_schedule="cosine",
        ),
        {"dtp": dict(noise=0.1)},
    ),
    "cifar10-notebook": NamedRecipe(
        "CIFAR-10 with the settings of the PyTorch notebook that this project ports, its defects "
        "cured: targets held constant, the true log-likelihood, inverses of f with its "
        "nonlinearity, losses per example.",
        dict(
            dataset="cifar10", units=(1000,) * 3, preprocessing="imagenet", batch_size=1024,
            epochs=30, optimizer="rmsprop-torch", learning_rate=0.01, initializer="torch_uniform",
        ),
        {
            "dtp": dict(
                inverse_optimizer="rmsprop-torch", inverse_learning_rate=0.01,
                inverse_initializer="torch_uniform",
                # On the mean over 1024 examples; the noise is the constant's half, as the notebook
                # computes it.
                target_step=0.327736332653 / 1024, noise=0.359829566008 / 2,
            )
        },
    ),
    "mnist": NamedRecipe(
        "MNIST, 784-240x7-10 tanh: the paper's network, settings of our own.",
        dict(
            dataset="mnist", units=_MNIST_LAYERS, crop=2, batch_size=100, epochs=40,
            learning_rate=3e-4, learning_rate_schedule="cosine",
        ),
        {
            "dtp": _MNIST_DTP,
            "bp": dict(learning_rate=1e-3, optimizer="adam weight_decay=0.1"),
        },
    ),
    "mnist-lenet": NamedRecipe(
        "MNIST with a small convolutional ELU network, 16 and 32 channels, 128 units.",
        dict(
            dataset="mnist", layers=("conv 16 5 max 2", "conv 32 5 max 2", "dense 128"),
            activation="elu", crop=2, batch_size=100, epochs=10, learning_rate=1e-3,
            learning_rate_schedule="cosine",
        ),
        {"ldrl": dict(inverse_steps=1, inverse_learning_rate=1e-2)},
    ),
    "mnist-local": NamedRecipe(
        "MNIST with the locally connected tanh network of Bartunov et al.; settings of our own.",
        dict(
            dataset="mnist", layers=("local 32 3/2", "local 64 3/2", "dense 1024"), crop=2,
            batch_size=100, epochs=30, learning_rate=3e-4, learning_rate_schedule="cosine",
        ),
        {
            "dtp": _MNIST_DTP,
            "bp": _DECAY, "fa": _DECAY, "dfa": _DECAY,
            "sdtp": _MNIST_SDTP, "ao_sdtp": _MNIST_SDTP,
        },
    ),
    "mnist-paper": NamedRecipe(
        "MNIST as Lee et al. 2015: 784-240x7-10 tanh, their constants, alternating schedule.",
        dict(
            dataset="mnist", units=_MNIST_LAYERS, batch_size=100, epochs=100,
            validation_fraction=1 / 6, optimizer="rmsprop-graves", learning_rate=0.0148893490317,
        ),
        {
            "dtp": dict(
                schedule="alternating", target_step=0.327736332653 / 100, noise=0.359829566008,
                inverse_optimizer="rmsprop-graves", inverse_learning_rate=0.00501149118237,
            ),
        },
    ),
    "mnist-discrete": NamedRecipe(
        "MNIST with discrete transmission, as Lee et al. 2015: 784-500-500-10 tanh, signs only "
        "between the hidden layers, their constants.",
        dict(
            dataset="mnist", units=(500, 500), transmission="sign", batch_size=100, epochs=500,
            validation_fraction=1 / 6, optimizer="rmsprop-graves",
            learning_rate=0.000660055346131,
        ),
        {
            "dtp": dict(
                schedule="alternating", target_step=27.965482616 / 100, noise=0.5,
                noise_decay_epochs=50.0, inverse_optimizer="rmsprop-graves",
                inverse_learning_rate=0.000432831736994,
            ),
        },
    ),
    "mnist-stochastic": NamedRecipe(
        "MNIST with stochastic binary units, as Lee et al. 2015: 784-200-200-10 sigmoid, noise on "
        "the pixels, binary samples between the layers, their constants.",
        dict(
            dataset="mnist", units=(200, 200), activation="sigmoid", transmission="sample",
            initializer="glorot_uniform", input_noise=0.3, batch_size=100, epochs=1000,
            validation_fraction=1 / 6, optimizer="rmsprop-graves", learning_rate=0.00308740019447,
        ),
        {
            "dtp": dict(
                schedule="alternating", target_step=58.4385169576 / 100, noise=0.5,
                noise_decay_epochs=100.0, inverse_initializer="glorot_uniform",
                inverse_optimizer="rmsprop-graves", inverse_learning_rate=2.71629261947e-6,
            ),
        },
    ),
    "mnist-autoencoder": NamedRecipe(
        "MNIST with the target-propagated denoising autoencoder of Lee et al. 2015, 784-1000-784 "
        "sigmoid, and a classifier on its codes; --rule dtp --init RUN then trains both by labels.",
        dict(
            dataset="mnist", units=(1000,), activation="sigmoid", initializer="glorot_uniform",
            batch_size=100, epochs=30, validation_fraction=1 / 6, learning_rate=1e-3,
            learning_rate_schedule="cosine",
        ),
        {"autoencoder": {}, "dtp": {}},
    ),
    "mnist-compare": NamedRecipe(
        "MNIST, 784-256x5-10 tanh: the network on which Bartunov et al. compare rules.",
        dict(
            dataset="mnist", units=(256,) * 5, crop=2, batch_size=100, epochs=30,
            learning_rate=3e-4, learning_rate_schedule="cosine", diagnostics_every=10,
        ),
        {
            "dtp": _MNIST_DTP,
            "bp": _DECAY, "fa": _DECAY, "dfa": _DECAY,
            # The step must stand out of the inverses' error, which nothing takes away.
            "tp": dict(target_step=10.0, noise=0.1),
            "sdtp": _MNIST_SDTP, "ao_sdtp": _MNIST_SDTP,
            # At the others' rate of 3e-4 ddtp_linear stayed some points lower after five epochs.
            "drl": dict(learning_rate=3e-3, inverse_steps=2),
            "ddtp_linear": dict(learning_rate=3e-3),
            "ldrl": dict(_MNIST_DECAY, inverse_steps=3, target_step=0.01),
        },
    ),
    "cifar10-compare": NamedRecipe(
        "CIFAR-10, 3072-1024x3-10 tanh: the network on which Bartunov et al. and Meulemans et al. "
        "compare rules.",
        dict(
            dataset="cifar10", units=(1024,) * 3, preprocessing="center", flip=True, crop=4,
            batch_size=128, epochs=25, learning_rate=5e-4, learning_rate_schedule="cosine",
            diagnostics_every=10,
        ),
        {
            "dtp": _LARGE_NOISE,
            "tp": dict(target_step=10.0, noise=0.1),
            "sdtp": _CIFAR_SDTP, "ao_sdtp": _CIFAR_SDTP,
            # One noise sample of an example tells little of maps between 1024 and 10 dimensions.
            "drl": dict(
                learning_rate=1e-3, inverse_steps=2, noise_directions="orthogonal",
                inverse_learning_rate_schedule="cosine", inverse_epochs_before=1,
            ),
            "ddtp_linear": dict(learning_rate=3e-3),
            # After an epoch, rates of 1e-3 and 3e-3 have about the same angles to backpropagation.
            "ldrl": dict(_FEW_STEPS, inverse_learning_rate=1.5e-3),
        },
    ),
    **PUBLISHED,
}
"""The named recipes, {name: what it is and the settings that differ from the defaults}."""
