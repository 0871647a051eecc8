"""Every number of a recipe has a bound, and what lies beyond it, or is no number, is a sentence."""

import pytest
from helpers import invoke, refusal

from dtp_tf.errors import SettingError
from dtp_tf.recipes.recipe import SETTINGS, Recipe, recipe

NUMBERS = [name for name, setting in SETTINGS.items() if setting.kind in (int, float)]
TEXTS = [name for name, setting in SETTINGS.items() if setting.kind is str]
ODD = (
    "1e300", 1e300, 10**5000, 10**31, "1e31", "9" * 500, -1, "nan", float("nan"), "inf", "-inf",
    True, [], [[]], {}, "", " ", "1e400", "0x10", "1:20", "1,nan", [1, "x"], {"a": 1}, b"1",
    "\ud800", [1] * 1000, "1" + ",1" * 1000,
)  # fmt: skip


def sentence(**settings):
    with pytest.raises(SettingError) as error:
        recipe("digits", **settings)
    message = str(error.value)
    assert message.endswith((".", "?")) and "\n" not in message and len(message) < 1000
    message.encode()
    return message


@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_that_no_one_means_is_refused_by_name(name, value):
    assert f"`{name}`" in sentence(**{name: value})


@pytest.mark.parametrize("value", [3, True, [], {}, ["x", ["y"]], "a\0b", "\x1b[31m", "\ud800"])
@pytest.mark.parametrize("name", [name for name in TEXTS if name not in ("recipe", "layers")])
def test_text_that_no_file_can_hold_is_refused_by_name(name, value):
    assert f"`{name}`" in sentence(**{name: value})


@pytest.mark.parametrize(
    ("name", "most", "above"),
    [
        ("epochs", 10**6, 10**6 + 1), ("batch_size", 10**6, "1e18"), ("units", 10**5, "1e9"),
        ("image_size", (4096, 4096), "1,4097"), ("learning_rate", 1e30, 1.1e30),
        ("seed", 2**31 - 1, 2**31), ("noise", 1e30, 1e31), ("early_stopping", 10**6, 1e7),
    ],
)  # fmt: skip
def test_the_bound_itself_may_be_had(name, most, above):
    assert getattr(recipe("digits", **{name: most}), name) in (most, (most,))
    assert f"`{name}` must be at" in sentence(**{name: above})


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ("conv 1e9 5", "CHANNELS must be a whole number of at least 1 and at most 100,000; got"),
        ("conv 100001 5", "at most 100,000; got '100001'"),
        ("dense 999999999999999999999", "UNITS must be a whole number"),
        ("conv 1 65", "KERNEL must be at most 64 pixels; got 65"),
        ("conv 1 3 p4", "p4 pads by more than the kernel's 3 pixels"),
        ("conv 1 3 max 1000", "SIZE must be pixels, below 1,000"),
        ("conv ٣ 3", "CHANNELS must be a whole number"),
        ("dense 1," * 100 + "dense 1", "at most 100 values, got 101"),
        ("conv " + "x" * 5000, "CHANNELS"),
        ("\x1b[31m", "`layers`"),
    ],
)
def test_layers_are_bounded_too(layers, said):
    message = sentence(layers=layers)
    assert said in message and "\x1b" not in message and len(message) < 400


@pytest.mark.parametrize("name", ["recipe", "rule"])
@pytest.mark.parametrize("value", [[], {}, 3, None, [["dtp"]]])
def test_what_cannot_be_a_name_is_refused(name, value):
    if name == "rule":
        sentence(rule=value)
        with pytest.raises(SettingError):
            Recipe().replace(rule=value)
    else:
        with pytest.raises(SettingError, match="unknown recipe"):
            recipe(value)


@pytest.mark.parametrize(
    "flag",
    ["--epochs=1e300", "--units=1e9", "--batch-size=1e18", "--seed=-1", "--noise=nan",
     "--layers=conv 1e9 5", "--crop=-1", "--image-size=1e9,1", "--target-step=inf"],
)  # fmt: skip
def test_the_command_line_says_so_before_anything_is_made(tmp_path, flag):
    error = refusal(invoke("train", flag, "--run-dir", tmp_path / "run"), 2)
    assert f"`{flag[2:].partition('=')[0].replace('-', '_')}`" in error
    assert not (tmp_path / "run").exists()
