"""What is asked of a set of TensorFlow Datasets before it is read."""

import types

import numpy as np
import pytest

from dtp_tf.data.tfds_builders import builder_on_disk, image_shape, one_line
from dtp_tf.errors import SettingError, UserError


def with_images(shape, dtype=np.uint8):
    feature = types.SimpleNamespace(shape=shape, np_dtype=dtype)
    info = types.SimpleNamespace(features={"image": feature})
    return types.SimpleNamespace(name="photos", info=info)


def test_images_are_read_in_their_own_size_or_that_of_the_recipe():
    assert image_shape(with_images((32, 24, 3)), "image", None) == (32, 24, 3)
    assert image_shape(with_images((None, None, 1)), "image", (8, 6)) == (8, 6, 1)


@pytest.mark.parametrize(
    "builder, error, said",
    [
        (with_images((8, 8, 3), np.float32), UserError, "are float32; only uint8"),
        (with_images((8, 8, 4)), UserError, "have 4 channels"),
        (with_images((8, 8, None)), UserError, "have no fixed number of channels"),
        (with_images((None, 8, 3)), SettingError, "differ in size; give `image_size`"),
    ],
)
def test_images_that_cannot_be_read_are_refused(builder, error, said):
    with pytest.raises(error, match=said):
        image_shape(builder, "image", None)


def test_a_set_that_is_not_on_the_disk_is_not_fetched(tmp_path):
    with pytest.raises(UserError, match="'mnist'.* is not prepared on this disk.*--dataset mnist"):
        builder_on_disk("mnist", tmp_path)


def test_an_error_is_told_in_one_line_of_160_signs_at_most():
    assert one_line("a\n  b\tc") == "a b c"
    assert one_line("x" * 160) == "x" * 160
    assert one_line("x" * 161) == "x" * 157 + "..."
