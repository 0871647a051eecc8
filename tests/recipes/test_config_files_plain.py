"""A file of settings means what a person reads in it, or is refused in one sentence."""

import json
import time

import pytest

from dtp_tf.errors import SettingError
from dtp_tf.recipes.config_files import read_config, read_mapping
from dtp_tf.recipes.recipe import recipe


def written(tmp_path, text, name="a.yaml"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refused(path, read=read_config):
    with pytest.raises(SettingError) as error:
        recipe("digits", **read(path))
    message = str(error.value)
    assert "\n" not in message and len(message) < 300 and message.endswith(".")
    return message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001), ("1.0e-3", 0.001), ("010", 10), ("-3", -3), ("+3", 3), ("0x10", 16),
        ("0o17", 15), ("1:20", "1:20"), ("1_000", "1_000"), (".5", 0.5), ("5.", 5.0), ("1E5", 1e5),
        ("yes", "yes"), ("no", "no"), ("on", "on"), ("true", True), ("FALSE", False),
        ("~", None), ("", None), ("null", None), ("2020-01-01", "2020-01-01"), ("=", "="),
        ("'010'", "010"), ('"true"', "true"), ("[1, [2, x]]", [1, [2, "x"]]), ("{b: 1}", {"b": 1}),
        ("|\n  two\n  lines", "two\nlines\n"), ("ü", "ü"),
    ],
)  # fmt: skip
def test_a_value_in_yaml_is_what_a_person_reads(tmp_path, text, value):
    found = read_mapping(written(tmp_path, f"a: {text}\n"))["a"]
    assert (found, type(found)) == (value, type(value))


def test_names_are_text_whatever_they_look_like(tmp_path):
    text = "on: 1\n010: 2\ntrue: 3\n2020-01-01: 4\n"
    assert read_mapping(written(tmp_path, text)) == {"on": 1, "010": 2, "true": 3, "2020-01-01": 4}


@pytest.mark.parametrize("word", ["yes", "on", "true", "True"])
def test_all_words_for_yes_switch_a_setting_on(tmp_path, word):
    settings = read_config(written(tmp_path, f"flip: {word}\ndeterministic: no\n"))
    assert recipe("digits", **settings).flip is True


@pytest.mark.parametrize("text", ["1:20", "2020-01-01", "0b11", "1,5", "'x'", "[3]", "{a: 1}"])
def test_what_is_no_number_to_a_person_is_none(tmp_path, text):
    assert "`epochs` must be a whole number" in refused(written(tmp_path, f"epochs: {text}\n"))


@pytest.mark.parametrize(
    "tagged",
    [
        "!!int ''", "!!bool x", "!!float x", "!!null x", "!!timestamp x", "!!binary ä", "!!set {a}",
        "!!python/object/apply:os.system [ls]", "!!python/name:os.system", "!mine 3", "!!str 3",
        "! 3", "!!omap [a: 1]", "!!merge x", "!!value x", "!<tag:yaml.org,2002:int> ''",
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", ["epochs: {}", "{}", "? {}\n: 1", "units: [{}]"])
def test_a_tag_is_refused_by_its_line(tmp_path, tagged, place):
    message = refused(written(tmp_path, "# settings\n" + place.format(tagged)))
    assert "is not valid YAML" in message and "in line 2" in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed: 1\nepochs: 3\nseed: 2", "'seed' is there twice, in line 1 already, in line 3"),
        ("a: {b: 1, b: 1}", "'b' is there twice"),
        ("{epochs: 3, epochs: 3}", "'epochs' is there twice"),
        ("x: &x {seed: 1}\n<<: *x", "<< is not taken; write the settings out, in line 2"),
        ("? [a]\n: 1", "a name must be text"),
        ("? {a: 1}\n: 1", "a name must be text"),
        ("epochs: 3\n---\nepochs: 4", "expected a single document"),
        ("\tepochs: 3", "'\\t'"),
        ("epochs: *none", "undefined alias"),
        ("epochs: 1e400", "in epochs inf is no finite number"),
        ("epochs: .nan", "in epochs nan is no finite number"),
        ("epochs: -.inf", "in epochs -inf is no finite number"),
        ("epochs: " + "1" * 5000, "is too large a number"),
        ("epochs: 0x" + "f" * 30, "is too large a number"),
        ('recipe: "\\uD800"', "is no text"),
        ('"\\uD800": 1', "is no text"),
        ("epochs: \x07", "special characters are not allowed"),
        ("a: " + "[" * 5000 + "]" * 5000, "nested more than 100 deep"),
        ("a: " + "{b: " * 150 + "}" * 150, "nested more than 100 deep"),
        ("a: &a [*a]", "recursive"),
        ("%YAML 9.9\n---\na: 1", "found incompatible YAML document"),
    ],
)
def test_yaml_that_means_nothing_certain_is_refused(tmp_path, text, said):
    message = refused(written(tmp_path, text), read_mapping)
    assert "is not valid YAML" in message and said in message


def test_aliases_that_multiply_are_refused_at_once(tmp_path):
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    start = time.monotonic()
    assert "more than 100,000 values" in refused(written(tmp_path, "\n".join(lines)), read_mapping)
    assert time.monotonic() - start < 5


def test_an_alias_stands_for_its_value(tmp_path):
    text = "drl: &low {noise: 0.1}\nldrl: *low\n"
    assert read_mapping(written(tmp_path, text))["ldrl"] == {"noise": 0.1}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"seed": 1, "epochs": 2, "seed": 1}', "'seed' is there twice"),
        ('{"epochs": NaN}', "in epochs nan is no finite number"),
        ('{"epochs": 1e400}', "in epochs inf is no finite number"),
        ('{"epochs": ' + "1" * 5000 + "}", "is too large a number"),
        ('{"recipe": "\\ud800"}', "is no text"),
        ('{"a": ' * 5000 + "1" + "}" * 5000, "nested more than 100 deep"),
        ("", "it is empty"),
    ],
)
def test_json_that_means_nothing_certain_is_refused(tmp_path, text, said):
    message = refused(written(tmp_path, text, "a.json"))
    assert "is not valid JSON" in message and said in message


@pytest.mark.parametrize(("name", "text"), [("a.json", '{"seed": 8}'), ("a.yaml", "seed: 8\n")])
def test_a_byte_order_mark_is_no_part_of_the_settings(tmp_path, name, text):
    assert read_config(written(tmp_path, text.encode("utf-8-sig"), name)) == {"seed": 8}
    for encoding in ("utf-16", "utf-32"):
        assert "save it as UTF-8" in refused(written(tmp_path, text.encode(encoding), name))


def test_a_recipe_survives_json_and_yaml(tmp_path):
    from dtp_tf.tuning.search_space import to_yaml

    settings = recipe("cifar10-lenet", noise=1e-5, image_folder="0o17", recipe="1e3").to_dict()
    assert read_config(written(tmp_path, json.dumps(settings), "a.json")) == settings
    assert read_config(written(tmp_path, to_yaml(settings))) == settings
