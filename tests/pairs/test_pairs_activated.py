"""What pairs of weights and a nonlinearity have in common, whatever their weights."""

import keras
import pytest

from dtp_tf.pairs import Conv2DPair, DensePair, LocallyConnected2DPair

PAIRS = [DensePair, Conv2DPair, LocallyConnected2DPair]


@pytest.mark.parametrize("kind", PAIRS)
def test_the_inverse_has_the_nonlinearity_of_f_unless_it_is_told_another(kind):
    assert kind(3, activation="elu").inverse_activation is keras.activations.elu
    told = kind(3, activation="elu", inverse_activation="tanh")
    assert (told.activation, told.inverse_activation) == (
        keras.activations.elu, keras.activations.tanh,
    )  # fmt: skip


@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize("inverse", [True, False])
@pytest.mark.parametrize("first", [True, False])
def test_differences_are_products_where_there_is_an_inverse_that_begins_with_r(
    kind, inverse, first
):
    assert kind(3, inverse=inverse, inverse_first=first).linear_inverse is (inverse and first)


@pytest.mark.parametrize("kind", PAIRS)
def test_a_pair_is_made_again_from_its_configuration(kind):
    settings = dict(
        activation="elu", inverse_activation="tanh", kernel_initializer="he_normal",
        inverse_kernel_initializer="zeros", inverse=False, inverse_first=True, dropout=0.25,
    )  # fmt: skip
    config = kind(3, **settings).get_config()
    again = kind.from_config(config)
    assert again.get_config() == config
    assert again.activation is keras.activations.elu
    assert again.inverse_activation is keras.activations.tanh
    assert isinstance(again.kernel_initializer, keras.initializers.HeNormal)
    assert isinstance(again.inverse_kernel_initializer, keras.initializers.Zeros)
    assert (again.inverse, again.inverse_first, again.dropout) == (False, True, 0.25)


@pytest.mark.parametrize("kind", PAIRS)
def test_with_mixed_numbers_a_pair_does_not_round_what_comes_in(kind):
    assert not kind(3, dtype="mixed_bfloat16").autocast
    assert kind(3).autocast


@pytest.mark.parametrize("kind", PAIRS)
def test_symbolic_shapes_are_those_below_and_above(kind):
    pair = kind(3)
    below = keras.KerasTensor((None, 4, 4, 2))
    above = pair(below)
    assert above.shape == (None, *pair.above)
    assert pair(above, reverse=True).shape == below.shape
