"""Optimizers and courses of the learning rate are words with arguments, checked early."""

import inspect

import keras
import pytest
from recipes_support import message, write

from dtp_tf.recipes.config_files import read_config
from dtp_tf.recipes.optimizers import ARGUMENTS, CLIPS, ELSEWHERE, NO_KERNELS, optimizer_values
from dtp_tf.recipes.recipe import SETTINGS, Recipe, recipe

FULL = "adam beta_2=0.95 epsilon=0.0001 weight_decay=0.0001 clipnorm=1"
BOTH = pytest.mark.parametrize("name", ["optimizer", "inverse_optimizer"])
COURSES = pytest.mark.parametrize(
    "name", ["learning_rate_schedule", "inverse_learning_rate_schedule"]
)


@BOTH
@pytest.mark.parametrize(
    "value",
    [
        FULL,
        "Adam  epsilon=1e-4 clipnorm=1.0 weight_decay=1.0e-4 beta_2=.95",
        {"name": "adam", "beta_2": 0.95, "epsilon": 1e-4, "weight_decay": 1e-4, "clipnorm": 1.0},
        {"name": "Adam", "clipnorm": "1", "weight_decay": "1e-4", "epsilon": 1e-4, "beta_2": 0.95},
    ],
)
def test_words_and_mappings_are_one_value(name, value):
    assert getattr(Recipe(**{name: value}), name) == FULL


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_a_file_has_a_mapping(tmp_path, suffix):
    text = {
        "yaml": "optimizer: {name: adam, beta_2: 0.95, epsilon: 1e-4, weight_decay: 1.0e-4, "
        "clipnorm: 1}\n",
        "json": '{"optimizer": {"name": "adam", "beta_2": 0.95, "epsilon": 1e-4, '
        '"weight_decay": 1e-4, "clipnorm": 1}}',
    }[suffix]
    settings = read_config(write(tmp_path, f"settings.{suffix}", text))
    assert recipe("digits", **settings).optimizer == FULL


def test_what_is_written_to_a_file_is_read_back():
    made = Recipe(
        optimizer={"name": "sgd", "exclude_from_weight_decay": ["bias"], "weight_decay": 1e-4},
        learning_rate_schedule={"name": "step", "at": [10, 20], "factor": 0.5, "warmup": 1},
        learning_rate=[1e-3, 1e-4, 1e-5],
    )
    assert Recipe.from_dict(made.to_dict()) == made


@BOTH
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("adam beta2=0.9", "adam has no argument 'beta2'; it takes beta_1, beta_2, epsilon, "),
        ({"name": "sgd", "beta_1": 0.9}, "sgd has no argument 'beta_1'; it takes momentum, "),
        ({"name": "adam", 3: 0.9}, "adam has no argument 3; it takes "),
        ("adam lr=0.1", "lr has no place here; the learning rate is a setting of its own"),
        ("adam use_ema=true", "use_ema has no place here"),
        ("adam beta_1=1", "beta_1` must be at least 0 and below 1, got 1."),
        ({"name": "adam", "beta_1": [0.9]}, "beta_1` must be a number, got [0.9]."),
        ("adam amsgrad=3", "amsgrad` must be true or false, got '3'."),
        ("adam epsilon=nan", "epsilon` must be a number, got 'nan'."),
        ("adam clipnorm=1 clipvalue=1", "clips gradients in one way, got clipnorm and clipvalue"),
        ("adam exclude_from_weight_decay=bias", "adam decays no weights"),
        ("adamw exclude_from_weight_decay=kernel", "must be one of bias, gamma, beta; got"),
        ("adam beta_1", "must be a word and then NAME=VALUE without spaces inside, got 'beta_1'"),
        ("adam beta_1 = 0.9", "without spaces inside, got 'beta_1'"),
        ("adam beta_1=0.9 beta_1=0.8", "has 'beta_1' twice; give it once."),
        ({"beta_1": 0.9}, "needs a name among its arguments, {name: .., ..}; got {'beta_1': 0.9}."),
        ({"name": "muon", "exclude_layers": ["a b"]}, "exclude_layers` must have no spaces and"),
        ({"name": "muon", "exclude_layers": ["a,b"]}, "exclude_layers` must have no spaces and"),
        ({"name": {"a": 1}}, "must be text, got {'a': 1}."),
        ({"name": None}, "must be text, got None."),
        ({"name": "adamm"}, "got 'adamm'. Did you mean 'adam'?"),
        ("lossscaleoptimizer", "must be one of adam, sgd, "),
        (["adam"], "must be text, got ['adam']."),
    ],
)
def test_a_wrong_optimizer_is_refused_by_name(name, value, said):
    text = message(Recipe, **{name: value})
    assert said in text
    assert text.startswith(f"`{name}")


def test_a_near_miss_of_an_argument_is_suggested():
    assert message(Recipe, optimizer="adam beta2=0.9").endswith("Did you mean 'beta_2'?")


@COURSES
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("cosine minimum=1e-5", "cosine has no argument 'minimum'; it takes min, epochs, warmup."),
        ("step every=3 at=3", "got both; give one of them."),
        ("step at=20,10", "step needs the epochs of `at` in their order, each once."),
        ("cosine min=1", "min` must be at most the learning rate, "),
        ("constant warmup=30", "warmup` must end before epoch 30, got 30 epochs."),
        ("cosine epochs=5 warmup=6", "warmup` must end before epoch 5, got 6 epochs."),
        ("exponential", "must be one of constant, cosine, step; got 'exponential'."),
    ],
)
def test_a_wrong_course_is_refused_by_name(name, value, said):
    text = message(Recipe, **{name: value})
    assert said in text
    assert text.startswith(f"`{name}")


@pytest.mark.parametrize(
    ("settings", "layers"),
    [({"units": (8,)}, 2), ({"layers": ("conv 4 3", "norm", "dense 8")}, 3)],
)
def test_a_rate_for_each_layer_counts_the_output_layer(settings, layers):
    assert len(Recipe(**settings, learning_rate=[0.1] * layers).learning_rate) == layers
    text = message(Recipe, **settings, learning_rate=[0.1] * (layers + 1))
    assert f"has {layers + 1} values, but the network has {layers} layers" in text


# Keras's own classes: where another version has other arguments, these say so.


def keras_classes():
    """Return Keras's optimizers by their names, but for those that are made of others."""
    made_of_others = ("LossScaleOptimizer", "MultiOptimizer", "Optimizer", "OptimizerMap")
    every = {name: getattr(keras.optimizers, name) for name in dir(keras.optimizers)}
    return {
        name.lower(): one
        for name, one in every.items()
        if inspect.isclass(one) and name not in made_of_others
    }


def test_every_optimizer_of_keras_can_be_named():
    assert set(keras_classes()) == {optimizer_values(name)[0] for name in ARGUMENTS}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_an_optimizer_takes_all_arguments_of_its_class_and_no_others(name):
    made = keras_classes()[optimizer_values(name)[0]]
    theirs = set(inspect.signature(made).parameters) - {"kwargs", "name"}
    assert set(ARGUMENTS[name]) - {"exclude_from_weight_decay"} == theirs - set(ELSEWHERE)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_the_defaults_of_keras_are_accepted(name):
    made = keras_classes()[optimizer_values(name)[0]]
    defaults = {
        key: one.default
        for key, one in inspect.signature(made).parameters.items()
        if key in ARGUMENTS[name] and one.default is not None and key not in CLIPS
    }
    assert Recipe(optimizer={"name": name, **defaults}).optimizer.startswith(name)


@BOTH
def test_the_help_says_how_arguments_are_given(name):
    text = SETTINGS["optimizer"].help
    assert "NAME=VALUE" in text
    assert all(word in text for word in (*NO_KERNELS, "exclude_from_weight_decay"))
    assert name in SETTINGS
