"""With balanced class weights all classes count alike, in every loss of every rule."""

import numpy as np
import pytest
import tensorflow as tf

import dtp_tf
from dtp_tf.console.tables import make_console
from dtp_tf.data.batches import TrainingBatches, balanced
from dtp_tf.data.splits import ImageData, Split
from dtp_tf.errors import SettingError
from dtp_tf.network.batch import Batch
from dtp_tf.training.building import build_network


def unbalanced(counts, seed=0):
    """Return a split of 4x4 images: class 1 is brighter, with much noise."""
    draw = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts).astype(np.int32)
    pixels = draw.normal(110 + 20 * labels[:, None, None, None], 40, (len(labels), 4, 4, 1))
    return Split(pixels.clip(0, 255).astype(np.uint8), labels)


def test_balanced_weights_give_every_class_the_same_sum_and_a_mean_of_one():
    labels = np.repeat([0, 1, 2], [70, 20, 10])
    weights = balanced(labels)[labels]
    assert weights.mean() == pytest.approx(1)
    sums = [weights[labels == i].sum() for i in range(3)]
    np.testing.assert_allclose(sums, 100 / 3, rtol=1e-6)


def test_batches_have_the_weights_of_their_labels():
    split = unbalanced((30, 10))
    batches = TrainingBatches(split, 8, seed=0, class_weights="balanced")
    batches.select(0, 0)
    for _, labels, weights in batches.dataset:
        np.testing.assert_array_equal(weights, balanced(split.labels)[labels])
    assert len(TrainingBatches(split, 8, seed=0).dataset.element_spec) == 2


def trained(path, **settings):
    split = unbalanced((285, 15))
    data = ImageData("grey", split, unbalanced((50, 50), 1), unbalanced((50, 50), 2),
                     ("many", "few"), "made")  # fmt: skip
    network, history = dtp_tf.train(
        "digits", data=data, run_dir=path, export_dir=None, console=make_console(quiet=True),
        units=(8,), epochs=5, batch_size=20, pixel_noise=0, learning_rate=1e-2,
        preprocessing="standardize", **settings,
    )  # fmt: skip
    return network, history.metrics["test"]


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["dtp", "bp"])
def test_a_rare_class_is_learned_with_balanced_weights(tmp_path, rule):
    _, plain = trained(tmp_path / "plain", rule=rule)
    _, weighted = trained(tmp_path / "weighted", rule=rule, class_weights="balanced")
    assert plain["per_class"]["few"] < 0.5
    assert weighted["balanced_accuracy"] > plain["balanced_accuracy"] + 0.1
    assert weighted["per_class"]["few"] > plain["per_class"]["few"] + 0.3


def test_weights_of_one_change_no_gradient():
    split = unbalanced((20, 20))
    recipe = dtp_tf.recipe("digits", units=(8,), class_weights="balanced")
    data = ImageData("grey", split, split, split, ("a", "b"), "made")
    network = build_network(recipe, data)
    x, y = tf.constant(split.images), tf.constant(split.labels)
    plain, _ = network.forward_gradients(Batch(network, x, y, None))
    weights = tf.gather(tf.constant(balanced(split.labels)), y)
    same, _ = network.forward_gradients(Batch(network, x, y, weights), weights)
    for one, other in zip(plain, same, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_other_words_are_refused():
    with pytest.raises(SettingError, match="`class_weights` must be one of balanced; got 'equal'"):
        dtp_tf.recipe("digits", class_weights="equal")
