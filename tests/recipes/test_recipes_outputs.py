"""A recipe says what the output answers with and by what loss it learns; what does not fit is
refused before data are read."""

import keras
import numpy as np
import pytest

from dtp_tf.errors import SettingError
from dtp_tf.network.losses import LossFacts
from dtp_tf.network.objectives import labelled, recipe_loss
from dtp_tf.recipes.outputs import OUTPUT_LOSSES
from dtp_tf.recipes.recipe import Recipe, recipe


@pytest.mark.parametrize("activation", OUTPUT_LOSSES)
def test_every_loss_of_a_recipe_is_one_of_keras_that_fits_the_output(activation):
    for name in OUTPUT_LOSSES[activation]:
        loss = recipe_loss(recipe("digits", output_activation=activation, loss=name))
        if loss is None:  # the usual one, of numbers of classes
            assert (activation, name) == ("softmax", "categorical_crossentropy")
            continue
        facts = LossFacts(loss, 10)
        assert facts.name.removesuffix("_loss") == name and not facts.kind.sparse
        assert facts.kind.of in (activation, "linear")


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({}, None),
        ({"output_activation": "sigmoid"}, keras.losses.BinaryCrossentropy),
        ({"output_activation": "linear"}, keras.losses.MeanSquaredError),
        ({"label_smoothing": 0.1}, keras.losses.CategoricalCrossentropy),
        ({"label_smoothing": 0.1, "output_activation": "sigmoid"}, keras.losses.BinaryCrossentropy),
        (
            {"label_smoothing": 0.1, "loss": "categorical_focal_crossentropy"},
            keras.losses.CategoricalFocalCrossentropy,
        ),
    ],
)
def test_the_loss_of_an_output_smooths_labels_as_it_is_told(settings, kind):
    loss = recipe_loss(recipe("digits", **settings))
    assert loss is None if kind is None else isinstance(loss, kind)
    if "label_smoothing" in settings:
        assert loss.get_config()["label_smoothing"] == 0.1


def test_labels_become_vectors_for_all_losses_but_the_usual_one():
    images, labels, weights = np.zeros((3, 2)), np.array([2, 0, 1]), np.ones(3)
    assert labelled(None, (images, labels), 4) == (images, labels)
    loss = recipe_loss(recipe("digits", output_activation="sigmoid"))
    same, vectors, kept = labelled(loss, (images, labels, weights), 4)
    assert same is images and kept is weights
    assert np.array_equal(vectors, np.eye(4)[labels])


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"output_activation": "relu"}, "`output_activation` must be one of softmax, sigmoid"),
        ({"loss": "hinge"}, "`loss` hinge does not fit `output_activation` softmax, which takes"),
        (
            {"output_activation": "linear", "loss": "binary_crossentropy"},
            "`loss` binary_crossentropy does not fit `output_activation` linear",
        ),
        ({"loss": "mse"}, "`loss` must be one of"),
        ({"label_smoothing": 1}, "`label_smoothing` must be at least 0 and below 1, got 1"),
        (
            {"output_activation": "linear", "label_smoothing": 0.1},
            "`label_smoothing` 0.1 is for cross-entropies, got the loss mean_squared_error",
        ),
    ],
)
def test_what_does_not_fit_is_refused(settings, sentence):
    with pytest.raises(SettingError, match=sentence):
        recipe("digits", **settings)


def test_a_recipe_of_before_there_were_other_outputs_is_one_of_softmax():
    old = recipe("digits").to_dict()
    for name in ("output_activation", "loss", "label_smoothing"):
        del old[name]
    assert Recipe.from_dict(old) == recipe("digits")
