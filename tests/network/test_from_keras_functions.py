"""`DTPNetwork.from_keras`: the same function in pairs, and back to stock layers."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import dtp_tf
from dtp_tf.network.batch import Batch


def mlp():
    return keras.Sequential(
        [
            keras.Input((6, 5)),
            layers.Flatten(name="flat"),
            layers.Dense(7, "relu", name="first", kernel_regularizer="l2"),
            layers.Dropout(0.25, name="drop"),
            layers.Dense(6, use_bias=False, kernel_constraint="non_neg", name="second"),
            layers.ELU(name="bent"),
            layers.Dense(4, "softmax", name="answer", bias_regularizer="l2"),
        ]
    )


def convnet():
    return keras.Sequential(
        [
            keras.Input((9, 9, 2)),
            layers.Rescaling(0.5, name="scale"),
            layers.Conv2D(4, 3, activation="relu", padding="same", name="a"),
            layers.MaxPooling2D(3, name="a_max"),
            layers.ZeroPadding2D(1, name="border"),
            layers.Conv2D(5, 3, 2, name="b"),
            layers.Activation("tanh", name="b_tanh"),
            layers.AveragePooling2D(1, name="b_mean"),
            layers.Flatten(name="flat"),
            layers.Dropout(0.5, name="drop"),
            layers.Dense(3, name="answer"),
            layers.Softmax(name="share"),
        ]
    )


def resnet(norm=True):
    x = inputs = keras.Input((8, 8, 3))
    x = layers.Rescaling(2.0, name="scale")(x)
    x = layers.Conv2D(4, 3, padding="same", name="stem")(x)
    x = layers.BatchNormalization(name="stem_norm")(x) if norm else x
    x = layers.Activation("relu", name="stem_relu")(x)
    for k, (channels, stride) in enumerate([(4, 1), (6, 2)]):
        y = layers.Conv2D(channels, 3, stride, padding="same", name=f"{k}_conv_1")(x)
        y = layers.BatchNormalization(name=f"{k}_norm_1")(y) if norm else y
        y = layers.Activation("relu", name=f"{k}_relu_1")(y)
        y = layers.Conv2D(channels, 3, padding="same", name=f"{k}_conv_2")(y)
        y = layers.BatchNormalization(name=f"{k}_norm_2")(y) if norm else y
        if stride > 1:
            x = layers.Conv2D(channels, 1, stride, name=f"{k}_short")(x)
        x = layers.Add(name=f"{k}_add")([x, y])
        x = layers.Activation("relu", name=f"{k}_relu_2")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(inputs, layers.Dense(3, name="answer")(x))


def nested():
    base = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(3, 3, name="inner"), layers.BatchNormalization()],
        name="base",
    )
    x = inputs = keras.Input((8, 8, 3))
    x = layers.GaussianNoise(0.1, name="noisy")(x)
    x = base(x)
    x = keras.ops.relu(x)
    x = layers.GlobalMaxPooling2D(name="largest")(x)
    return keras.Model(inputs, layers.Dense(1, "sigmoid", name="answer")(x))


def text():
    return keras.Sequential(
        [
            keras.Input((7,), dtype="int32"),
            layers.Embedding(11, 4, name="words"),
            layers.Conv1D(5, 3, activation="gelu", name="grams"),
            layers.GlobalAveragePooling1D(name="mean"),
            layers.Dense(2, name="answer"),
        ]
    )


def odd():
    """Whatever `DensePair` and `Conv2DPair` cannot express, and normalisation first."""
    return keras.Sequential(
        [
            keras.Input((9, 8, 2)),
            layers.BatchNormalization(name="norm"),
            layers.Conv2D(4, (3, 1), activation="relu", name="bars"),
            layers.SeparableConv2D(4, 3, strides=2, padding="same", name="separable"),
            layers.MaxPooling2D(2, padding="same", name="partly"),
            layers.LeakyReLU(name="leaky"),
            layers.DepthwiseConv2D(3, padding="same", name="depthwise"),
            layers.GaussianNoise(0.1, name="noise"),
            layers.Dense(5, "relu", name="along channels"),
            layers.Flatten(name="flat"),
            layers.Dense(3, "softmax", name="answer"),
        ]
    )


# Each with the classes and names of its pairs.
MODELS = {
    "mlp": (mlp, "DensePair first, DensePair second"),
    "convnet": (convnet, "Conv2DPair a, Conv2DPair b"),
    "resnet": (resnet, "BlockPair stem, BlockPair 0_relu_2, BlockPair mean"),
    "nested": (nested, "BlockPair inner"),
    "text": (text, "BlockPair words, BlockPair grams"),
    "odd": (odd, "BlockPair bars, BlockPair separable, BlockPair depthwise, "
                 "BlockPair along channels"),
}  # fmt: skip
every_model = pytest.mark.parametrize("name", MODELS)


def make(name):
    keras.utils.set_random_seed(0)
    model = MODELS[name][0]()
    for layer in model.layers:  # running statistics that tell one from another
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([np.random.uniform(0.5, 2, one.shape) for one in layer.weights])
    return model


def examples(model, count=6):
    rng = np.random.default_rng(1)
    if model.inputs[0].dtype == "int32":
        return rng.integers(0, 11, size=(count, *model.input_shape[1:]))
    return rng.normal(size=(count, *model.input_shape[1:])).astype("float32")


@every_model
@pytest.mark.slow
def test_a_converted_model_is_made_of_the_pairs_expected_and_answers_alike(name):
    model = make(name)
    before, config = model.get_weights(), model.get_config()
    network = dtp_tf.DTPNetwork.from_keras(model)
    pairs = ", ".join(f"{type(pair).__name__} {pair.name}" for pair in network.pairs)
    assert pairs == MODELS[name][1]
    x = examples(model)
    np.testing.assert_allclose(network(x), model(x), rtol=1e-5, atol=1e-6)
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)
    assert model.get_config() == config
    assert not {id(v) for v in network.variables} & {id(v) for v in model.variables}


@every_model
@pytest.mark.slow
def test_a_classifier_has_the_layers_of_the_model_by_name(name):
    model = make(name)
    classifier = dtp_tf.DTPNetwork.from_keras(model).classifier(model.inputs[0].dtype)
    x = examples(model)
    np.testing.assert_allclose(classifier(x), model(x), rtol=1e-5, atol=1e-6)
    names = {layer.name for layer in model.layers} - {"base"}
    names -= {one.name for one in model.layers if isinstance(one, layers.InputLayer)}
    assert names <= {layer.name for layer in classifier.layers}
    for layer in model.layers:
        if layer.weights and layer.name != "base":
            again = classifier.get_layer(layer.name).get_weights()
            for one, other in zip(layer.get_weights(), again, strict=True):
                np.testing.assert_array_equal(one, other)
    assert {type(layer).__module__.split(".")[0] for layer in classifier.layers} == {"keras"}
    assert dtp_tf.DTPNetwork.from_keras(classifier).count_params()  # and so it goes on


def arrays(variables):
    return {_name(one): keras.ops.convert_to_numpy(one) for one in variables}


def batch_of(network, x, y):
    return Batch(network, tf.constant(x), tf.constant(y), update=False)


def undropped(model):
    def copy_of(layer):
        config = layer.get_config()
        config |= {key: 0.0 for key in ("rate", "stddev") if key in config}
        return type(layer).from_config(config)

    copy = keras.models.clone_model(model, clone_function=copy_of, recursive=True)
    copy.set_weights(model.get_weights())
    return copy


@pytest.mark.parametrize("name", ["mlp", "convnet", "resnet", "text", "odd"])
@pytest.mark.slow
def test_backpropagation_has_keras_s_own_gradients_of_every_weight(name):
    model = undropped(make(name))
    network = dtp_tf.DTPNetwork.from_keras(model, rule=dtp_tf.rules.BP())
    loss = keras.losses.SparseCategoricalCrossentropy(
        from_logits=network.output_activation == "linear"
    )
    network.compile(loss=loss)
    x, y = examples(model, 8), np.arange(8) % network.units
    found, _ = network.forward_gradients(batch_of(network, x, y))
    with tf.GradientTape() as tape:
        total = tf.add_n([loss(y, model(x, training=True)), *model.losses])
    expected = tape.gradient(total, [one.value for one in model.trainable_variables])
    names = [_name(one) for one in model.trainable_variables]
    wanted = dict(zip(names, expected, strict=True))
    for variable, gradient in zip(network.forward_variables, found, strict=True):
        other = wanted.pop(_name(variable, network.layer_names))
        gradient, other = tf.convert_to_tensor(gradient), tf.convert_to_tensor(other)
        scale = np.abs(other).max() + 1e-6
        np.testing.assert_allclose(gradient, other, rtol=0, atol=2e-5 * scale)
    assert not wanted


def _name(variable, names=None):
    layer, weight = variable.path.split("/")[-2:]
    return (names or {}).get(layer, layer), weight


@pytest.mark.slow
def test_in_training_the_statistics_of_the_batch_count_and_running_ones_move_as_keras_s():
    model = make("resnet")
    network = dtp_tf.DTPNetwork.from_keras(model, rule=dtp_tf.rules.BP())
    network.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x = examples(model)
    batch = Batch(network, tf.constant(x), tf.constant(np.arange(6) % 3))
    np.testing.assert_allclose(batch.scores, model(x, training=True), rtol=1e-4, atol=1e-5)
    ours = {_name(one): one for one in network.pairs[1].block.non_trainable_variables}
    for variable in model.get_layer("0_norm_2").non_trainable_variables:
        np.testing.assert_allclose(ours[_name(variable)], variable, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_cuts_choose_fewer_and_larger_pairs_of_the_same_function():
    model = make("resnet")
    network = dtp_tf.DTPNetwork.from_keras(model, cuts=["stem_relu", "1_relu_2"])
    assert [pair.name for pair in network.pairs] == ["stem", "mean"]
    x = examples(model)
    np.testing.assert_allclose(network(x), model(x), rtol=1e-5, atol=1e-6)
    one = dtp_tf.DTPNetwork.from_keras(make("mlp"), cuts=[])
    assert [pair.name for pair in one.pairs] == ["bent"]
    halves = dtp_tf.DTPNetwork.from_keras(make("mlp"), cuts="first")
    assert [pair.name for pair in halves.pairs] == ["first", "second"]


@pytest.mark.slow
def test_frozen_layers_stay_as_they_are_and_those_before_all_that_learns_are_preprocessing():
    model = make("resnet")
    for layer in model.layers:
        layer.trainable = not layer.name.startswith(("stem", "1_norm"))
    network = dtp_tf.DTPNetwork.from_keras(model, rule=dtp_tf.rules.LDRL(inverse_steps=1))
    assert [pair.name for pair in network.pairs] == ["0_relu_2", "mean"]
    assert "stem_norm" in [layer.name for layer in network.preprocessing.layers]
    network.compile("sgd", "sgd", run_eagerly=True)
    start = arrays(network.variables)
    x = examples(model)
    network.train_step((tf.constant(x), tf.constant(np.zeros((6, 3), "float32"))))
    end = arrays(network.variables)
    same = {name for name, value in start.items() if np.array_equal(value, end[name])}
    frozen = {("stem", "kernel"), ("stem_norm", "moving_mean"), ("1_norm_1", "gamma"),
              ("1_norm_2", "moving_variance")}  # fmt: skip
    assert frozen <= same
    assert ("0_conv_1", "kernel") not in same


@pytest.mark.slow
@pytest.mark.parametrize("name", ["convnet", "resnet"])
@pytest.mark.parametrize("rule", ["dtp", "ldrl"])
def test_converted_networks_train_and_are_saved_and_loaded(name, rule, tmp_path):
    model = make(name)
    network = dtp_tf.DTPNetwork.from_keras(model, rule=dtp_tf.rules.BY_NAME[rule]())
    network.compile("sgd", "sgd", run_eagerly=True)
    x = examples(model)
    y = np.arange(6) % 3 if name == "convnet" else np.zeros((6, 3), "float32")
    start = arrays(network.trainable_variables)
    network.train_step((tf.constant(x), tf.constant(y)))
    for name, after in arrays(network.trainable_variables).items():
        if name[-1] != "bias":  # normalisation and differences take them away again
            assert np.any(start[name] != after), name
    network.save(tmp_path / "network.keras")
    again = keras.saving.load_model(tmp_path / "network.keras")
    np.testing.assert_array_equal(again(x), network(x))
    assert [layer.name for layer in again.classifier().layers] == [
        layer.name for layer in network.classifier().layers
    ]


@keras.saving.register_keras_serializable("tests")
class Doubled(layers.Layer):
    def build(self, shape):
        self.factor = self.add_weight(shape=(shape[-1],), initializer="ones", name="factor")

    def call(self, inputs):
        return 2 * self.factor * inputs


@pytest.mark.slow
def test_a_model_from_a_file_with_a_registered_layer_takes_an_inverse_for_it(tmp_path):
    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(4, "tanh", name="low"), Doubled(name="doubled"),
         layers.Dense(3, "softmax")]
    )  # fmt: skip
    model.save(tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras")
    rule = dtp_tf.rules.LDRL(inverse_steps=1)
    with pytest.raises(dtp_tf.errors.SettingError, match="'doubled' is a Doubled.*inverse_block"):
        dtp_tf.DTPNetwork.from_keras(model, rule=rule)
    network = dtp_tf.DTPNetwork.from_keras(
        model, rule=rule, inverse_blocks={"doubled": layers.Dense(4)}
    )
    network.compile("sgd", "sgd", run_eagerly=True)
    network.train_step((tf.ones((2, 5)), tf.constant([0, 1])))
    network.save(tmp_path / "network.keras")
    again = keras.saving.load_model(tmp_path / "network.keras")
    np.testing.assert_array_equal(again(np.ones((2, 5))), network(np.ones((2, 5))))
