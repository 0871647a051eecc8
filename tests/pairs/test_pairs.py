"""`DensePair`: a layer and its inverse in one Keras layer."""

import keras
import numpy as np
import pytest

from dtp_tf import DensePair
from dtp_tf.pairs import sign


def random_pair(**settings):
    """A pair from 5 inputs to 3 units whose biases are not zero either."""
    keras.utils.set_random_seed(0)
    pair = DensePair(3, **settings)
    pair.build((None, 5))
    for variable in pair.trainable_variables:
        variable.assign(keras.random.normal(variable.shape))
    return pair


def batch(features, examples=4):
    return np.random.default_rng(1).normal(size=(examples, features)).astype("float32")


def arrays(variables):
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def test_forward_gives_the_units_and_reverse_gives_the_inputs():
    pair = DensePair(3)
    assert pair(batch(5)).shape == (4, 3)
    assert pair(batch(3), reverse=True).shape == (4, 5)


def test_forward_is_an_activation_of_a_matrix_product():
    pair = random_pair(activation="tanh", inverse_activation="sigmoid")
    weight, bias = arrays(pair.forward_variables)
    np.testing.assert_allclose(pair(batch(5)), np.tanh(batch(5) @ weight + bias), rtol=1e-5)


def test_reverse_has_its_own_weights_and_activation():
    pair = random_pair(activation="tanh", inverse_activation="sigmoid")
    weight, bias = arrays(pair.inverse_variables)
    found = pair(batch(3), reverse=True)
    np.testing.assert_allclose(found, sigmoid(batch(3) @ weight + bias), rtol=1e-5)


def test_the_inverse_has_the_activation_of_the_layer_unless_told_otherwise():
    pair = random_pair(activation="sigmoid")
    weight, bias = arrays(pair.inverse_variables)
    found = pair(batch(3), reverse=True)
    np.testing.assert_allclose(found, sigmoid(batch(3) @ weight + bias), rtol=1e-5)


def test_by_default_all_singular_values_are_one_and_all_biases_zero():
    pair = DensePair(3)
    pair.build((None, 5))
    for weight, bias in (arrays(pair.forward_variables), arrays(pair.inverse_variables)):
        np.testing.assert_allclose(np.linalg.svd(weight)[1], 1, rtol=1e-5)
        assert not bias.any()


def test_each_direction_has_its_own_initializer():
    pair = DensePair(3, kernel_initializer="ones", inverse_kernel_initializer="zeros")
    pair.build((None, 5))
    assert np.all(arrays(pair.forward_variables)[0] == 1)
    assert np.all(arrays(pair.inverse_variables)[0] == 0)


def test_the_trainable_variables_are_those_of_the_layer_and_of_the_inverse():
    pair = random_pair()
    own = [id(variable) for variable in (*pair.forward_variables, *pair.inverse_variables)]
    assert own == [id(variable) for variable in pair.trainable_variables]
    shapes = [tuple(variable.shape) for variable in pair.trainable_variables]
    assert shapes == [(5, 3), (3,), (3, 5), (5,)]


def test_building_again_keeps_the_weights():
    pair = random_pair()
    before = arrays(pair.trainable_variables)
    pair.build((None, 5))
    for now, old in zip(arrays(pair.trainable_variables), before, strict=True):
        np.testing.assert_array_equal(now, old)


def test_a_pair_without_an_inverse_has_no_weights_for_one():
    pair = random_pair(inverse=False)
    assert pair.inverse_variables == []
    assert len(pair.trainable_variables) == 2


def test_a_pair_without_an_inverse_refuses_to_go_back():
    with pytest.raises(ValueError, match="first.*has no inverse"):
        random_pair(inverse=False, name="first")(batch(3), reverse=True)


@pytest.mark.parametrize("units", [0, -1, 2.5, True, "3", None])
def test_impossible_units_are_refused(units):
    with pytest.raises(ValueError, match=f"`units`.*got {units!r}"):
        DensePair(units)


@pytest.mark.parametrize("shape", [(None,), (None, None), (None, None, 8, 3)])
def test_inputs_of_no_or_unknown_size_are_refused(shape):
    with pytest.raises(ValueError, match="batch, features.*sizes are known"):
        DensePair(3).build(shape)


@pytest.mark.parametrize("inverse_first", [False, True])
def test_images_are_flattened_and_come_back_as_images(inverse_first):
    keras.utils.set_random_seed(0)
    flat, images = DensePair(3, inverse_first=inverse_first), DensePair(
        3, inverse_first=inverse_first
    )
    flat.build((None, 24))
    images.build((None, 4, 3, 2))
    images.set_weights(flat.get_weights())
    x, t = batch(24), batch(3)
    np.testing.assert_array_equal(images(x.reshape(-1, 4, 3, 2)), flat(x))
    expected = np.reshape(flat(t, reverse=True), (-1, 4, 3, 2))
    np.testing.assert_array_equal(images(t, reverse=True), expected)
    (found,) = images.inverse_differences(t, [2 * t])
    (expected,) = flat.inverse_differences(t, [2 * t])
    np.testing.assert_array_equal(found, np.reshape(expected, (-1, 4, 3, 2)))
    assert images(keras.Input((3,)), reverse=True).shape == (None, 4, 3, 2)


def test_compute_output_shape_tells_what_a_call_returns():
    pair = DensePair(3)
    assert pair.compute_output_shape((4, 5)) == tuple(pair(batch(5)).shape)


def test_compute_output_shape_needs_no_build():
    assert DensePair(3).compute_output_shape((None, 5)) == (None, 3)


def test_symbolic_calls_know_the_shapes_of_both_directions():
    pair = random_pair()
    assert pair(keras.Input((5,))).shape == (None, 3)
    assert pair(keras.Input((3,)), reverse=True).shape == (None, 5)


def test_a_pair_is_made_again_from_its_configuration():
    pair = DensePair(
        3,
        activation="sigmoid",
        inverse_activation="linear",
        kernel_initializer="he_normal",
        inverse_kernel_initializer=keras.initializers.Orthogonal(gain=0.5, seed=3),
        inverse=False,
        inverse_first=True,
        name="middle",
    )
    again = DensePair.from_config(pair.get_config())
    assert again.get_config() == pair.get_config()
    assert (again.units, again.inverse, again.name) == (3, False, "middle")
    assert again.activation is keras.activations.sigmoid
    assert again.inverse_activation is keras.activations.linear
    assert again.inverse_kernel_initializer.gain == 0.5
    assert again.inverse_first is True


def test_a_saved_model_with_a_pair_predicts_the_same(tmp_path):
    inputs = keras.Input((5,))
    pair = random_pair(activation="tanh", inverse_activation="sigmoid")
    hidden = pair(inputs)
    model = keras.Model(inputs, [hidden, pair(hidden, reverse=True)])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for found, expected in zip(loaded(batch(5)), model(batch(5)), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_the_stock_layers_compute_the_same_and_are_plain_keras():
    pair = random_pair()
    outputs = batch(5)
    for layer in pair.stock_layers():
        assert type(layer).__module__.startswith("keras.")
        outputs = layer(outputs)
    np.testing.assert_array_equal(outputs, pair(batch(5)))


def test_the_stock_layers_share_the_weights_of_the_pair():
    pair = random_pair()
    layer, activation = pair.stock_layers()
    pair.forward_variables[0].assign(np.zeros((5, 3)))
    assert not arrays(layer.trainable_variables)[0].any()
    assert activation.weights == []


def test_a_linear_pair_needs_no_stock_layer_for_its_activation():
    pair = random_pair(activation="linear")
    (layer,) = pair.stock_layers()
    np.testing.assert_array_equal(layer(batch(5)), pair(batch(5)))


def test_forward_is_the_activation_of_the_pre_activation():
    pair = random_pair(activation="tanh")
    weight, bias = arrays(pair.forward_variables)
    before = pair.pre_activation(batch(5))
    np.testing.assert_allclose(before, batch(5) @ weight + bias, rtol=1e-5)
    np.testing.assert_allclose(pair.activate(before), np.tanh(before), rtol=1e-5)
    np.testing.assert_array_equal(pair.activate(before), pair(batch(5)))


def test_the_activation_of_an_inverse_may_come_before_its_weights():
    pair = random_pair(activation="tanh", inverse_activation="sigmoid", inverse_first=True)
    weight, bias = arrays(pair.inverse_variables)
    found = pair(batch(3), reverse=True)
    np.testing.assert_allclose(found, sigmoid(batch(3)) @ weight + bias, rtol=1e-5)
    assert pair(keras.Input((3,)), reverse=True).shape == (None, 5)
    assert np.abs(found).max() > 1  # beyond what the activation gives


# -- discrete transmission ------------------------------------------------------------------------


def test_with_sign_transmission_f_and_g_get_signs_only():
    pair = random_pair(transmission="sign", inverse_activation="sigmoid")
    weight, bias = arrays(pair.forward_variables)
    signs = np.where(batch(5) > 0, 1, -1)
    np.testing.assert_allclose(pair(batch(5)), np.tanh(signs @ weight + bias), rtol=1e-5)
    weight, bias = arrays(pair.inverse_variables)
    signs = np.where(batch(3) > 0, 1, -1)
    found = pair(batch(3), reverse=True)
    np.testing.assert_allclose(found, sigmoid(signs @ weight + bias), rtol=1e-5)


def test_the_sign_of_zero_is_minus_one():
    np.testing.assert_array_equal(sign(np.array([-2.0, -0.0, 0.0, 1e-30])), [-1, -1, -1, 1])


def test_an_unknown_transmission_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match="one of continuous, sign, sample; got 'x'"):
        DensePair(3, transmission="x")


def test_the_stock_layers_of_a_discrete_pair_compute_the_same(tmp_path):
    pair = random_pair(transmission="sign")
    inputs = outputs = keras.Input((5,))
    for step in pair.stock_layers():
        outputs = step(outputs)
    keras.Model(inputs, outputs).save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again(batch(5)), pair(batch(5)), rtol=1e-6)


@pytest.mark.parametrize("transmission", ["continuous", "sign"])
@pytest.mark.parametrize("inverse_first", [False, True])
def test_inverse_differences_are_differences_of_the_inverse(inverse_first, transmission):
    pair = random_pair(inverse_first=inverse_first, transmission=transmission)
    base, *points = np.random.default_rng(2).normal(size=(3, 4, 3)).astype("float32")
    found = pair.inverse_differences(base, points)
    for difference, point in zip(found, points, strict=True):
        expected = pair(point, reverse=True) - pair(base, reverse=True)
        np.testing.assert_allclose(difference, expected, atol=1e-6)


@pytest.mark.parametrize("transmission", ["continuous", "sign", "sample"])
@pytest.mark.parametrize("inverse_first", [False, True])
def test_a_difference_along_known_directions_is_that_of_the_inverse(inverse_first, transmission):
    pair = random_pair(inverse_first=inverse_first, transmission=transmission)
    base, (coefficients, directions) = batch(3), (batch(2), batch(3, 2))
    point = base + coefficients @ directions
    found = pair.difference_along(base, point, coefficients, directions)
    expected = pair(point, reverse=True) - pair(base, reverse=True)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_difference_along_known_directions_has_the_shape_below():
    pair = DensePair(3)
    pair.build((None, 2, 2, 1))
    base, (coefficients, directions) = batch(3), (batch(2), batch(3, 2))
    point = base + coefficients @ directions
    assert pair.difference_along(base, point, coefficients, directions).shape == (4, 2, 2, 1)


def test_inverse_differences_keep_small_steps_that_the_inverse_would_round_away():
    pair = random_pair(inverse_first=True, inverse_activation="linear")
    pair.inverse_layer.bias.assign(1000 * np.ones(5))
    base = batch(3)
    step = 1e-5 * batch(3)
    (found,) = pair.inverse_differences(base, [base + step])
    exact = (base + step).astype("float64") - base.astype("float64")
    expected = exact @ arrays([pair.inverse_layer.kernel])[0].astype("float64")
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-10)
    lost = pair(base + step, reverse=True) - pair(base, reverse=True)
    assert np.abs(lost - expected).max() > 0.1 * np.abs(expected).max()
