"""What a training run is: every setting with its default, unit and reason.

The command line's flags, the saved `config.json` and the `recipes` command all read from here.
This module does not import TensorFlow.
"""

import dataclasses

from dtp_tf.errors import SettingError
from dtp_tf.recipes.fitting import check_rule, check_transmission
from dtp_tf.recipes.layers_in_words import MOST_UNITS, Dense, parse_layers
from dtp_tf.recipes.named import RECIPES
from dtp_tf.recipes.outputs import LOSSES, OUTPUT_LOSSES, check_output
from dtp_tf.recipes.own_files import is_own_file
from dtp_tf.recipes.settings import Setting, did_you_mean
from dtp_tf.schema import brief

ACTIVATIONS = (
    "tanh sigmoid relu elu selu gelu leaky_relu silu softplus softsign hard_tanh linear".split()
)
INITIALIZERS = (
    "orthogonal glorot_uniform glorot_normal he_uniform he_normal lecun_uniform lecun_normal "
    "torch_uniform small_uniform"
).split()
LEARNING_RATE_SCHEDULES = ("constant", "cosine")
NOISE_DIRECTIONS = ("gaussian", "orthogonal")
OPTIMIZERS = ("adam", "sgd", "sgd-momentum", "rmsprop", "rmsprop-graves", "rmsprop-torch")
PRECISIONS = ("float32", "mixed_bfloat16", "tf32")
PREPROCESSINGS = ("unit", "symmetric", "center", "standardize", "imagenet")
SCHEDULES = ("parallel", "alternating", "inverse-first")

_TARGET_STEP = {"target_step": 0.00327736332653}
_INVERSES = {
    "inverse_activation": "tanh",
    "inverse_first": False,
    "inverse_initializer": "orthogonal",
}
_TRAINED = {
    "schedule": "parallel",
    "inverse_steps": 1,
    "inverse_epochs_before": 0,
    "inverse_epochs_after": 0,
    "noise": 0.359829566008,
    "noise_decay_epochs": None,
    "inverse_initializer": "orthogonal",
    "inverse_optimizer": "adam",
    "inverse_learning_rate": 1e-3,
    "inverse_learning_rate_schedule": "constant",
}

_WITHOUT_NOISE = {
    name: value for name, value in _TRAINED.items() if name not in ("noise", "noise_decay_epochs")
}
_DDTP = {
    **_TRAINED, "target_step": 0.0669, "noise": 0.1, "inverse_l2": 0.0,
    "noise_directions": "gaussian",
}

# The settings that each learning rule takes, with their defaults. A recipe refuses the others.
RULES = {
    "tp": {**_TARGET_STEP, **_TRAINED, **_INVERSES},
    "dtp": {**_TARGET_STEP, **_TRAINED, **_INVERSES},
    "sdtp": {**_TRAINED, **_INVERSES, "schedule": "alternating"},
    "drl": {
        **_TRAINED, **_INVERSES, "target_step": 0.0262, "noise": 0.0992, "inverse_l2": 0.0,
        "schedule": "inverse-first", "noise_directions": "gaussian",
    },
    "ddtp_linear": _DDTP,
    "ddtp_rhl": {**_DDTP, "feedback_units": 1024},
    "ddtp_control": _DDTP,
    "gnt": {"target_step": 0.1, "damping": 0.1},
    "ldrl": {
        **_TRAINED, **_INVERSES, "target_step": 0.1, "noise": 0.03, "schedule": "inverse-first",
        "inverse_steps": 5, "noise_directions": "gaussian", "inverse_first": True,
        "inverse_activation": "matched", "inverse_learning_rate_schedule": "cosine",
    },
    "fwdtp": {**_TARGET_STEP, **_INVERSES},
    # Inverses that are as fast as the forward layers come to the mean of all classes with them.
    "ccl": {**_WITHOUT_NOISE, **_INVERSES, "inverse_learning_rate": 1e-5},
    "bp": {},
    "fa": {"inverse_initializer": "orthogonal"},
    "dfa": {"inverse_initializer": "orthogonal"},
    "drtp": {"inverse_initializer": "orthogonal"},
    "sign_symmetry": {},
    "kp": _WITHOUT_NOISE,
    "weight_mirror": {**_TRAINED, "noise": 1.0, "inverse_l2": 0.5},
    "local_error": _WITHOUT_NOISE,
    "autoencoder": {
        **{name: value for name, value in _TRAINED.items() if name != "inverse_initializer"},
        "noise": 0.3, "inverse_activation": "sigmoid",
    },
}
# Rules that take no small differences of what the feedback gives, which TF32 would round away.
TF32_RULES = (
    "bp", "fa", "dfa", "drtp", "sign_symmetry", "kp", "weight_mirror", "local_error", "autoencoder"
)
# A user's own rule may take any of them; what its class has a default for is left to the class.
OF_CLASS = (
    "target_step", "noise", "noise_directions", "schedule", "inverse_steps", "inverse_l2",
    "damping", "feedback_units",
)
_OWN_RULE = {**RULES["dtp"], **dict.fromkeys(OF_CLASS)}
RULE_SETTINGS = tuple(_OWN_RULE)


def rule_settings(rule):
    """Return the settings that a rule takes, with their defaults."""
    return RULES.get(rule, _OWN_RULE)


def _setting(default, kind, text, **checks):
    return dataclasses.field(
        default=default, metadata={"setting": Setting(kind, text, **checks)}
    )


@dataclasses.dataclass(frozen=True)
class Recipe:
    """All settings of one training run.

    Raises:
        SettingError: a value of the wrong type or out of its range.

    Example:

    >>> import dtp_tf
    >>> dtp_tf.recipe("digits", epochs=3).epochs
    3
    """

    recipe: str = _setting("custom", str, "Name of the recipe that the other settings start from.")

    # data
    dataset: str = _setting(
        "digits", str, "`digits` (bundled) or the name of a TFDS image-classification set."
    )
    image_folder: str | None = _setting(
        None, str, "A folder with one subfolder of images per class, instead of `dataset`.",
        optional=True,
    )
    image_size: tuple | None = _setting(
        None, int, "Height,width in pixels to resize to; needed where the images differ in size.",
        low=1, limit=4096, many=True, optional=True,
    )
    validation_fraction: float = _setting(
        0.2, float, "Share of the training split that is held out for validation.",
        low=0, high=1, open_low=True, open_high=True,
    )
    preprocessing: str = _setting(
        "unit", str,
        "Pixels to inputs: unit = [0, 1]; symmetric = [-1, 1]; center = [0, 1] less each input's "
        "training mean; standardize = also divided by its standard deviation (+ 0.01); imagenet = "
        "ImageNet's mean and deviation per colour channel.",
        choices=PREPROCESSINGS,
    )
    flip: bool = _setting(False, bool, "Mirror half of the training images left to right.")
    crop: int = _setting(
        0, int,
        "Shift training images at random by up to this many pixels; their edges are mirrored.",
        low=0,
    )

    pixel_noise: float = _setting(
        0.0, float, "Standard deviation of normal noise on the pixels of training images, as a "
        "share of their range; fresh in every epoch.", low=0, high=1,
    )

    # network
    units: tuple | None = _setting(
        None, int, "Units of the hidden layers, from the input on, all dense; 256,256 where "
        "neither these nor `layers` are given.", low=1, limit=MOST_UNITS, many=True, optional=True,
    )
    layers: tuple | None = _setting(
        None, str, "The hidden layers in words, from the input on, instead of `units`: conv "
        "CHANNELS KERNEL[/STRIDE] [same, valid or pN] [norm] [ACTIVATION] [max or average "
        "SIZE[/STRIDE] [pN]], where pN pads by N pixels and norm is batch normalisation; local "
        "CHANNELS KERNEL[/STRIDE] [same or valid] [ACTIVATION], whose kernels differ from place to "
        "place; residual CHANNELS [/STRIDE] [ACTIVATION] [max or average ...], a normalised block; "
        "dense UNITS [norm] [ACTIVATION]; each also with dropout RATE at its end. norm and dropout "
        "RATE may be entries of their own, of the layer before.",
        many=True, optional=True,
    )
    model: str | None = _setting(
        None, str, "A Keras model instead of `units` or `layers`: FILE.keras, whose weights the "
        "training starts from, or FILE.py:FUNCTION, a function of an input shape and a number of "
        "classes, whose file is run.", optional=True,
    )
    activation: str = _setting(
        "tanh", str, "Activation of the forward layers f.", choices=tuple(ACTIVATIONS)
    )
    initializer: str = _setting(
        "orthogonal", str, "Initial weights of the forward layers (orthogonal: all singular "
        "values 1; torch_uniform: PyTorch's default for Linear); biases start at 0.",
        choices=tuple(INITIALIZERS),
    )
    init: str | None = _setting(
        None, str, "Start from the weights of this preset, run or .keras file, and not from "
        "`initializer`: those of the forward layers, and those of inverses where both have them.",
        optional=True,
    )
    transmission: str = _setting(
        "continuous", str, "What a hidden layer sends: sign = -1 or 1, the signs of activations "
        "and targets only, to the next hidden layer and to its own inverse; sample = 0 or 1, drawn "
        "with the activations as probabilities, to the next layer (sigmoid only).",
        choices=("continuous", "sign", "sample"),
    )

    # output
    output_activation: str = _setting(
        "softmax", str, "What the output layer answers with: softmax = a probability for each "
        "class, together 1; sigmoid = one against the rest, a probability for each class by "
        "itself; linear = any numbers, which are to come near 1 for the class and 0 for others.",
        choices=tuple(OUTPUT_LOSSES),
    )
    loss: str | None = _setting(
        None, str, "Loss of the answers, by Keras's name; none = cross-entropy, or with linear "
        "squared error.", choices=LOSSES, optional=True,
    )
    label_smoothing: float = _setting(
        0.0, float, "Share of every label that cross-entropies spread evenly: over all classes "
        "with softmax, over 0 and 1 with sigmoid.", low=0, high=1, open_high=True,
    )

    # rule; each takes some of these settings, and none = what the rule does not take
    rule: str = _setting(
        "dtp", str, "Learning rule; also FILE.py:CLASS for one of your own.",
        choices=tuple(RULES), other=".py:",
    )
    schedule: str | None = _setting(
        None, str,
        "parallel = inverses and forward layers on every batch; alternating = in each epoch one "
        "pass for the inverses, then one for the forward layers; inverse-first = `inverse_steps` "
        "updates of the inverses, then one of the forward layers, on every batch.",
        choices=SCHEDULES, optional=True,
    )
    inverse_steps: int | tuple | None = _setting(
        None, int, "Updates of the inverses per batch, each with fresh noise (inverse-first only); "
        "one number, or one for each layer with an inverse, from the input on.",
        low=1, limit=1000, per_layer=True, optional=True,
    )
    inverse_epochs_before: int | None = _setting(
        None, int, "Passes over the data before the first epoch that update the inverses only.",
        low=0, optional=True,
    )
    inverse_epochs_after: int | None = _setting(
        None, int, "Passes over the data at the end of every epoch that update the inverses only.",
        low=0, optional=True,
    )
    target_step: float | None = _setting(
        None, float,
        "eta (or beta): step of the top target along each example's own loss gradient. (Lee's "
        "value is for the gradient of a mean over 100 examples: divide it by 100.)",
        low=0, open_low=True, optional=True,
    )
    noise: float | tuple | None = _setting(
        None, float, "sigma: standard deviation of the noise that the inverses are trained with, "
        "in units of the activations; one number, or one for each layer with an inverse.",
        low=0, per_layer=True, optional=True,
    )
    noise_decay_epochs: float | None = _setting(
        None, float, "Let the noise fall as sigma / (1 + epoch / this); none = constant.",
        low=0, open_low=True, optional=True,
    )
    noise_directions: str | tuple[str, ...] | None = _setting(
        None, str, "Of that noise: gaussian = independent; orthogonal = the examples go through "
        "the directions of an orthogonal frame in turn, which needs fewer updates. One word, or "
        "one for each layer with an inverse.",
        choices=NOISE_DIRECTIONS, per_layer=True, optional=True,
    )
    inverse_l2: float | None = _setting(
        None, float, "Weight of the squared weights of the inverses in their loss.",
        low=0, optional=True,
    )
    damping: float | None = _setting(
        None, float, "lambda of the damped Gauss-Newton step of the rule gnt.",
        low=0, optional=True,
    )
    feedback_units: int | None = _setting(
        None, int, "Units of the fixed random hidden layer that the feedback of ddtp_rhl has.",
        low=1, limit=MOST_UNITS, optional=True,
    )
    inverse_activation: str | None = _setting(
        None, str, "Activation of the inverses g (matched: with `inverse_first`, the function "
        "whose slope is that of f's activation, so that g can have f's Jacobian transposed).",
        choices=(*ACTIVATIONS, "matched"), optional=True,
    )
    inverse_first: bool | None = _setting(
        None, bool, "Whether an inverse applies its activation before its weights, "
        "g(t) = r(t) V + c, and not after them, g(t) = r(t V + c).", optional=True,
    )
    inverse_initializer: str | None = _setting(
        None, str, "Initial weights of the inverses, or of other feedback weights (small_uniform: "
        "between -0.001 and 0.001).", choices=tuple(INITIALIZERS), optional=True,
    )

    # optimizers
    optimizer: str = _setting(
        "adam", str,
        "Optimizer of the forward layers. sgd-momentum = SGD with momentum 0.9; rmsprop-graves = "
        "Lee's centred RMSprop (rho 0.95, momentum 0.9, epsilon 1e-3); rmsprop-torch = PyTorch's "
        "defaults (rho 0.99).",
        choices=OPTIMIZERS,
    )
    learning_rate: float = _setting(
        3e-4, float, "Learning rate of the forward layers.", low=0, open_low=True
    )
    learning_rate_schedule: str = _setting(
        "constant", str,
        "Course of the forward learning rate; cosine falls to 0 at the last epoch.",
        choices=LEARNING_RATE_SCHEDULES,
    )
    inverse_optimizer: str | None = _setting(
        None, str, "Optimizer of the inverses.", choices=OPTIMIZERS, optional=True,
    )
    inverse_learning_rate: float | tuple | None = _setting(
        None, float, "Learning rate of the inverses; one number, or one for each layer with an "
        "inverse, from the input on.", low=0, open_low=True, per_layer=True, optional=True,
    )
    inverse_learning_rate_schedule: str | None = _setting(
        None, str, "Course of the inverses' learning rate.", choices=LEARNING_RATE_SCHEDULES,
        optional=True,
    )

    # training
    batch_size: int = _setting(128, int, "Images per update.", low=1)
    epochs: int = _setting(
        30, int, "Passes over the training images; an alternating epoch passes over them twice.",
        low=1,
    )
    class_weights: str | None = _setting(
        None, str, "Weights of the training images by their class: balanced = all classes count "
        "alike, however many images they have; none = all images count alike.",
        choices=("balanced",), optional=True,
    )
    early_stopping: int | None = _setting(
        None, int, "Stop after this many epochs without a better validation accuracy.",
        low=1, optional=True,
    )
    diagnostics_every: int | None = _setting(
        None, int, "Epochs between measurements of the angles to backpropagation and Gauss-Newton "
        "(also after the first and the last epoch); none = no measurements.",
        low=1, optional=True,
    )
    diagnostics_images: int = _setting(
        100, int, "Training images that are measured on, always the same.", low=1,
    )
    seed: int = _setting(
        0, int, "Seed of the split, the initial weights, the order of images and the noise.",
        low=0, high=2**31 - 1, limit=2**31,
    )
    precision: str = _setting(
        "float32", str, "What products are computed with: mixed_bfloat16 = bfloat16 in the forward "
        "layers, float32 in all else; tf32 = TF32 on GPUs that have it, for rules that take no "
        "small differences of targets.",
        choices=PRECISIONS,
    )
    deterministic: bool = _setting(
        False, bool, "Bit-equal weights for the same seed on the same machine; slower.",
    )

    def __post_init__(self):
        for name, setting in SETTINGS.items():
            object.__setattr__(self, name, setting.parse(name, getattr(self, name)))
        if self.image_size is not None and len(self.image_size) != 2:
            raise SettingError(
                f"`image_size` must be height,width, got {len(self.image_size)} number(s)."
            )
        self._settle_layers()
        if self.transmission == "sample" and self.activation != "sigmoid":
            raise SettingError(
                "`transmission` sample needs `activation` sigmoid, for activations are then "
                f"probabilities; got {self.activation}."
            )
        check_output(self.output_activation, self.loss, self.label_smoothing)
        if self.precision == "tf32" and self.rule in RULES and self.rule not in TF32_RULES:
            raise SettingError(
                f"`precision` tf32 would round away the small differences that the rule "
                f"{self.rule} takes of its feedback; use mixed_bfloat16, which leaves that in "
                f"float32, or a rule of {', '.join(TF32_RULES)}."
            )
        self._settle_rule()

    def _settle_layers(self):
        """Check `layers`, and give `units` their default where there are none."""
        if self.model is not None:
            self._check_model()
            return
        if self.layers is None:
            if self.units is None:
                object.__setattr__(self, "units", (256, 256))
            return
        if self.units is not None:
            raise SettingError(
                f"`units` and `layers` both say what the hidden layers are; got "
                f"{shown(self.units)} and {shown(self.layers)}: give one of them."
            )
        object.__setattr__(self, "layers", tuple(" ".join(one.split()) for one in self.layers))
        check_transmission(self.parsed_layers(), self.transmission)

    def _check_model(self):
        """Refuse what says anew what a model says itself."""
        if not is_own_file(self.model) and not self.model.endswith(".keras"):
            raise SettingError(
                f"`model` must be FILE.keras or FILE.py:FUNCTION, got {brief(self.model)}."
            )
        for name in ("units", "layers", "init"):
            if getattr(self, name) is not None:
                raise SettingError(
                    f"`model` and `{name}` both say what the network begins with; got "
                    f"{brief(self.model)} and {shown(getattr(self, name))}: give one of them."
                )
        if self.transmission != "continuous":
            raise SettingError(
                f"`transmission` {self.transmission} is for dense layers in `units` or `layers`, "
                f"got `model` {brief(self.model)}; use continuous."
            )
        if self.precision == "mixed_bfloat16":
            raise SettingError(
                "`precision` mixed_bfloat16 is for `units` and `layers`; a `model` says itself "
                "what it computes with: use float32."
            )

    def parsed_layers(self):
        """Return the hidden layers, see `parse_layers`; none of them is known of a model."""
        if self.model is not None:
            return []
        if self.layers is None:
            return [Dense(units) for units in self.units]
        return parse_layers(self.layers, ACTIVATIONS)

    def check(self):
        """Raise `SettingError` for layers that the rule cannot teach, before anything is read."""
        check_rule(self.parsed_layers(), self.rule)

    def _settle_rule(self):
        """Fill in what the rule takes, and refuse what it does not."""
        taken = rule_settings(self.rule)
        for name in RULE_SETTINGS:
            if getattr(self, name) is None:
                object.__setattr__(self, name, taken.get(name))
            elif name not in taken:
                takes = ", ".join(f"`{one}`" for one in taken) or "none of the rules' settings"
                raise SettingError(
                    f"`{name}` has no place in the rule {self.rule}, which takes {takes}."
                )
        if self.inverse_activation == "matched" and not self.inverse_first:
            raise SettingError(
                "`inverse_activation` matched needs `inverse_first` true, got false: it belongs "
                "before the weights of an inverse."
            )
        steps = self.inverse_steps
        if steps is not None and self.schedule not in ("inverse-first", None):
            if max(steps if isinstance(steps, tuple) else (steps,)) > 1:
                raise SettingError(
                    f"`inverse_steps` {shown(steps)} needs `schedule` inverse-first, "
                    f"got {self.schedule}."
                )

    def replace(self, **changes):
        """Return a recipe with some settings changed; unknown names are errors.

        Another rule starts from its own settings.
        """
        check_names(changes)
        rule = SETTINGS["rule"].parse("rule", changes.get("rule", self.rule))
        if rule != self.rule:
            changes = {**self._settings_for(rule), **changes}
        return dataclasses.replace(self, **_other_layers(changes))

    def _settings_for(self, rule):
        """Return what another rule changes: its settings, and those that this one alone has."""
        changes, named = dict.fromkeys(RULE_SETTINGS), RECIPES.get(self.recipe)
        if named is None:
            return changes
        for name, value in named.rules.get(self.rule, {}).items():
            if name not in RULE_SETTINGS and getattr(self, name) == value:
                changes[name] = getattr(Recipe(**named.settings), name)
        return {**changes, **named.rules.get(rule, {})}

    def to_dict(self):
        """Return the settings as plain JSON types."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
        }

    @classmethod
    def from_dict(cls, settings):
        """Inverse of `to_dict`; unknown names are errors."""
        check_names(settings)
        return cls(**settings)


def _other_layers(changes):
    """Let what says the network take the place of what else says it."""
    ways = ("units", "layers", "model")
    given = [name for name in ways if changes.get(name) not in (None, "none", "None")]
    return {**dict.fromkeys(ways), **changes} if given else changes


SETTINGS = {field.name: field.metadata["setting"] for field in dataclasses.fields(Recipe)}


def shown(value):
    """Return a setting's value as a person writes it."""
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else str(value)


def check_names(settings):
    """Raise `SettingError` for the first name that is no setting."""
    for name in settings:
        if name not in SETTINGS:
            raise SettingError(
                f"unknown setting {brief(name)}.{did_you_mean(str(name), SETTINGS)} "
                "`dtp-tf recipes NAME` lists them all."
            )


def recipe(name="digits", **changes):
    """Return the named recipe, with some settings changed.

    Args:
        name: one of `RECIPES`, or a `Recipe`.
        **changes: settings to override.

    Raises:
        SettingError: an unknown recipe or setting, or a value out of its range.
    """
    if isinstance(name, Recipe):
        return name.replace(**changes)
    if not isinstance(name, str) or name not in RECIPES:
        raise SettingError(
            f"unknown recipe {brief(name)}; there are {', '.join(RECIPES)}."
            + did_you_mean(str(name), RECIPES)
        )
    check_names(changes)
    named = RECIPES[name]
    rule = SETTINGS["rule"].parse("rule", changes.get("rule", next(iter(named.rules))))
    own = named.rules.get(rule, {})
    changes = _other_layers(changes)
    return Recipe(**{"recipe": name, **named.settings, "rule": rule, **own, **changes})
