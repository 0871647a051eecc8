"""What a training run is: its settings, checked and settled together.

The command line's flags, the saved `config.json` and the `recipes` command all read from here.
This module does not import TensorFlow.
"""

import dataclasses

from dtp_tf.errors import SettingError
from dtp_tf.recipes.data_fields import PREPROCESSINGS as PREPROCESSINGS
from dtp_tf.recipes.decoders import check_decoder, decoder
from dtp_tf.recipes.fields import SETTINGS as SETTINGS
from dtp_tf.recipes.fields import Fields, check_names
from dtp_tf.recipes.fitting import (
    check_dropout,
    check_invertible,
    check_norm,
    check_rule,
    check_trained,
    check_transmission,
)
from dtp_tf.recipes.layers_in_words import Dense, parse_layers
from dtp_tf.recipes.learning_rate_schedules import (
    LEARNING_RATE_SCHEDULES as LEARNING_RATE_SCHEDULES,
)
from dtp_tf.recipes.learning_rate_schedules import check_schedule
from dtp_tf.recipes.named import RECIPES
from dtp_tf.recipes.network_fields import ACTIVATIONS as ACTIVATIONS
from dtp_tf.recipes.network_fields import INITIALIZERS as INITIALIZERS
from dtp_tf.recipes.optimizers import OPTIMIZERS as OPTIMIZERS
from dtp_tf.recipes.optimizers import check_layers
from dtp_tf.recipes.outputs import check_output
from dtp_tf.recipes.own_files import is_own_file
from dtp_tf.recipes.rule_fields import SCHEDULES as SCHEDULES
from dtp_tf.recipes.rules import OF_CLASS as OF_CLASS
from dtp_tf.recipes.rules import RULE_SETTINGS as RULE_SETTINGS
from dtp_tf.recipes.rules import RULES as RULES
from dtp_tf.recipes.rules import TF32_RULES, rule_settings
from dtp_tf.recipes.settings import did_you_mean
from dtp_tf.recipes.settings import shown as shown
from dtp_tf.schema import brief


@dataclasses.dataclass(frozen=True)
class Recipe(Fields):
    """All settings of one training run.

    Raises:
        SettingError: a value of the wrong type or out of its range.

    Example:

    >>> import dtp_tf
    >>> dtp_tf.recipe("digits", epochs=3).epochs
    3
    """

    def __post_init__(self):
        for name, setting in SETTINGS.items():
            object.__setattr__(self, name, setting.parse(name, getattr(self, name)))
        if self.image_size is not None and len(self.image_size) != 2:
            raise SettingError(
                f"`image_size` must be height,width, got {len(self.image_size)} number(s)."
            )
        self._check_source()
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
        self._check_rates()

    def _check_rates(self):
        """Refuse learning rates that are not the layers', and courses that do not fit them."""
        rates, layers = self.learning_rate, len(self.parsed_layers()) + 1
        if isinstance(rates, tuple) and self.model is None and len(rates) != layers:
            raise SettingError(
                f"`learning_rate` has {len(rates)} values, but the network has {layers} layers, "
                f"the output included; give one value for all, or {layers}."
            )
        if self.model is None:
            what = f"the network has {layers} layers, the output included"
            check_layers("optimizer", self.optimizer, layers, what)
        check_schedule("learning_rate_schedule", self.learning_rate_schedule, rates, self.epochs)
        if self.inverse_learning_rate is not None:
            course, rates = self.inverse_learning_rate_schedule, self.inverse_learning_rate
            check_schedule("inverse_learning_rate_schedule", course, rates, self.epochs)

    def _settle_layers(self):
        """Check `layers`, and give `units` their default where there are none."""
        if self.model is not None:
            self._check_model()
            return
        if self.layers is None:
            if self.units is None:
                object.__setattr__(self, "units", (256, 256))
            check_dropout(self.parsed_layers(), self.transmission)
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
        if self.dropout != 0:
            raise SettingError(
                f"`dropout` is for `units` and `layers`, got {shown(self.dropout)}; a `model` says "
                "itself what it drops: leave it out."
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
            return self._with_dropout([Dense(units) for units in self.units])
        return self._with_dropout(parse_layers(self.layers, ACTIVATIONS))

    def _with_dropout(self, layers):
        """Give hidden layers the dropout that the recipe has for them."""
        many = isinstance(self.dropout, tuple)
        rates = self.dropout if many else (self.dropout,) * len(layers)
        if len(rates) != len(layers):
            raise SettingError(
                f"`dropout` has {len(rates)} values, but the network has {len(layers)} hidden "
                f"layers; give one value for all, or {len(layers)}."
            )
        if not any(rates):
            return layers
        if any(layer.dropout for layer in layers):
            raise SettingError(
                f"`layers` and `dropout` both say what training drops; got {shown(self.layers)} "
                f"and {shown(self.dropout)}: give one of them."
            )
        pairs = zip(layers, rates, strict=True)
        return [dataclasses.replace(layer, dropout=rate) for layer, rate in pairs]

    def check(self):
        """Raise `SettingError` for layers that the rule cannot teach, before anything is read."""
        check_rule(self.parsed_layers(), self.rule, bool(self.symmetric_start))
        if self.model is None:
            check_trained(self, len(self.parsed_layers()))
        check_norm(self.jacobian_norm, self.parsed_layers(), self.transmission)
        if self.rule == "gait_prop":
            check_invertible(self._activations())
        if self.rule == "autoencoder":
            check_decoder(self.inverse_activation, self.preprocessing, self._activations())

    def _activations(self):
        """The activations of the hidden layers."""
        return [layer.activation or self.activation for layer in self.parsed_layers()]

    def _settle_rule(self):
        """Fill in what the rule takes, and refuse what it does not."""
        taken = rule_settings(self.rule)
        if self.rule == "autoencoder":
            fitting = decoder(self.preprocessing, self._activations())
            taken = {**taken, "inverse_activation": fitting}
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
        if self.jacobian_norm not in (None, "sampled") and not self.inverse_first:
            raise SettingError(
                f"`jacobian_norm` {self.jacobian_norm} needs `inverse_first` true, got false: it "
                "is known where an inverse ends with its weights."
            )
        if self.feedback_magnitudes == "uniform" and (
            self.inverse_initializer != taken["inverse_initializer"]
        ):
            raise SettingError(
                f"`inverse_initializer` {self.inverse_initializer} is of the magnitudes that "
                "`feedback_magnitudes` fixed-random draws, got uniform."
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
