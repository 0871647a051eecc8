"""Losses, labels and rules that do not fit each other are refused in one sentence."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from losses_support import CASES, UNKNOWN, L, PinballLoss, cubed, examples, labels, network_of

import dtp_tf
from dtp_tf.errors import SettingError
from dtp_tf.rules import DTP, SDTP


def refused(match, *args, **settings):
    with pytest.raises(SettingError, match=match) as caught:
        network_of(*args, **settings)
    assert "\n" not in str(caught.value)


# -- the output -----------------------------------------------------------------------------------


def test_an_output_activation_that_is_none_of_three_is_refused():
    refused("`output_activation` must be one of softmax, sigmoid, linear; got 'relu'", "relu", 3)


@pytest.mark.parametrize(
    ("activation", "units", "least"),
    [("softmax", 1, 2), ("sigmoid", 0, 1), ("linear", -1, 1), ("linear", 2.0, 1)],
)
def test_an_output_of_too_few_units_is_refused(activation, units, least):
    refused(f"`units`.*at least {least} with .* {activation}, got {units}", activation, units)


def test_units_and_classes_are_two_names_of_one_width():
    pairs = [dtp_tf.DensePair(2)]
    assert dtp_tf.DTPNetwork(pairs, classes=4).units == 4
    assert dtp_tf.DTPNetwork(pairs, 4).classes == 4
    assert dtp_tf.DTPNetwork(pairs, 4, output_activation="linear").classes is None
    with pytest.raises(SettingError, match="`units` and `classes` both"):
        dtp_tf.DTPNetwork(pairs, 4, classes=4)
    with pytest.raises(SettingError, match="`units`.*got None"):
        dtp_tf.DTPNetwork(pairs)


# -- the loss -------------------------------------------------------------------------------------


@pytest.mark.parametrize("reduction", ["sum", "none", None, "mean_with_sample_weight"])
@pytest.mark.parametrize("loss", [L.MeanSquaredError, PinballLoss])
def test_a_loss_that_is_no_mean_is_refused_by_its_reduction(loss, reduction):
    refused(
        f"mean over the batch, got reduction {reduction!r}", "linear", 3, loss(reduction=reduction)
    )


def total(y_true, y_pred):
    return keras.ops.sum(keras.ops.square(y_true - y_pred))


@pytest.mark.parametrize("loss", [total, L.Dice(), L.Tversky(), L.CosineSimilarity(axis=0)])
def test_a_loss_that_is_no_mean_is_refused_once_it_is_tried(loss):
    network = network_of("sigmoid", 3, loss)
    with pytest.raises(SettingError, match="is no mean over the batch.* of two examples it is"):
        network.train_on_batch(examples(), labels("vectors of bits").astype("float32"))


@pytest.mark.parametrize("loss", [L.Dice(axis=-1), cubed, PinballLoss()])
@pytest.mark.slow
def test_a_loss_of_each_example_is_taken(loss):
    network_of("sigmoid", 3, loss).train_on_batch(examples(), labels("vectors of bits"))


@pytest.mark.slow
def test_one_number_for_a_batch_is_refused_where_examples_have_weights():
    network = network_of(*CASES["own mean"][:3])
    x, y = examples(), labels("numbers of any kind")
    network.train_on_batch(x, y)
    with pytest.raises(SettingError, match="`loss` already_a_mean gives one number.*have weights"):
        network.train_on_batch(x, y, sample_weight=np.ones(len(x)))


def test_several_losses_are_refused_and_one_in_a_list_is_taken():
    refused("must be one loss.*got 2", "linear", 3, ["mse", "mae"])
    assert network_of("linear", 3, ["mse"]).loss == "mse"


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_a_loss_from_logits_is_refused_where_the_network_answers_with_probabilities(activation):
    loss = {
        "softmax": L.CategoricalCrossentropy(from_logits=True),
        "sigmoid": L.BinaryCrossentropy(from_logits=True),
    }[activation]
    refused(f"from_logits=True, but the network answers with the {activation}", activation, 3, loss)


@pytest.mark.parametrize(
    ("loss", "instead"),
    [
        ("sparse_categorical_crossentropy", '"softmax" .or from_logits=True'),
        ("bce", '"sigmoid" .or from_logits=True'),
        (L.BinaryFocalCrossentropy(), '"sigmoid" .or from_logits=True'),
        ("kld", '"softmax"[.]'),
    ],
)
def test_a_loss_of_probabilities_is_refused_where_there_are_none(loss, instead):
    refused(
        f"is of probabilities, and `output_activation` linear.* use {instead}", "linear", 3, loss
    )


@pytest.mark.parametrize("units", [1, 3])
def test_a_loss_of_classes_that_exclude_each_other_is_refused_for_single_units(units):
    refused(
        f"exclude each other, got .* sigmoid with {units} unit",
        "sigmoid",
        units,
        "sparse_categorical_crossentropy",
    )


# -- labels ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("activation", "units", "loss", "shape", "sentence"),
    [
        ("sigmoid", 3, None, (6,), "(batch, 3) for `loss` binary_crossentropy .* got (batch,)"),
        ("sigmoid", 3, None, (6, 1), "(batch, 3) .* got (batch, 1)"),
        ("sigmoid", 1, None, (6, 2), "(batch, 1) .* an output of 1 sigmoid unit, got (batch, 2)"),
        ("linear", 3, None, (6, 2), "(batch, 3) .* got (batch, 2)"),
        ("linear", 3, None, (6,), "(batch, 3) .* got (batch,)"),
        ("linear", 4, None, (6, 2, 2), "(batch, 4) .* got (batch, 2, 2)"),
        ("softmax", 3, None, (6, 3), "(batch,) .* got (batch, 3); .* categorical_crossentropy"),
        ("softmax", 3, "categorical_crossentropy", (6,), "sparse_categorical_crossentropy"),
        ("softmax", 3, "mse", (6,), "(batch, 3) .* got (batch,)"),
    ],
)
def test_labels_of_another_shape_are_refused(activation, units, loss, shape, sentence):
    network = network_of(activation, units, loss)
    match = sentence.replace("(", r"\(").replace(")", r"\)")
    for method in (network.train_on_batch, network.test_on_batch):
        with pytest.raises(SettingError, match=match):
            method(examples(), np.zeros(shape, "float32"))


def test_missing_labels_are_refused():
    with pytest.raises(SettingError, match="`y` must be one array of labels, got none"):
        network_of("linear", 4).train_step((tf.constant(examples()),))


def test_a_mask_is_refused_for_a_stock_model_would_leave_examples_out_of_its_loss():
    pairs, masking = [dtp_tf.DensePair(2)], keras.layers.Masking()
    with pytest.raises(SettingError, match="`preprocessing` gives a mask.*`sample_weight`"):
        dtp_tf.DTPNetwork(pairs, 3, preprocessing=masking)(np.ones((2, 4, 5), "float32"))


# -- rules ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", [*UNKNOWN, "smoothed focal"])
def test_a_rule_that_takes_labels_as_targets_is_refused_without_them(case):
    focal = L.CategoricalFocalCrossentropy(label_smoothing=0.1)
    activation, units, loss, _ = CASES.get(case, ("softmax", 3, focal, ""))
    refused(
        "the rule SDTP takes the answers .* not known in closed form.* rule such as dtp",
        activation,
        units,
        loss,
        rule=SDTP(),
    )


class Curious(DTP):
    """A rule of a user's own, which does not say that it takes labels."""

    def targets(self, network, batch):
        return [tf.zeros_like(h) + tf.reduce_sum(batch.labels) for h in batch.h[1:-1]]


def test_a_rule_that_does_not_say_so_is_refused_when_it_takes_labels():
    network = network_of("linear", 3, PinballLoss(), rule=Curious())
    with pytest.raises(SettingError, match="the rule Curious takes the answers"):
        network.train_on_batch(examples(), labels("numbers of any kind"))
