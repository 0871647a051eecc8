"""Every setting of a recipe with its default, unit and reason, from the files of `*_fields.py`.

This module does not import TensorFlow.
"""

import dataclasses

from dtp_tf.errors import SettingError
from dtp_tf.recipes.data_fields import DataFields
from dtp_tf.recipes.network_fields import NetworkFields
from dtp_tf.recipes.rule_fields import RuleFields
from dtp_tf.recipes.settings import did_you_mean, setting
from dtp_tf.recipes.training_fields import OptimizerFields, TrainingFields
from dtp_tf.schema import brief


@dataclasses.dataclass(frozen=True)
class NameField:
    """The name, which comes first."""

    recipe: str = setting("custom", str, "Name of the recipe that the other settings start from.")


# A dataclass has the fields of its last base first.
@dataclasses.dataclass(frozen=True)
class Fields(TrainingFields, OptimizerFields, RuleFields, NetworkFields, DataFields, NameField):
    """All settings, unchecked."""


SETTINGS = {field.name: field.metadata["setting"] for field in dataclasses.fields(Fields)}
"""All settings of a recipe, {name: its `Setting`, with range, unit and reason}."""


def check_names(settings):
    """Raise `SettingError` for the first name that is no setting."""
    for name in settings:
        if name not in SETTINGS:
            raise SettingError(
                f"unknown setting {brief(name)}.{did_you_mean(str(name), SETTINGS)} "
                "`dtp-tf recipes NAME` lists them all."
            )
