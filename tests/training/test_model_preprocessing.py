"""A model of the user's that scales its inputs gets them as they are, and never scaled twice."""

import keras
import numpy as np
import pytest
from helpers import digits
from keras import layers

from dtp_tf.errors import SettingError
from dtp_tf.recipes.recipe import recipe
from dtp_tf.training.building import build_network

SCALES = {
    "rescaling": layers.Rescaling(1 / 127.5, -1),
    "normalization": layers.Normalization(mean=30.0, variance=400.0),
}


def built(path, preprocessing):
    return build_network(
        recipe("digits", model=str(path), preprocessing=preprocessing, rule="dtp"), digits()
    )


@pytest.mark.parametrize("scale", SCALES)
def test_a_model_that_scales_pixels_takes_them_raw_only(tmp_path, scale):
    model = keras.Sequential([keras.Input((8, 8, 1)), SCALES[scale], layers.Flatten(),
                              layers.Dense(6, "tanh"), layers.Dense(10, "softmax")])  # fmt: skip
    model.save(tmp_path / "m.keras")
    with pytest.raises(SettingError, match="scales its inputs by its layer .* take .* raw"):
        built(tmp_path / "m.keras", "symmetric")
    images = digits().test.images[:5]
    network = built(tmp_path / "m.keras", "raw")
    np.testing.assert_allclose(network(images), model(images), rtol=1e-4, atol=1e-6)


def test_a_scale_between_the_weights_is_no_scale_of_pixels(tmp_path):
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(2, 3), layers.Rescaling(2.0),
                              layers.Flatten(), layers.Dense(10, "softmax")])  # fmt: skip
    model.save(tmp_path / "m.keras")
    assert built(tmp_path / "m.keras", "unit").units == 10
