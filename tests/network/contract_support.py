"""A network and a stock Keras model with the same weights, which learn from the same batches."""

import keras
import numpy as np

import dtp_tf
from dtp_tf.rules import BP, DTP

INPUTS, CLASSES = 5, 3


def examples(count=16):
    x = np.random.default_rng(1).normal(size=(count, INPUTS)).astype("float32")
    return x, np.arange(count) % CLASSES


def network(rule=None, preprocessing=None, **compiled):
    """A built network, by difference target propagation; eager, for tracing takes a second."""
    keras.utils.set_random_seed(0)
    rule = rule or DTP(target_step=0.5)
    pairs = [dtp_tf.DensePair(6), dtp_tf.DensePair(4)]
    made = dtp_tf.DTPNetwork(pairs, CLASSES, rule=rule, preprocessing=preprocessing)
    made.build((None, INPUTS))
    given = {"optimizer": keras.optimizers.SGD(0.5), "inverse_optimizer": keras.optimizers.SGD(0.1)}
    made.compile(**{**given, "run_eagerly": True, **compiled})
    return made


def unbuilt(**compiled):
    """The same, not yet built."""
    keras.utils.set_random_seed(0)
    made = dtp_tf.DTPNetwork([dtp_tf.DensePair(6), dtp_tf.DensePair(4)], CLASSES)
    given = {"optimizer": keras.optimizers.SGD(0.5), "inverse_optimizer": keras.optimizers.SGD(0.1)}
    made.compile(**{**given, "run_eagerly": True, **compiled})
    return made


def twins(optimizer, preprocessing=None, **compiled):
    """A network that learns by backpropagation, and a stock model that does.

    Args:
        optimizer, preprocessing: functions that make a new one.
        **compiled: arguments of `compile`.
    """
    layer = preprocessing or (lambda: None)
    ours = network(BP(), layer(), optimizer=optimizer(), **compiled)
    stock = keras.Sequential(
        [
            *([layer()] if preprocessing else []),
            keras.layers.Dense(6, "tanh"),
            keras.layers.Dense(4, "tanh"),
            keras.layers.Dense(CLASSES, "softmax"),
        ]
    )
    stock.build((None, INPUTS))
    for theirs, own in zip(stock.trainable_variables, ours.forward_variables, strict=True):
        theirs.assign(own)
    stock.compile(
        **{
            "optimizer": optimizer(),
            "loss": "sparse_categorical_crossentropy",
            "metrics": ["accuracy"],
            "run_eagerly": True,
            **compiled,
        }
    )
    return ours, stock


def fit(model, epochs=2, **settings):
    given = {"batch_size": 8, "epochs": epochs, "verbose": 0, "shuffle": False}
    return model.fit(*examples(), **{**given, **settings}).history


class Batches(keras.utils.PyDataset):
    """The examples in two batches."""

    def __len__(self):
        return 2

    def __getitem__(self, number):
        return tuple(part[8 * number : 8 * number + 8] for part in examples())


def arrays(variables):
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def same(found, expected, atol=1e-6):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=atol)


def moved(before, after):
    """Whether each array moved at all."""
    return [bool(np.any(one != other)) for one, other in zip(before, after, strict=True)]
