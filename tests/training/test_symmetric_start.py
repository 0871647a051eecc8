"""With `symmetric_start` the feedback of every layer begins at its transposed weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import digits, invoke, refusal

from dtp_tf.errors import SettingError
from dtp_tf.network.batch import Batch
from dtp_tf.recipes.recipe import recipe
from dtp_tf.training.building import build_network
from dtp_tf.training.symmetric import start_symmetric

# Of inverses from the top hidden layer and from the output, and of feedback in their place.
TAKE_IT = ("dtp", "ldrl", "fa", "kp")
LAYERS = ("conv 2 3/2", "local 3 2", "conv 4 3 max 2", "dense 6", "dense 5")


def network(rule, **settings):
    keras.utils.set_random_seed(0)
    if rule in ("tp", "dtp", "sdtp", "ao_sdtp", "drl", "ldrl", "fwdtp", "ccl"):
        settings = {"inverse_activation": "linear", **settings}
    settings = {"symmetric_start": True, "activation": "linear", **settings}
    return build_network(recipe("digits", rule=rule, **settings), digits())


@pytest.mark.parametrize("rule", TAKE_IT)
@pytest.mark.slow
def test_feedback_of_linear_layers_is_their_transposed_map(rule):
    made, draw = network(rule, layers=LAYERS[:2] + LAYERS[3:]), np.random.default_rng(0)
    seen = 0
    for i, pair in enumerate(made.layers_up):
        back = made.feedback.get(i, pair.inverse_layer if i in made.inverted else None)
        if back is None:
            continue
        x = tf.constant(draw.normal(size=(3, *pair.below)), "float32")
        y = tf.constant(draw.normal(size=(3, *pair.above)), "float32")
        straight = pair.pre_activation(x) - pair.pre_activation(tf.zeros_like(x))
        down = tf.reshape(back(y) - back(tf.zeros_like(y)), x.shape)
        left, right = tf.reduce_sum(straight * y), tf.reduce_sum(x * down)
        assert float(left) == pytest.approx(float(right), rel=1e-4)
        seen += 1
    assert seen >= 2


@pytest.mark.parametrize("rule", ["fa", "weight_mirror"])
@pytest.mark.slow
def test_the_first_signals_of_alignment_are_those_of_backpropagation(rule):
    made, bp = network(rule, layers=LAYERS), network("bp", layers=LAYERS, symmetric_start=None)
    for one, other in zip(made.forward_variables, bp.forward_variables, strict=True):
        other.assign(one)
    data = digits().train
    x, y = tf.constant(data.images[:8]), tf.constant(data.labels[:8])
    found, expected = (one.forward_gradients(Batch(one, x, y))[0] for one in (made, bp))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-6)


def test_without_it_the_weights_are_drawn():
    drawn, start = (network("dtp", units=(6, 5), symmetric_start=one) for one in (False, True))
    kernels = [one.layers_up[1].inverse_layer.kernel.numpy() for one in (drawn, start)]
    np.testing.assert_array_equal(kernels[1], start.layers_up[1].forward_layer.kernel.numpy().T)
    assert np.abs(kernels[0] - kernels[1]).max() > 0.1


def test_a_block_is_refused_before_any_data_are_read():
    result = invoke(
        "train", "digits", "--layers", "conv 2 3,conv 2 3 norm", "--symmetric-start", "--dataset",
        "no_such_set",
    )
    said = refusal(result, 2)
    assert "`symmetric_start` needs layers with one set of weights, and layer 2 is" in said


def test_a_pair_without_one_kernel_is_refused():
    made = network("dtp", layers=("conv 2 3", "conv 2 3 norm"), symmetric_start=None)
    with pytest.raises(SettingError, match="layer 2 is a BlockPair"):
        start_symmetric(made)
