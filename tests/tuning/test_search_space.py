"""Search spaces: what may be searched, within what, and what is refused by name."""

import json

import optuna
import pytest
import yaml

import dtp_tf
from dtp_tf.errors import SettingError
from dtp_tf.recipes.named import RECIPES
from dtp_tf.recipes.recipe import RULES
from dtp_tf.tuning.search_space import SearchSpace, default_search, make_search, to_yaml

NOISE = {"low": 0.1, "high": 0.5}
EVERY = [(name, rule) for name in RECIPES for rule in RULES if name != "mnist-stochastic"]
EVERY += [("mnist-stochastic", "dtp")]


def space_of(content, recipe="digits", **settings):
    return make_search(recipe, content, **settings)[1]


# -- the default space -----------------------------------------------------------------------------


@pytest.mark.parametrize("name, rule", EVERY)
def test_the_recipes_own_settings_lie_in_its_default_space(name, rule):
    recipe = dtp_tf.recipe(name, rule=rule)
    space, fixed = SearchSpace.from_plain(default_search(recipe))
    assert not fixed
    params = space.params_of(recipe)
    assert recipe.replace(**space.settings(params)) == recipe


@pytest.mark.parametrize("rule", RULES)
def test_every_combination_of_the_default_spaces_extremes_is_a_recipe(rule):
    base, space = make_search("digits", rule=rule)
    space.check(base)
    assert "learning_rate" in space.entries and "batch_size" in space.entries


def test_the_default_space_has_what_the_rule_takes():
    names = {rule: set(make_search("cifar10-compare", rule=rule)[1].entries) for rule in RULES}
    everywhere = {"learning_rate", "optimizer", "batch_size"}
    assert names["bp"] == names["dfa"] == everywhere
    assert names["fwdtp"] == everywhere | {"target_step"}
    assert names["dtp"] == everywhere | {"target_step", "noise", "inverse_learning_rate"}
    assert names["ldrl"] == names["dtp"] | {"inverse_steps"} == names["drl"]
    assert names["sdtp"] == names["dtp"]


@pytest.mark.parametrize(
    "optimizer, decay",
    [
        ("adam weight_decay=0.3", {"low": 0.06, "high": 1.5, "log": True}),
        ("adam epsilon=1e-09 weight_decay=0.1", {"low": 0.02, "high": 0.5, "log": True}),
        ("sgd-momentum weight_decay=0.01", {"low": 0.002, "high": 0.05, "log": True}),
    ],
)
def test_a_decay_of_the_weights_is_searched_and_the_optimizer_not_exchanged(optimizer, decay):
    base = dtp_tf.recipe("mnist-compare", rule="fa", optimizer=optimizer)
    found = default_search(base)["optimizer"]
    assert found["weight_decay"] == decay
    assert set(make_search(base)[1].parameters) == {
        "learning_rate", "optimizer.weight_decay", "batch_size",
    }  # fmt: skip


@pytest.mark.parametrize(
    "optimizer", ["adam beta_2=0.99", "adam weight_decay=0", "adam weight_decay=0.1,0.2,0.1,0,0,0"]
)
def test_other_arguments_and_decays_of_each_layer_are_kept(optimizer):
    assert "optimizer" not in default_search(
        dtp_tf.recipe("mnist-compare", rule="fa", optimizer=optimizer)
    )


def test_the_default_space_lies_around_the_recipes_values():
    recipe = dtp_tf.recipe("mnist-compare", rule="ldrl", learning_rate=3e-4, target_step=0.1)
    found = default_search(recipe)
    assert found["learning_rate"] == {"low": 6e-5, "high": 1.5e-3, "log": True}
    assert found["target_step"] == {"low": 0.01, "high": 1.0, "log": True}
    assert found["inverse_steps"] == {"low": 1, "high": 6}  # the recipe has 3
    assert found["batch_size"] == {"choices": [50, 100, 200]}


def test_a_list_of_the_recipe_is_searched_layer_by_layer():
    base, space = make_search("digits", rule="ldrl", units=(8, 8, 8), inverse_steps=(4, 3, 2))
    assert "inverse_steps" not in space.entries  # a flag fixes it
    recipe = base.replace(noise=(0.1, 0.2, 0.3), inverse_steps=(4, 3, 2))
    _, space = make_search(recipe)
    assert [name for name in space.parameters if "." in name] == [
        "noise.1", "noise.2", "noise.3", "inverse_steps.1", "inverse_steps.2", "inverse_steps.3",
    ]  # fmt: skip


def test_an_optimizer_whose_rates_are_of_another_kind_is_kept():
    assert "optimizer" not in make_search("digits", optimizer="sgd", rule="bp")[1].entries
    recipe = dtp_tf.recipe("digits", optimizer="sgd")
    assert "optimizer" not in default_search(recipe)
    assert "optimizer" not in default_search(dtp_tf.recipe("mnist-paper"))


def test_noise_of_nothing_has_nothing_around_it():
    assert "noise" not in default_search(dtp_tf.recipe("digits", noise=0))


def test_the_space_of_a_rule_of_ones_own_leaves_out_what_its_class_decides():
    found = default_search(dtp_tf.recipe("digits", rule="mine.py:Mine"))
    assert set(found) == {"learning_rate", "inverse_learning_rate", "optimizer", "batch_size"}


# -- YAML ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["bp", "dtp", "ldrl"])
def test_the_printed_space_can_be_given_back(rule, tmp_path):
    base, space = make_search("mnist-compare", rule=rule)
    path = tmp_path / "space.yaml"
    path.write_text(to_yaml(space.to_plain()))
    assert len(path.read_text().splitlines()) == len(space.entries)
    again_base, again = make_search("mnist-compare", path, rule=rule)
    assert (again_base, again.to_plain()) == (base, space.to_plain())


def test_json_is_taken_as_well(tmp_path):
    path = tmp_path / "space.json"
    path.write_text(json.dumps({"noise": NOISE}))
    assert space_of(path).to_plain() == {"noise": NOISE}


def test_numbers_that_yaml_takes_for_text_are_numbers():
    content = yaml.safe_load("learning_rate: {low: 1e-4, high: 1e-2, log: true}")
    assert content["learning_rate"]["low"] == "1e-4"
    assert space_of(content).parameters["learning_rate"].low == 1e-4


def test_values_in_the_file_are_fixed_and_flags_are_above_the_file():
    content = {"units": [32, 16], "epochs": 3, "noise": NOISE, "learning_rate": NOISE}
    base, space = make_search("digits", content, epochs=2, learning_rate=0.01)
    assert (base.units, base.epochs, base.learning_rate) == ((32, 16), 2, 0.01)
    assert set(space.entries) == {"noise"}


def test_trials_measure_no_angles_unless_asked_to():
    assert make_search("mnist-compare")[0].diagnostics_every is None
    assert make_search("mnist-compare", diagnostics_every=1)[0].diagnostics_every == 1


def test_each_entry_of_a_list_is_a_parameter_of_its_own():
    content = {"noise": [0.2, NOISE, {"choices": [0.1, 0.3]}]}
    space = make_search("digits", content, rule="ldrl")[1]
    assert list(space.parameters) == ["noise.2", "noise.3"]
    assert space.settings({"noise.2": 0.4, "noise.3": 0.1}) == {"noise": (0.2, 0.4, 0.1)}
    assert space.to_plain() == {"noise": [0.2, NOISE, {"choices": [0.1, 0.3]}]}


def test_lists_can_be_chosen_from():
    space = space_of({"units": {"choices": [[64, 32], [64]]}, "crop": {"choices": [0, 1]}})
    recipe = dtp_tf.recipe("digits", units=(64, 32), crop=1)
    assert space.params_of(recipe) == {"units": "64,32", "crop": 1}
    assert space.settings({"units": "64", "crop": 0}) == {"units": (64,), "crop": 0}
    assert space.to_plain()["units"] == {"choices": [[64, 32], [64]]}


def test_a_recipe_outside_of_the_space_has_no_parameters_in_it():
    space = space_of({"noise": NOISE, "optimizer": {"choices": ["adam", "sgd"]}})
    recipe = dtp_tf.recipe("digits")
    assert space.params_of(recipe) == {"noise": recipe.noise, "optimizer": "adam"}
    assert space.params_of(recipe.replace(noise=0.6)) is None
    assert space.params_of(recipe.replace(optimizer="rmsprop")) is None
    lists = space_of({"noise": [0.2, NOISE]})
    assert lists.params_of(recipe.replace(noise=0.2)) == {"noise.2": 0.2}
    assert lists.params_of(recipe.replace(noise=(0.2, 0.3))) == {"noise.2": 0.3}
    assert lists.params_of(recipe.replace(noise=0.3)) is None
    assert lists.params_of(recipe.replace(noise=(0.2, 0.3, 0.3))) is None
    steps = space_of({"batch_size": {"low": 32, "high": 96, "step": 32}})
    assert steps.params_of(recipe.replace(batch_size=64)) == {"batch_size": 64}
    assert steps.params_of(recipe.replace(batch_size=65)) is None


def test_trials_get_values_within_the_space():
    content = {
        "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
        "noise": [NOISE, {"low": 0.1, "high": 0.45, "step": 0.1}, 0.2],
        "batch_size": {"low": 16, "high": 64, "step": 16},
        "inverse_steps": {"low": 1, "high": 3},
        "units": {"choices": [[8, 8, 8], [16, 16, 16]]},
        "flip": {"choices": [True, False]},
        "noise_decay_epochs": {"choices": [None, 2]},
    }
    base, space = make_search("digits", content, rule="ldrl")
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    recipes = []
    for _ in range(60):
        trial = study.ask()
        space.suggest(trial)
        recipe = base.replace(**space.settings(trial.params))
        assert space.params_of(recipe) == trial.params
        recipes.append(recipe)
    assert {recipe.batch_size for recipe in recipes} == {16, 32, 48, 64}
    assert {recipe.inverse_steps for recipe in recipes} == {1, 2, 3}
    assert {recipe.units for recipe in recipes} == {(8, 8, 8), (16, 16, 16)}
    assert {recipe.flip for recipe in recipes} == {True, False}
    assert {recipe.noise_decay_epochs for recipe in recipes} == {None, 2.0}
    assert {round(recipe.noise[1], 9) for recipe in recipes} == {0.1, 0.2, 0.3, 0.4}
    small = [recipe for recipe in recipes if recipe.learning_rate < 1e-3]
    assert 15 < len(small) < 45  # half of them by the logarithm, a tenth without


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content, named",
    [
        ({"nose": NOISE}, "unknown setting 'nose'. Did you mean 'noise'"),
        ({"noise": {"low": 0.5, "high": 0.1}}, "`noise` has low 0.5 above high 0.1; swap them"),
        ({"noise": {"low": 0.5, "high": 0.5}}, "`noise` has low and high 0.5; write noise: 0.5"),
        ({"noise": {"low": -1, "high": 0.1}}, "`noise` must be at least 0, got -1"),
        ({"noise": {"low": "a", "high": 0.1}}, "`noise` must be a number, got 'a'"),
        ({"noise": {"low": None, "high": 0.1}}, "`noise`: low and high must be numbers, got None"),
        ({"noise": {"low": 0.1, "high": "none"}}, "`noise`: low and high must be numbers, got 0.1"),
        ({"noise": {"high": 0.1}}, "`noise` needs both low and high, got no low"),
        ({"noise": {**NOISE, "hgih": 2}}, "`noise` has an unknown key 'hgih'.*mean 'high'"),
        ({"noise": {**NOISE, "choices": [1, 2]}}, "`noise` has choices and a range"),
        ({"noise": {**NOISE, "log": "yes"}}, "`noise`: log must be true or false, got 'yes'"),
        ({"noise": {"low": 0, "high": 1, "log": True}}, "`noise`: a log scale needs low above 0"),
        ({"noise": {**NOISE, "step": 0}}, "`noise`: step must be a number that fits"),
        ({"noise": {**NOISE, "step": 0.5}}, "`noise`: step must be a number that fits"),
        ({"noise": {**NOISE, "step": 0.1, "log": True}}, "`noise`: log and step exclude"),
        ({"crop": {"low": 0, "high": 3, "step": 0.5}}, "`crop`: step must be a number that fits"),
        ({"crop": {"low": 0, "high": 2.5}}, "`crop` must be a whole number, got 2.5"),
        ({"optimizer": {"low": 1, "high": 2}}, "`optimizer` is no number: give it choices"),
        ({"optimizer": {"choices": "adam"}}, "`optimizer`: choices must be a list, got 'adam'"),
        ({"optimizer": {"choices": ["adam"]}}, "`optimizer` needs at least two different choices"),
        ({"optimizer": {"choices": ["adam", "adma"]}}, "`optimizer` must be one of adam,.*'adma'"),
        ({"optimizer": ["adam", "sgd"]}, r"`optimizer` has one value.*\{choices: \[adam, sgd\]\}"),
        ({"epochs": {"low": 1, "high": 5}}, "`epochs` cannot be searched"),
        ({"seed": {"choices": [1, 2]}}, "`seed` cannot be searched"),
        ({"rule": {"choices": ["bp", "dtp"]}}, "`rule` cannot be searched"),
        ({"recipe": "mnist"}, "`recipe` is no setting to search"),
        ({"inverse_steps": {"low": 1, "high": 3}}, "`inverse_steps` 3 needs `schedule` inverse-f"),
        ({"rule": "bp", "noise": NOISE}, "`noise` has no place in the rule bp"),
        ({"learning_rate": 0.1}, "leaves nothing to search"),
        ({}, "leaves nothing to search"),
        (
            {"inverse_first": {"choices": [True, False]},
             "inverse_activation": {"choices": ["tanh", "matched"]}},
            "`inverse_activation` matched needs `inverse_first` true",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_searched_is_refused_by_name(content, named):
    with pytest.raises(SettingError, match=f"^the search space.*{named}"):
        make_search("digits", content)


def test_a_combination_that_is_no_recipe_is_refused_with_its_values():
    content = {
        "schedule": {"choices": ["inverse-first", "alternating"]},
        "inverse_steps": {"low": 1, "high": 4},
    }
    with pytest.raises(SettingError) as caught:
        make_search("digits", content, rule="ldrl")
    assert "a trial might have schedule alternating, inverse_steps 4: `inverse_steps` 4 needs" in (
        str(caught.value)
    )


def test_a_file_is_named_in_its_errors(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text("noise: {low: 2, high: 1}\n")
    with pytest.raises(SettingError, match=f"search file {path}: `noise` has low"):
        make_search("digits", path)
    path.write_text("noise: {low: 2,")
    with pytest.raises(SettingError, match="is not valid YAML"):
        make_search("digits", path)
    path.write_text("- noise\n")
    with pytest.raises(SettingError, match="must hold settings by name"):
        make_search("digits", path)
    with pytest.raises(SettingError, match="missing.yaml cannot be read"):
        make_search("digits", tmp_path / "missing.yaml")


def test_wrong_recipes_and_flags_are_refused_as_everywhere():
    with pytest.raises(SettingError, match="unknown recipe 'digist'"):
        make_search("digist")
    with pytest.raises(SettingError, match="unknown setting 'nose'"):
        make_search("digits", nose=1)
    with pytest.raises(SettingError, match="`noise` has no place in the rule bp"):
        make_search("digits", rule="bp", noise=1)
