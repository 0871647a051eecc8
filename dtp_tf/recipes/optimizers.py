"""The optimizers that a recipe can have, with their arguments.

This module does not import TensorFlow. They are Keras's, by its names; what their arguments do,
and their defaults, is said at https://keras.io/api/optimizers.
"""

from dtp_tf.errors import SettingError
from dtp_tf.recipes.arguments import WithArguments
from dtp_tf.recipes.settings import Setting


def _number(**checks):
    """Return the `Setting` of a number, or of one for each layer."""
    return Setting(float, "", per_layer=True, **checks)


_FLAG = Setting(bool, "")
_NUMBER = _number()
_POSITIVE = _number(low=0, open_low=True)
_NOT_NEGATIVE = _number(low=0)
_SHARE = _number(low=0, high=1)
_DECAY = _number(low=0, high=1, open_high=True)  # of an average
_OPEN_DECAY = _number(low=0, high=1, open_low=True, open_high=True)
_WHOLE = Setting(int, "", low=1, limit=1000)
_CLIP = Setting(float, "", low=0, open_low=True, optional=True)

CLIPS = ("clipnorm", "clipvalue", "global_clipnorm")
# The names of a layer's variables that are no kernels.
NO_KERNELS = ("bias", "gamma", "beta")

_EVERY = {
    "weight_decay": _NOT_NEGATIVE,
    "exclude_from_weight_decay": Setting(str, "", choices=NO_KERNELS, many=True),
    **dict.fromkeys(CLIPS, _CLIP),
    "loss_scale_factor": Setting(float, "", low=0, open_low=True, optional=True),
    "gradient_accumulation_steps": Setting(int, "", low=2, limit=10_000, optional=True),
}
_MOMENTS = {"beta_1": _DECAY, "beta_2": _DECAY, "epsilon": _POSITIVE}
_ADAM = {**_MOMENTS, "amsgrad": _FLAG}
_SGD = {"momentum": _SHARE, "nesterov": _FLAG}
_RMSPROP = {"rho": _DECAY, "momentum": _DECAY, "epsilon": _POSITIVE, "centered": _FLAG}

_OWN = {
    "adam": _ADAM,
    "sgd": _SGD,
    "sgd-momentum": _SGD,
    "rmsprop": _RMSPROP,
    "rmsprop-graves": _RMSPROP,
    "rmsprop-torch": _RMSPROP,
    "adadelta": {"rho": _DECAY, "epsilon": _POSITIVE},
    "adafactor": {
        "beta_2_decay": Setting(float, "", high=0, open_high=True),
        **dict.fromkeys(("epsilon_1", "epsilon_2", "clip_threshold"), _POSITIVE),
        "relative_step": _FLAG,
    },
    "adagrad": {"initial_accumulator_value": _NOT_NEGATIVE, "epsilon": _POSITIVE},
    "adamax": _MOMENTS,
    "adamw": _ADAM,
    "ftrl": {
        "learning_rate_power": Setting(float, "", high=0),
        "initial_accumulator_value": _NOT_NEGATIVE,
        "l1_regularization_strength": _NOT_NEGATIVE,
        "l2_regularization_strength": _NOT_NEGATIVE,
        "l2_shrinkage_regularization_strength": _NOT_NEGATIVE,
        "beta": _NOT_NEGATIVE,
    },
    "lamb": _MOMENTS,
    "lion": {"beta_1": _OPEN_DECAY, "beta_2": _DECAY},
    "muon": {
        **dict.fromkeys(("adam_beta_1", "adam_beta_2"), _DECAY),
        "adam_weight_decay": _NOT_NEGATIVE,
        "epsilon": _POSITIVE,
        "exclude_layers": Setting(str, "", many=True),
        "exclude_embeddings": _FLAG,
        **dict.fromkeys(("muon_a", "muon_b", "muon_c"), _NUMBER),
        "adam_lr_ratio": _POSITIVE,
        "momentum": _DECAY,
        "ns_steps": _WHOLE,
        "nesterov": _FLAG,
        "rms_rate": Setting(float, "", low=0, open_low=True, optional=True),
    },
    "nadam": _MOMENTS,
    "schedulefreeadamw": {
        "beta_1": _OPEN_DECAY,
        "beta_2": _DECAY,
        "epsilon": _POSITIVE,
        "warmup_steps": Setting(int, "", low=0),
    },
}
OPTIMIZERS = tuple(_OWN)
"""The names that `optimizer` and `inverse_optimizer` take."""
ARGUMENTS = {name: {**own, **_EVERY} for name, own in _OWN.items()}
# Those that decay weights unless they are told not to.
DECAYING = ("adamw", "muon")

# Names for an optimizer with some arguments.
SHORT = {
    "sgd-momentum": ("sgd", {"momentum": 0.9}),
    # Graves, "Generating Sequences With Recurrent Neural Networks", 2013, equations 38 to 41, as
    # Lee et al. 2015 use it; Keras, too, has epsilon inside the root.
    "rmsprop-graves": (
        "rmsprop", {"rho": 0.95, "momentum": 0.9, "centered": True, "epsilon": 1e-3},
    ),
    # PyTorch adds 1e-8 outside the root, Keras inside: 1e-16 there is the nearest.
    "rmsprop-torch": ("rmsprop", {"rho": 0.99, "epsilon": 1e-16}),
}

_AVERAGES = "averages of the weights are the setting `weight_ema`"
ELSEWHERE = {
    "learning_rate": "it is a setting of its own",
    "lr": "the learning rate is a setting of its own",
    "decay": "give weight_decay, or a schedule of the learning rate",
    **dict.fromkeys(("use_ema", "ema_momentum", "ema_overwrite_frequency"), _AVERAGES),
}


def _together(choice, given):
    """Return why arguments of an optimizer do not go together, or None."""
    clips = [name for name in CLIPS if given.get(name) is not None]
    if len(clips) > 1:
        return f"{choice} clips gradients in one way, got {' and '.join(clips)}; give one of them."
    decays = given.get("weight_decay") or given.get("adam_weight_decay")
    if "exclude_from_weight_decay" in given and not decays and choice not in DECAYING:
        return f"{choice} decays no weights, got exclude_from_weight_decay; give weight_decay too."
    return None


def optimizer_setting(text, optional=False):
    """Return the `Setting` of an optimizer, in words or a mapping."""
    return WithArguments(
        str,
        text,
        choices=OPTIMIZERS,
        arguments=ARGUMENTS,
        elsewhere=ELSEWHERE,
        together=_together,
        optional=optional,
    )


_PARSER = optimizer_setting("")


def optimizer_values(text, layer=0):
    """Return Keras's name of the optimizer in a recipe's text, and its arguments by name.

    Args:
        layer: the place of the layer among those that the optimizers are for.
    """
    choice, given = _PARSER.values("optimizer", text)
    name, short = SHORT.get(choice, (choice, {}))
    own = {key: value[layer] for key, value in _of_layers(choice, given).items()}
    return name, {**short, **given, **own}


def per_layer(text):
    """Return the arguments in a recipe's text that have a value for each layer, as tuples."""
    return _of_layers(*_PARSER.values("optimizer", text))


def _of_layers(choice, given):
    taken = ARGUMENTS[choice]
    return {
        key: one for key, one in given.items() if taken[key].per_layer and isinstance(one, tuple)
    }


def check_layers(name, text, layers, what):
    """Raise `SettingError` if an argument has values for other layers than there are.

    Args:
        name, text: the setting and its value; None for none.
        layers: how many layers the optimizers are for.
        what: these layers, in words.
    """
    for key, one in ({} if text is None else per_layer(text)).items():
        if len(one) != layers:
            raise SettingError(
                f"`{name}.{key}` has {len(one)} values, but {what}; give one value for all, or "
                f"{layers}."
            )
