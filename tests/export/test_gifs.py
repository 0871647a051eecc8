"""The first frame of a GIF, as an export takes it out."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dtp_tf.export.gifs import first_frame


def gif(frames, **settings):
    """Return the bytes of a GIF of that many frames of 9 x 7 pixels, each of other colours."""
    pixels = np.random.default_rng(0).integers(0, 256, (frames, 7, 9, 3), dtype=np.uint8)
    first, *others = [Image.fromarray(one) for one in pixels]
    file = io.BytesIO()
    first.save(file, "GIF", save_all=True, append_images=others, **settings)
    return file.getvalue()


@pytest.mark.parametrize("settings", [{}, {"comment": b"a word " * 100}, {"loop": 0}])
@pytest.mark.parametrize("frames", [1, 3])
def test_the_first_frame_is_a_gif_with_the_pixels_that_pillow_reads(frames, settings):
    content = gif(frames, **settings)
    alone, whole = first_frame(tf.constant(content))
    assert whole
    with Image.open(io.BytesIO(content)) as image:
        expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(tf.io.decode_gif(alone), expected[None])


@pytest.mark.parametrize("kept", [13, 0.3, 0.6, 0.95])
def test_a_frame_that_is_cut_off_is_not_called_whole(kept):
    content = gif(1)
    length = kept if isinstance(kept, int) else int(kept * len(content))
    assert not first_frame(tf.constant(content[:length]))[1]
