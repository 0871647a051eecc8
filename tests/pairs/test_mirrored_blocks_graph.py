"""Inverses of functional blocks: graphs mirrored, with the slopes of the forward pass."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import dtp_tf
from dtp_tf import BlockPair
from dtp_tf.errors import SettingError
from dtp_tf.pairs.graph import Graph

IMAGE = (7, 6, 2)


def images(examples=8, shape=IMAGE):
    return np.random.default_rng(1).normal(size=(examples, *shape)).astype("float32")


def block_of(make, image=IMAGE):
    inputs = keras.Input(image)
    return keras.Model(inputs, make(inputs))


def residual(x, filters=3, stride=2):
    y = layers.Conv2D(filters, 3, stride, padding="same", use_bias=False)(x)
    y = layers.BatchNormalization()(y)
    y = layers.ReLU()(y)
    y = layers.Conv2D(filters, 3, padding="same", use_bias=False)(y)
    y = layers.BatchNormalization()(y)
    short = layers.Conv2D(filters, 1, stride, padding="same")(x)
    return layers.ReLU()(layers.Add()([y, short]))


def squeezed(x):
    channels = x.shape[-1]
    y = layers.DepthwiseConv2D(3, padding="same")(x)
    y = layers.BatchNormalization()(y)
    y = layers.Activation("silu")(y)
    e = layers.GlobalAveragePooling2D(keepdims=True)(y)
    e = layers.Conv2D(3, 1)(e)
    e = layers.Activation("relu")(e)
    e = layers.Conv2D(channels, 1)(e)
    e = layers.Activation("sigmoid")(e)
    return layers.Add()([x, layers.Multiply()([y, e])])


def dense_block(x):
    y = layers.BatchNormalization()(x)
    y = layers.Activation("relu")(y)
    y = layers.Conv2D(4, 3, padding="same")(y)
    return layers.Concatenate()([x, y])


def nested(x):
    inner = keras.Sequential([keras.Input(x.shape[1:]), layers.Conv2D(3, 3), layers.ReLU()])
    return layers.MaxPooling2D((2, 1))(inner(x))


BLOCKS = {
    "residual": residual,
    "residual with operators": lambda x: x + keras.ops.relu(layers.Conv2D(2, 1)(x)),
    "fused activation": lambda x: layers.Add()(
        [x, layers.Conv2D(2, 3, padding="same", activation="relu")(x)]
    ),
    "squeeze and excite": squeezed,
    "dense block": dense_block,
    "nested": nested,
    "depthwise, strided": lambda x: layers.DepthwiseConv2D(3, 2, padding="same")(x),
    "separable": lambda x: layers.SeparableConv2D(4, 3, 2, activation="relu")(x),
    "groups": lambda x: layers.Conv2D(4, 3, groups=2)(x),
    "dilation": lambda x: layers.Conv2D(4, 2, dilation_rate=2)(x),
    "rectangular": lambda x: layers.Conv2D(4, (3, 1), (2, 1), padding="same")(x),
    "transposed": lambda x: layers.Conv2DTranspose(3, 3, 2, padding="same")(x),
    "padding": lambda x: layers.Conv2D(3, 3, 2)(layers.ZeroPadding2D(((0, 1), (2, 0)))(x)),
    "max pooling, overlapping": lambda x: layers.MaxPooling2D(3, 2, padding="same")(x),
    "global average": lambda x: layers.GlobalAveragePooling2D()(layers.Conv2D(4, 1)(x)),
    "global maximum": lambda x: layers.GlobalMaxPooling2D()(layers.Conv2D(4, 1)(x)),
    "rescaling": lambda x: layers.Conv2D(4, 1)(layers.Rescaling(2.0, offset=1.0)(x)),
    "upsampling": lambda x: layers.Conv2D(3, 1)(layers.UpSampling2D(2)(layers.Cropping2D(1)(x))),
    "one dimension": lambda x: layers.Conv1D(3, 3, 2, padding="causal")(layers.Reshape((7, 12))(x)),
    "dense over time": lambda x: layers.Permute((2, 1))(layers.Dense(5, "gelu")(
        layers.Reshape((7, 12))(x))),
    "difference": lambda x: layers.Subtract()([layers.Conv2D(2, 1)(x), x]),
}  # fmt: skip
every_block = pytest.mark.parametrize("name", BLOCKS)


def pair_of(name):
    keras.utils.set_random_seed(0)
    pair = BlockPair(block_of(BLOCKS[name]))
    pair.build((None, *IMAGE))
    return pair


@every_block
@pytest.mark.slow
def test_a_mirror_gives_the_shape_of_the_inputs_with_and_without_notes(name):
    pair = pair_of(name)
    _, h, aux = pair.record(tf.constant(images(3)))
    assert pair(h, reverse=True).shape == pair(h, reverse=True, aux=aux).shape == (3, *IMAGE)
    np.testing.assert_allclose(pair.tell(images(3))[0], pair(images(3)), rtol=1e-5, atol=1e-6)
    assert pair(keras.Input(pair.above), reverse=True).shape == (None, *IMAGE)
    assert all(one.trainable for one in pair.inverse_layer.weights)
    assert pair.inverse_variables or not pair.forward_variables


def reconstruction(pair, x, aux=None):
    h, noted = pair.tell(x)
    difference = pair(h, reverse=True, aux=noted) - x
    return tf.reduce_mean(difference * difference)


@pytest.mark.slow
@every_block
def test_every_weight_of_a_mirror_moves_and_its_reconstruction_error_falls(name):
    pair, x = pair_of(name), tf.constant(images(16))
    variables = pair.inverse_variables
    if not variables:
        pytest.skip("nothing to learn")
    optimizer = keras.optimizers.Adam(1e-2)
    optimizer.build(variables)
    start = [keras.ops.convert_to_numpy(one) for one in variables]

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = reconstruction(pair, x)
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    losses = [float(step()) for _ in range(20)]
    assert losses[-1] < losses[0]
    for before, after in zip(start, variables, strict=True):
        assert np.any(before != keras.ops.convert_to_numpy(after)), after.path


@pytest.mark.parametrize("name", ["residual", "depthwise, strided", "max pooling, overlapping"])
def test_with_the_weights_of_the_block_a_mirror_has_its_transposed_jacobian(name):
    """Of a block without normalisation, so that nothing has to be absorbed."""
    keras.utils.set_random_seed(0)
    make = {
        "residual": lambda x: layers.ReLU()(
            layers.Add()([x, layers.Conv2D(2, 3, padding="same", name="w")(layers.ReLU()(x))])
        ),
        "depthwise, strided": lambda x: layers.DepthwiseConv2D(3, 2, name="w")(x),
        "max pooling, overlapping": BLOCKS["max pooling, overlapping"],
    }[name]
    pair = BlockPair(block_of(make))
    x = tf.constant(images(2))
    pair.build((None, *IMAGE))
    if pair.inverse_variables:
        kernel = pair.block.get_layer("w").kernel
        back = next(v for v in pair.inverse_variables if v.path.endswith("kernel"))
        back.assign(kernel)
    with tf.GradientTape() as tape:
        tape.watch(x)
        h, aux = pair.tell(x)
    direction = tf.constant(images(2, pair.above))
    expected = tape.gradient(h, x, output_gradients=direction)
    found = pair.difference(h, h + direction, aux)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_mirror_starts_from_numbers_of_its_own_whatever_the_seed_of_the_block():
    seeded = keras.initializers.GlorotUniform(seed=3)
    for layer in (
        layers.Conv2D(2, 3, kernel_initializer=seeded),
        layers.DepthwiseConv2D(3, depthwise_initializer=seeded),
        layers.Dense(2, kernel_initializer=seeded),
    ):
        pair = BlockPair(keras.Sequential([layer]))
        pair.build((None, *IMAGE))
        back = [one for one in pair.inverse_variables if "kernel" in one.path][0]
        if back.shape == layer.kernel.shape:
            assert not np.allclose(back, layer.kernel)


def test_a_dropout_and_a_normalisation_before_weights_are_mirrored_as_they_should_be():
    pair = BlockPair(block_of(lambda x: layers.Dropout(0.5)(layers.Conv2D(3, 1)(x))))
    pair.build((None, *IMAGE))
    assert len(pair.inverse_variables) == 2
    scaled = BlockPair(block_of(lambda x: layers.BatchNormalization()(layers.ReLU()(x))))
    scaled.build((None, *IMAGE))
    (scale,) = scaled.inverse_variables
    np.testing.assert_array_equal(scale, np.ones(2))


def test_what_all_signals_pass_is_rescaled_back_and_a_branch_keeps_its_share():
    whole = BlockPair(block_of(lambda x: layers.Rescaling(4.0, offset=2.0)(x)))
    x = images()
    np.testing.assert_allclose(whole(whole(x), reverse=True), x, rtol=1e-4, atol=1e-5)
    branch = BlockPair(block_of(lambda x: layers.Add()([x, layers.Rescaling(0.25)(x)])))
    np.testing.assert_allclose(branch(x), 1.25 * x, rtol=1e-5)
    np.testing.assert_allclose(branch(x, reverse=True), 1.25 * x, rtol=1e-5)


@pytest.mark.slow
def test_networks_of_mirrored_blocks_are_saved_and_go_on_alike(tmp_path):
    keras.utils.set_random_seed(0)
    pairs = [
        BlockPair(block_of(residual)),
        BlockPair(block_of(lambda x: nested(dense_block(squeezed(x))), (4, 3, 3))),
        dtp_tf.DensePair(5),
    ]
    network = dtp_tf.DTPNetwork(pairs, 3, rule=dtp_tf.rules.LDRL(inverse_steps=1))
    network.build((None, *IMAGE))
    network.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1), run_eagerly=True)
    data = tf.constant(images()), tf.constant(np.arange(8) % 3)
    network.train_step(data)
    network.save(tmp_path / "network.keras")
    again = keras.saving.load_model(tmp_path / "network.keras")
    again.run_eagerly = True
    np.testing.assert_array_equal(again(images()), network(images()))
    for model in (network, again):
        model.train_step(data)
    for one, other in zip(again.weights, network.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6, err_msg=one.path)


def test_a_graph_is_cut_where_all_paths_meet_whatever_is_nested_in_it():
    def two(x):
        x = layers.ReLU(name="first")(x)
        x = layers.Add(name="sum")([x, layers.Conv2D(2, 1)(x)])
        return keras.Sequential([keras.Input(x.shape[1:]), layers.ReLU(name="inner")])(x)

    graph = Graph(block_of(two))
    meeting = {one.output: one.layer.name for one in graph.steps}
    assert graph.nested
    assert [meeting.get(number) for number in graph.cuts()] == [None, "first", "sum", "inner"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda x: layers.MultiHeadAttention(1, 2)(x, x), "MultiHeadAttention; give"),
        (lambda x: x * 2.0, "Multiply of tensors and numbers; give"),
        (lambda x: layers.Add()([x, layers.GlobalAveragePooling2D(keepdims=True)(x)]),
         "Add of which an input is repeated over an axis; give"),
    ],
)  # fmt: skip
def test_what_has_no_mirror_is_named_with_what_to_give(make, words):
    with pytest.raises(SettingError, match=f"cannot be derived, for its layer .* is a {words}"):
        BlockPair(block_of(make)).build((None, *IMAGE))
