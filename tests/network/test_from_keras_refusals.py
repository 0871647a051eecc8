"""What `DTPNetwork.from_keras` cannot convert, it names, and says what to do."""

import keras
import pytest
from keras import layers

import dtp_tf
from dtp_tf.errors import SettingError


def stack(*between, shape=(8, 8, 3), last=None):
    last = layers.Dense(3, "softmax", name="answer") if last is None else last
    return keras.Sequential([keras.Input(shape), *between, last])


def flat(*between):
    return stack(layers.Dense(4, name="hidden"), *between, shape=(5,))


def two_inputs():
    one, two = keras.Input((3,), name="left"), keras.Input((3,), name="right")
    return keras.Model([one, two], layers.Dense(2)(layers.Add()([one, two])))


def two_outputs():
    x = keras.Input((3,))
    return keras.Model(x, [layers.Dense(2, name="a")(x), layers.Dense(2, name="b")(x)])


def shared():
    x, dense = keras.Input((3,)), layers.Dense(3, name="twice")
    return keras.Model(x, layers.Dense(2)(dense(dense(x))))


class Subclassed(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(2)

    def build(self, shape):
        self.dense.build(shape)

    def call(self, inputs):
        return self.dense(inputs)

    def compute_output_shape(self, shape):
        return (shape[0], 2)


def built(model, shape):
    model.build(shape)
    return model


def mixed():
    return stack(layers.Conv2D(2, 3, dtype="mixed_bfloat16", name="half"), layers.Flatten())


REFUSED = {
    "two inputs": (two_inputs, r"2 inputs \('left', 'right'\)"),
    "two outputs": (two_outputs, "has 2 outputs"),
    "no model": (lambda: layers.Dense(2), "`model` must be a Keras model"),
    "not built": (lambda: keras.Sequential([layers.Dense(2)]), "begin it with keras.Input"),
    "unknown sizes": (
        lambda: stack(layers.Conv2D(2, 3, name="open"), layers.GlobalMaxPooling2D(),
                      shape=(None, None, 3)),
        "'open' gives shapes that are not known",
    ),
    "subclassed": (lambda: built(Subclassed(name="own"), (None, 3)), "'own' is a Subclassed whose"),
    "subclassed inside": (lambda: flat(Subclassed(name="own")), "'own' is a Subclassed whose"),
    "recurrent": (
        lambda: stack(layers.LSTM(4, name="memory"), shape=(7, 3)),
        "'memory' is a LSTM, which keeps a state",
    ),
    "lambda": (
        lambda: flat(layers.Lambda(lambda x: 2 * x, name="twice")),
        "'twice' is a Lambda, a program",
    ),
    "shared": (shared, "'twice' is shared: it is called 2 times"),
    "mixed precision": (mixed, "'half' has the dtype policy 'mixed_bfloat16'"),
    "float64": (
        lambda: stack(layers.Dense(3, dtype="float64", name="double"), shape=(5,)),
        "'double' has the dtype policy 'float64'",
    ),
    "channels first": (
        lambda: stack(
            layers.Conv2D(2, 3, data_format="channels_first", padding="same", name="turned"),
            layers.Flatten(), shape=(3, 8, 8),
        ),
        "'turned' has data_format \"channels_first\"",
    ),
    "activity regularizer": (
        lambda: stack(layers.Dense(4, activity_regularizer="l2", name="quiet"), shape=(5,)),
        "'quiet' has an activity regularizer",
    ),
    "mask": (
        lambda: stack(layers.Embedding(9, 4, mask_zero=True, name="words"),
                      layers.Conv1D(3, 2, name="grams"), layers.GlobalAveragePooling1D(),
                      shape=(7,)),
        "'words' hands on a mask",
    ),
    "no dense layer": (
        lambda: keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(3, 1, name="last"),
                                  layers.GlobalAveragePooling2D(name="mean")]),
        "after it comes 'mean', a GlobalAveragePooling2D; end it with Dense",
    ),
    "weights after it": (
        lambda: stack(layers.Dense(3), last=layers.BatchNormalization(name="late"), shape=(5,)),
        "after it comes 'late', a BatchNormalization",
    ),
    "another output": (
        lambda: stack(layers.Dense(4), shape=(5,), last=layers.Dense(2, "relu", name="answer")),
        "'answer' has the activation relu; it must be softmax, sigmoid, linear",
    ),
    "no hidden layer": (lambda: stack(shape=(5,)), "no layer before 'answer' learns"),
    "no vector": (lambda: stack(layers.Conv2D(2, 3)), r"'answer' gives \(None, 6, 6, 3\)"),
    "frozen output": (
        lambda: stack(layers.Dense(3), shape=(5,),
                      last=layers.Dense(2, trainable=False, name="answer")),
        "'answer' has `trainable` False",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.filterwarnings("ignore:Layer 'grams':UserWarning")
def test_what_cannot_be_converted_is_named_with_what_to_do(name):
    make, words = REFUSED[name]
    with pytest.raises(SettingError, match=words):
        dtp_tf.DTPNetwork.from_keras(make())


def test_cuts_and_inverses_that_fit_nothing_are_named_with_what_would():
    model = flat(layers.ReLU(name="bent"), layers.Dense(4, name="second"))
    with pytest.raises(SettingError, match="`cuts` has 'nowhere'.*hidden, bent, second"):
        dtp_tf.DTPNetwork.from_keras(model, cuts=["nowhere"])
    with pytest.raises(SettingError, match="pair of 'bent' to 'bent', where nothing learns"):
        dtp_tf.DTPNetwork.from_keras(model, cuts=["hidden", "bent"])
    with pytest.raises(SettingError, match="`inverse_blocks` has 'bent'.*pairs are hidden, second"):
        dtp_tf.DTPNetwork.from_keras(model, inverse_blocks={"bent": layers.Dense(4)})
