"""Encoded images -> pixels inside a TensorFlow graph, equal to what `dtp_tf.data.images` reads.

TensorFlow's own choices differ from Pillow's for a few files, hence the branches.
"""

import functools

import numpy as np
import tensorflow as tf

from dtp_tf.data.image_files import MAX_PIXELS, encode_pixels
from dtp_tf.data.images import fit_image
from dtp_tf.export.file_headers import (
    SIZE,
    beginning,
    is_bmp,
    is_deep_grey,
    is_jpeg,
    jpeg_pixels,
    number,
    palette_sizes,
    prepared,
)
from dtp_tf.export.healthy import healthy
from dtp_tf.export.orientations import orientations, upright

DAMAGED = f"it is damaged or has more than {MAX_PIXELS:,} pixels"
BLANK = encode_pixels(np.zeros((1, 1, 1), np.uint8))
STRIP = 1_000_000  # pixels that are converted at a time; images of more are unpacked one by one


def decode_images(contents, shape):
    """Return encoded images as uint8 `(n, H, W, C)`, and what is wrong with each, string `(n,)`.

    Among several images, which a server may have gathered from several clients, a bad one does not
    keep the others from their answers: it is black, and its trouble is a clause in words, which is
    empty for the others.

    Args:
        contents: string tensor `(n,)` of PNG, JPEG, BMP or GIF files (of an animated one, the
            first frame) of any size, grey or colour. Transparency is left out.
        shape: (H, W, C) to convert and resize them to.

    Raises:
        tf.errors.InvalidArgumentError: a single one is damaged, of no known format, or has more
            than `MAX_PIXELS` pixels.
    """
    files, troubles, pixels = prepared(contents)

    def several():
        sound = healthy(_dry_run, tf.where(troubles == "", files, BLANK))
        return tf.where((troubles == "") & ~sound, DAMAGED, troubles)

    def single():
        with tf.control_dependencies([_check(tf.reduce_all(troubles == ""), troubles)]):
            return tf.identity(troubles)

    troubles = tf.cond(tf.size(contents) > 1, several, single)
    good = troubles == ""
    images = _decode(tf.where(good, files, BLANK), tf.where(good, pixels, 1), shape)
    return images, troubles


@functools.cache
def decoder(shape):
    """Return `decode_images` for images of a shape, traced once for all signatures and exports."""
    files = tf.TensorSpec((None,), tf.string)
    decode = tf.function(lambda contents: decode_images(contents, shape), autograph=False)
    return decode.get_concrete_function(files)


def _decode(files, pixels, shape):
    """Decode what `prepared` has let through."""
    pixels = tf.cond(
        tf.reduce_any(is_jpeg(files)),
        lambda: tf.map_fn(
            lambda one: tf.maximum(one[1], jpeg_pixels(one[0])),
            (files, pixels),
            fn_output_signature=tf.TensorSpec((), tf.float64),
        ),
        lambda: pixels,
    )
    with tf.control_dependencies([_check(tf.reduce_all(pixels <= MAX_PIXELS), SIZE)]):
        files = tf.identity(files)
    turned = orientations(files)
    rare = is_bmp(files) | is_deep_grey(files) | (pixels > STRIP) | (turned > 1)

    def loop(decode, convert, together):
        return tf.map_fn(
            lambda one: _fitted(decode(*one), shape, convert),
            (files, turned),
            fn_output_signature=tf.TensorSpec(shape, tf.uint8),
            parallel_iterations=together,
        )

    # Two loops: operations that are skipped cost time too, and so does one image after the other.
    images = tf.cond(
        tf.reduce_any(rare),
        lambda: loop(_any, _by_strips, 1),
        lambda: loop(_usual, _at_once, 10),
    )
    return tf.ensure_shape(images, (None, *shape))


def _usual(content, turned=None):
    """Decode a file that is one of many; `_any` are the others, and those that are to be turned."""
    return tf.cond(
        is_jpeg(content),
        lambda: _jpeg(content),
        lambda: tf.io.decode_image(content, expand_animations=False),
    )


def _any(content, turned):
    pixels = tf.case(
        [
            (is_bmp(content), lambda: _bmp(content)),
            (is_deep_grey(content), lambda: _deep_grey(content)),
        ],
        default=lambda: _usual(content),
    )
    return upright(pixels, turned)


def _fitted(pixels, shape, convert):
    def fitted(channels):
        opaque = tf.ensure_shape(pixels[..., :channels], (None, None, channels))
        if channels == 3 and shape[-1] == 1:
            opaque = convert(tf.image.rgb_to_grayscale, opaque)
        return tf.ensure_shape(fit_image(opaque, shape), shape)

    channels = tf.shape(pixels)[-1]  # 1 grey, 2 with alpha, 3 colour, 4 with alpha
    return tf.cond(channels >= 3, lambda: fitted(3), lambda: fitted(1))


def _check(condition, reason):
    return tf.debugging.Assert(condition, ["an image cannot be read:", reason])


def _dry_run(content):
    """Decode a file to nothing; an error says that it is damaged or a JPEG that is too large."""
    content = tf.where(jpeg_pixels(content) > MAX_PIXELS, "", content)
    return tf.shape(tf.io.decode_image(content, expand_animations=False))


def _jpeg(content):
    # By default TensorFlow takes a faster, less exact transform than Pillow.
    return tf.io.decode_jpeg(content, dct_method="INTEGER_ACCURATE")


def _deep_grey(content):
    """Decode a PNG of 16 bits; TensorFlow would cut the lower 8 off where Pillow rounds."""
    deep = tf.io.decode_png(content, channels=1, dtype=tf.uint16)

    def rounded(part):
        return tf.cast(tf.round(tf.cast(part, tf.float32) / 257), tf.uint8)

    return _by_strips(rounded, deep)


def _bmp(content):
    """Decode a BMP; TensorFlow takes an index into a palette for a grey value."""
    start = beginning(content)

    def with_palette():
        table = tf.strings.substr(
            content, 14 + number(start, 14, tf.int32), 4 * palette_sizes(start)
        )
        table = tf.reshape(tf.io.decode_raw(table, tf.uint8), (-1, 4))[:, 2::-1]  # B, G, R, 0
        indices = tf.io.decode_bmp(content, channels=0)
        return _by_strips(
            lambda part: tf.gather(table, tf.cast(part[..., 0], tf.int32)), indices, channels=3
        )

    indexed = number(start, 28, tf.int16) == 8
    return tf.cond(indexed, with_palette, lambda: tf.io.decode_bmp(content, channels=3))


def _at_once(convert, pixels):
    return convert(pixels)


def _by_strips(convert, pixels, channels=1):
    """Convert pixels `(H, W, C)`, each on its own, to uint8 `(H, W, channels)`.

    A few rows at a time: as floats, a large image takes many times its memory.
    """
    height, width = tf.shape(pixels)[0], tf.shape(pixels)[1]
    rows = tf.maximum(STRIP // tf.maximum(width, 1), 1)

    def in_strips():
        count = (height + rows - 1) // rows
        parts = tf.TensorArray(tf.uint8, count, element_shape=(None,), infer_shape=False)

        def step(i, parts):
            strip = convert(pixels[i * rows : (i + 1) * rows])
            return i + 1, parts.write(i, tf.reshape(strip, (-1,)))

        _, parts = tf.while_loop(lambda i, _: i < count, step, (0, parts), parallel_iterations=1)
        return tf.reshape(parts.concat(), (height, width, channels))

    return tf.cond(rows < height, in_strips, lambda: convert(pixels))
