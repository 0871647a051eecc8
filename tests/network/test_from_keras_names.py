"""Models put together of others whose layers have the same names, for each was made apart."""

import keras
import numpy as np
import pytest
from helpers import invoke, succeeded
from keras import layers

from dtp_tf import DTPNetwork

SCALED = [(layers.Rescaling, 0.5), (layers.Dense, 5, "tanh")]
ANSWERING = [(layers.Rescaling, 2.0), (layers.Dense, 4, "tanh"), (layers.Dense, 3, "softmax")]


def apart(shape, made, name="model"):
    """Return a model whose layers have the names that a process of its own gives them."""
    keras.utils.clear_session()
    hidden = [kind(*rest) for kind, *rest in made]
    return keras.Sequential([keras.Input(shape), *hidden], name=name)


def test_layers_of_the_same_name_become_pairs_of_names_of_their_own():
    body, head = apart((6,), SCALED, "body"), apart((5,), ANSWERING, "head")
    whole = keras.Sequential([keras.Input((6,)), body, head])
    network = DTPNetwork.from_keras(whole)
    assert [pair.name for pair in network.pairs] == ["dense", "dense_2"]
    x = np.random.default_rng(0).normal(size=(4, 6)).astype("float32")
    answers = whole.predict(x, verbose=0)
    np.testing.assert_allclose(network.predict(x, verbose=0), answers, rtol=1e-6)
    stock = network.classifier()
    np.testing.assert_allclose(stock.predict(x, verbose=0), answers, rtol=1e-6)
    names = [layer.name for layer in stock.layers]
    assert len(names) == len(set(names))


@pytest.mark.slow
def test_a_file_whose_layers_are_named_as_the_librarys_is_trained(tmp_path):
    hidden = [(layers.Rescaling, 1 / 16), (layers.Flatten,), (layers.Dense, 12, "tanh")]
    apart((8, 8, 1), [*hidden, (layers.Dense, 10, "softmax")]).save(tmp_path / "mine.keras")
    keras.utils.clear_session()
    words = "--preprocessing", "raw", "--epochs", 1, "--run-dir", tmp_path / "run", "--no-export"
    succeeded(invoke("train", "digits", "--model", tmp_path / "mine.keras", *words))
    succeeded(invoke("evaluate", tmp_path / "run"))
