"""Which layers in words a transmission and a rule can have. No TensorFlow is imported."""

from dtp_tf.errors import SettingError
from dtp_tf.recipes.layers_in_words import Dense, is_block
from dtp_tf.recipes.optimizers import check_layers
from dtp_tf.recipes.rules import trained_feedback

# Settings that may have a value for each layer with trained feedback.
OF_TRAINED = (
    "noise", "noise_directions", "noise_samples", "inverse_steps", "inverse_l2",
    "inverse_learning_rate",
)  # fmt: skip
# Activations that gait_prop can take back.
INVERTIBLE = ("linear", "tanh", "sigmoid", "leaky_relu", "elu")
# Rules that go back through one set of weights in each layer.
ONE_KERNEL = ("fa", "sign_symmetry", "kp", "weight_mirror")


def check_transmission(layers, transmission):
    """Raise `SettingError` for layers that a transmission has no use for.

    Args:
        layers: as `parse_layers` returns them.
        transmission: the setting of a recipe.
    """
    for layer in layers:
        if transmission != "continuous" and not (_is_plain(layer) and not layer.dropout):
            raise SettingError(
                f"`transmission` {transmission} is for dense layers, got {_what(layer)} in "
                "`layers`; use continuous."
            )


def check_dropout(layers, transmission):
    """Raise `SettingError` for dropout where activations are sent as signs or samples.

    Args:
        layers: as `parse_layers` returns them.
        transmission: the setting of a recipe.
    """
    if transmission != "continuous" and any(layer.dropout for layer in layers):
        raise SettingError(
            f"`dropout` would change the signs or probabilities that `transmission` {transmission} "
            "sends on; use continuous, or no dropout."
        )


def check_rule(layers, rule, symmetric_start=False):
    """Raise `SettingError` for layers that a rule cannot teach.

    The rules themselves refuse such pairs, but only once a network is made of them: after the data
    were read, and in a comparison after other runs.

    Args:
        layers: as `parse_layers` returns them.
        rule, symmetric_start: the settings of a recipe.
    """
    for number, layer in enumerate(layers, start=1):
        if symmetric_start and number > 1 and is_block(layer):
            raise SettingError(
                f"`symmetric_start` needs layers with one set of weights, and layer {number} is "
                f"{_what(layer)}; leave it out, or the normalisation."
            )
        if rule == "autoencoder" and not _is_plain(layer):
            raise SettingError(
                f"`rule` autoencoder decodes by the weights of a dense layer, and layer {number} "
                f"is {_what(layer)}; use dense layers, or a rule such as dtp."
            )
        if rule == "gait_prop" and number > 1 and not _is_plain(layer):
            raise SettingError(
                f"`rule` gait_prop inverts the weights of dense layers, and layer {number} is "
                f"{_what(layer)}; use dense layers, or a rule such as dtp."
            )
        if rule in ONE_KERNEL and number > 1 and is_block(layer):
            raise SettingError(
                f"`rule` {rule} needs layers with one set of weights, and layer {number} is "
                f"{_what(layer)}; use a rule such as dfa, or leave the normalisation out."
            )


def check_norm(jacobian_norm, layers, transmission):
    """Raise `SettingError` for layers whose Jacobians a `jacobian_norm` does not know.

    Args:
        jacobian_norm, transmission: the settings of a recipe.
        layers: as `parse_layers` returns them.
    """
    if jacobian_norm in (None, "sampled"):
        return
    if transmission == "sign":
        raise SettingError(
            f"`jacobian_norm` {jacobian_norm} is of the slopes of inverses, and those of "
            "`transmission` sign have none; use sampled."
        )
    for number, layer in enumerate(layers, start=1):
        averages = jacobian_norm == "analytic" and getattr(layer, "pool", None) == "average"
        if number > 1 and (averages or is_block(layer)):
            what = "pools averages" if averages else f"is {_what(layer)}"
            raise SettingError(
                f"`jacobian_norm` {jacobian_norm} is for inverses of one set of weights"
                f"{', without average pooling' * (jacobian_norm == 'analytic')}, and layer "
                f"{number} {what}; use sampled."
            )


def check_trained(recipe, hidden):
    """Raise `SettingError` for lists that have not one value for each layer with trained feedback.

    Args:
        recipe: a `Recipe`.
        hidden: how many hidden layers its network has.
    """
    trained = trained_feedback(recipe.rule, hidden)
    if not trained:
        return
    what = f"the rule {recipe.rule} trains the feedback of {trained} layers"
    for name in OF_TRAINED:
        value = getattr(recipe, name)
        if isinstance(value, tuple) and len(value) != trained:
            raise SettingError(
                f"`{name}` has {len(value)} values, but {what}; give one value for all, or "
                f"{trained}."
            )
    check_layers("inverse_optimizer", recipe.inverse_optimizer, trained, what)


def check_invertible(activations):
    """Raise `SettingError` for activations of hidden layers that gait_prop cannot take back."""
    for number, name in enumerate(activations, start=1):
        if number > 1 and name not in INVERTIBLE:
            raise SettingError(
                f"`rule` gait_prop needs activations with an inverse, and layer {number} has "
                f"{name}; use one of {', '.join(INVERTIBLE)}, or a rule such as dtp."
            )


def _is_plain(layer):
    return isinstance(layer, Dense) and not layer.norm


def _what(layer):
    if isinstance(layer, Dense):
        return "normalisation" if layer.norm else "dropout" if layer.dropout else "a dense layer"
    kind = {"Conv": "convolution", "Local": "locally connected layer", "Residual": "residual block"}
    name = kind[type(layer).__name__]
    return f"a {name} with normalisation" if getattr(layer, "norm", False) else f"a {name}"
