"""A search may change the arguments of an optimizer, each for itself."""

import pytest

from dtp_tf.errors import SettingError
from dtp_tf.recipes.recipe import recipe
from dtp_tf.tuning.search_space import SearchSpace, make_search

EPSILON = {"low": 1e-8, "high": 1e-3, "log": True}
SEARCH = {
    "optimizer": {"name": "adam", "epsilon": EPSILON, "beta_2": {"choices": [0.9, 0.99, 0.999]}},
    "inverse_optimizer": {"choices": ["adam", {"name": "sgd", "momentum": 0.9}]},
    "inverse_learning_rate_schedule": {"name": "cosine", "warmup": 0.5},
}


def test_arguments_are_parameters_of_their_own_names():
    _, space = make_search("digits", search=SEARCH)
    assert set(space.parameters) == {"optimizer.epsilon", "optimizer.beta_2", "inverse_optimizer"}
    params = {
        "optimizer.epsilon": 1e-4, "optimizer.beta_2": 0.99,
        "inverse_optimizer": "sgd momentum=0.9",
    }
    settings = space.settings(params)
    assert settings["optimizer"] == "adam beta_2=0.99 epsilon=0.0001"
    assert space.params_of(recipe("digits", **settings)) == params


def test_what_is_not_searched_stays():
    base, _ = make_search("digits", search=SEARCH)
    assert base.inverse_learning_rate_schedule == "cosine warmup=0.5"


def test_a_space_with_arguments_is_written_and_read_back():
    _, space = make_search("digits", search=SEARCH)
    again, fixed = SearchSpace.from_plain(space.to_plain())
    assert again.parameters == space.parameters
    assert again.to_plain() == space.to_plain()
    assert fixed == {}


def test_a_recipe_without_the_arguments_lies_outside():
    _, space = make_search("digits", search=SEARCH)
    assert space.params_of(recipe("digits")) is None


def test_the_optimizer_itself_may_be_searched_with_an_argument():
    search = {"optimizer": {"name": {"choices": ["adam", "nadam"]}, "beta_1": EPSILON}}
    _, space = make_search("digits", search=search)
    params = {"optimizer.name": "nadam", "optimizer.beta_1": 1e-4}
    assert space.settings(params)["optimizer"] == "nadam beta_1=0.0001"


def test_a_rate_of_each_layer_may_be_searched():
    search = {"learning_rate": [0.1, {"low": 0.01, "high": 0.1}, 0.1]}
    _, space = make_search("digits", units=(8, 8), search=search)
    assert list(space.parameters) == ["learning_rate.2"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"name": "adam", "epsilom": EPSILON}, "adam has no argument 'epsilom'"),
        ({"name": "adam", "beta_1": {"low": 0.5, "high": 1}}, "`optimizer.beta_1` must be at"),
        ({"name": "adam", "beta_1": {"low": 0.5}}, "`optimizer.beta_1` needs both low and high"),
        ({"name": "adam", "amsgrad": {"low": 0, "high": 1}}, "`optimizer.amsgrad` is no number"),
        ({"name": "adma", "beta_1": EPSILON}, "must be one of adam, "),
        (
            {"name": {"choices": ["adam", "sgd"]}, "beta_1": EPSILON},
            "sgd has no argument 'beta_1'",
        ),
    ],
)
def test_a_wrong_argument_is_refused_by_name(content, said):
    with pytest.raises(SettingError, match=said):
        make_search("digits", search={"optimizer": content})
