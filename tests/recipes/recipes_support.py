"""What the tests of recipes share: the defaults, the text of a refusal, and files to read."""

import dataclasses

import pytest

from dtp_tf.errors import SettingError
from dtp_tf.recipes.recipe import Recipe

DEFAULTS = {field.name: field.default for field in dataclasses.fields(Recipe)}


def message(call, *args, **kwargs):
    """Return the text of the SettingError that a call must raise."""
    with pytest.raises(SettingError) as caught:
        call(*args, **kwargs)
    return str(caught.value)


def write(folder, name, text):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path
