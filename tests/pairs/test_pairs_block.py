"""`BlockPair`: a Keras sub-network and its inverse; batch normalisation in training and after."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import dtp_tf
from dtp_tf import BlockPair
from dtp_tf.errors import SettingError
from dtp_tf.evaluating.diagnostics import Diagnostics
from dtp_tf.network.batch import Batch

IMAGE = (7, 6, 2)


def block(pool=layers.AveragePooling2D, filters=4):
    return keras.Sequential(
        [
            layers.Conv2D(filters, 3, padding="same", use_bias=False),
            layers.BatchNormalization(momentum=0.9),
            layers.Activation("elu"),
            pool(2),
        ]
    )


def images(examples=8, shape=IMAGE):
    return np.random.default_rng(1).normal(size=(examples, *shape)).astype("float32")


def network(rule=None, pairs=None):
    keras.utils.set_random_seed(0)
    pairs = pairs or [BlockPair(block()), BlockPair(block(filters=3)), dtp_tf.DensePair(5)]
    made = dtp_tf.DTPNetwork(pairs, 3, rule=rule or dtp_tf.rules.LDRL(inverse_steps=3))
    made.build((None, *IMAGE))
    made.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.01), run_eagerly=True)
    return made


def statistics(made):
    return [one for pair in made.pairs[:2] for one in running(pair)]


def running(pair):
    return [keras.ops.convert_to_numpy(one) for one in pair.block.non_trainable_variables]


def step(made, x, y):
    return made.train_step((tf.constant(x), tf.constant(y)))


Y = np.arange(8) % 3


@pytest.mark.slow
def test_running_statistics_take_in_a_batch_once_a_step_however_often_f_is_asked():
    made, x = network(), images()
    mean, variance = running(made.pairs[0])
    assert not mean.any() and np.all(variance == 1)
    convolved = np.asarray(made.pairs[0].block.layers[0](x))
    step(made, x, Y)
    mean, variance = running(made.pairs[0])
    np.testing.assert_allclose(mean, 0.1 * convolved.mean((0, 1, 2)), rtol=1e-4, atol=1e-6)
    expected = 0.9 + 0.1 * convolved.var((0, 1, 2))
    np.testing.assert_allclose(variance, expected, rtol=1e-4)


@pytest.mark.slow
def test_training_normalises_by_the_batch_and_other_points_do_so_too():
    made, x = network(), images()
    first = made.pairs[0].block
    normal = first.layers[1](first.layers[0](x), training=True)
    np.testing.assert_allclose(np.mean(normal, (0, 1, 2)), 0, atol=1e-5)
    expected = first.layers[3](first.layers[2](normal))
    made_again = network()
    batch = Batch(made_again, tf.constant(x), tf.constant(Y), update=False)
    np.testing.assert_allclose(batch.h[1], expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(batch.f(0, tf.constant(x)), batch.h[1])
    assert all(not one.any() or np.all(one == 1) for one in statistics(made_again))


@pytest.mark.slow
def test_answers_do_not_depend_on_what_else_is_in_the_batch():
    made, x = network(), images()
    for _ in range(3):
        step(made, x, Y)
    together = made.predict(x, verbose=0)
    alone = np.concatenate([made.predict(x[i : i + 1], verbose=0) for i in range(8)])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-6)
    before = statistics(made)
    made.evaluate(x, Y, verbose=0)
    for now, old in zip(statistics(made), before, strict=True):
        np.testing.assert_array_equal(now, old)


@pytest.mark.slow
def test_measuring_changes_nothing():
    made, x = network(), images()
    step(made, x, Y)
    before = made.get_weights()
    measured = Diagnostics(made, x, Y).measure()
    assert {"angle_bp_1", "angle_jacobian_2", "angle_gn_1"} <= measured.keys()
    for now, old in zip(made.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, old)


def test_backpropagation_through_blocks_is_keras_s_own():
    made, x = network(dtp_tf.rules.BP()), images()
    batch = Batch(made, tf.constant(x), tf.constant(Y), update=False)
    gradients, _ = made.forward_gradients(batch)
    with tf.GradientTape() as tape:
        h = tf.constant(x)
        for pair in made.pairs[:2]:
            h = pair.block(h, training=True)
        scores = tf.nn.softmax(made.output_pair(made.pairs[2](h)))
        loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(Y, scores))
    expected = tape.gradient(loss, made.forward_variables)
    for one, other in zip(gradients, expected, strict=True):
        scale = np.abs(other).max() + 1e-6
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-4 * scale)


@pytest.mark.parametrize("pool", [layers.AveragePooling2D, layers.MaxPooling2D])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_a_derived_inverse_gives_the_shape_of_the_inputs(pool, padding):
    many = keras.Sequential(
        [
            layers.Conv2D(4, 3, 2, padding=padding, activation="tanh"),
            layers.LayerNormalization(),
            layers.LeakyReLU(),
            pool(2, padding=padding),
            layers.Dropout(0.2),
            layers.Flatten(),
            layers.Dense(6, "elu"),
        ]
    )
    for image in ((9, 8, 2), (8, 11, 2)):
        fresh = keras.models.clone_model(many)
        pair = BlockPair(fresh)
        assert pair(pair(images(3, image)), reverse=True).shape == (3, *image)
        assert pair(keras.Input((6,)), reverse=True).shape == (None, *image)
        names = [type(layer).__name__ for layer in pair.inverse_layer.operations]
        names = [name for name in names if name != "InputLayer"]
        assert names[0] == "Activation" and names[1] == "Dense"
        assert "TransposedConvolution" in names


def test_a_given_inverse_is_taken_as_it_is():
    back = keras.Sequential([layers.UpSampling2D(2), layers.Conv2DTranspose(2, 3, padding="same"),
                             layers.ZeroPadding2D(((0, 1), (0, 0)))])
    pair = BlockPair(block(), back)
    pair.build((None, *IMAGE))
    assert pair.inverse_layer is back
    assert pair(images(2, pair.above), reverse=True).shape == (2, *IMAGE)


@pytest.mark.slow
def test_a_block_is_made_again_from_its_configuration_and_from_a_file(tmp_path):
    made, x = network(), images()
    for _ in range(2):
        step(made, x, Y)
    made.save(tmp_path / "network.keras")
    again = keras.saving.load_model(tmp_path / "network.keras")
    np.testing.assert_array_equal(again(x), made(x))
    for one, other in zip(again.weights, made.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    for _ in range(2):
        for model in (made, again):
            step(model, x, Y)
    for one, other in zip(again.weights, made.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_a_classifier_of_blocks_has_the_running_statistics():
    made, x = network(), images()
    for _ in range(3):
        step(made, x, Y)
    classifier = made.classifier()
    np.testing.assert_allclose(classifier(x), made(x), rtol=1e-5, atol=1e-6)
    assert {type(layer).__module__.split(".")[0] for layer in classifier.layers} == {"keras"}


# -- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [None, "conv", 3])
def test_what_is_no_layer_is_refused(wrong):
    with pytest.raises(SettingError, match="`block` must be a Keras layer or model, got"):
        BlockPair(wrong)
    if wrong is not None:
        with pytest.raises(SettingError, match="`inverse_block` must be a Keras layer"):
            BlockPair(block(), wrong)


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (layers.RandomFlip(), "is a RandomFlip; give `inverse_block`"),
        (layers.Softmax(), "is a Softmax; give `inverse_block`"),
        (layers.PReLU(), "is a PReLU; give `inverse_block`"),
        (layers.Rescaling(0.0), "is a Rescaling of which a scale is 0"),
    ],
)
def test_layers_whose_inverse_is_not_known_are_named(layer, words):
    pair = BlockPair(keras.Sequential([layer], name="odd"))
    with pytest.raises(SettingError, match=f"'odd'.*{words}"):
        pair.build((None, *IMAGE))


def test_a_model_that_is_no_stack_of_known_layers_needs_its_inverse():
    class Own(keras.Model):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.convolution = layers.Conv2D(2, 3, padding="same")

        def build(self, shape):
            self.convolution.build(shape)

        def compute_output_shape(self, shape):
            return shape

        def call(self, inputs):
            return inputs + self.convolution(inputs)

    with pytest.raises(SettingError, match="its layer 'own' is a Own; give `inverse_block`"):
        BlockPair(Own(name="own")).build((None, *IMAGE))
    pair = BlockPair(Own(), layers.Conv2D(2, 3, padding="same"))
    assert pair(pair(images()), reverse=True).shape == images().shape


def test_an_inverse_of_another_shape_or_with_a_state_is_refused():
    with pytest.raises(SettingError, match=r"shape \(6, 6, 4\).*takes \(7, 6, 2\)"):
        BlockPair(block(), layers.UpSampling2D(2)).build((None, *IMAGE))
    back = keras.Sequential([layers.Conv2D(2, 1), layers.BatchNormalization()])
    with pytest.raises(SettingError, match="weights that do not learn"):
        BlockPair(keras.Sequential([layers.Conv2D(3, 1)]), back).build((None, *IMAGE))


def test_rules_that_need_one_set_of_weights_refuse_blocks_by_name():
    pairs = [dtp_tf.Conv2DPair(3), BlockPair(block())]
    with pytest.raises(SettingError, match="FA needs.*layer 2 is a BlockPair; use.*dfa"):
        dtp_tf.DTPNetwork(pairs, 3, rule=dtp_tf.rules.FA())
    with pytest.raises(SettingError, match="autoencoder.*layer 1 is a Conv2DPair; use dense"):
        dtp_tf.DTPNetwork(pairs, 3, rule=dtp_tf.rules.Autoencoder())
