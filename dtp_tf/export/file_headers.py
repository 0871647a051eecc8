"""What the first bytes of an image file say, inside a TensorFlow graph, before it is unpacked."""

import tensorflow as tf

from dtp_tf.data.image_files import MAX_PIXELS
from dtp_tf.export.gifs import first_frame

BITMASKS = bytes.fromhex("0000ff00 00ff0000 ff000000")  # of red, green and blue in a BMP
DEEP_GREY = b"\x10\x00"  # bit depth and colour type in a PNG's header
KINDS = "it is no PNG, JPEG, GIF or BMP"
SIZE = f"it has more than {MAX_PIXELS:,} pixels"
BITMAP = "a BMP must be whole and uncompressed, with 8, 24 or 32 bits a pixel"
FRAME = "the first frame of a GIF must be whole and fill it; send others as PNG"


def is_png(content):
    """Return whether a file, a string tensor `()`, begins as a PNG."""
    return _starts(content, b"\x89PNG\r\n\x1a\n")


def is_gif(content):
    """Return whether a file begins as a GIF."""
    return _starts(content, b"GIF87a") | _starts(content, b"GIF89a")


def is_bmp(content):
    """Return whether a file begins as a BMP."""
    return _starts(content, b"BM")


def is_deep_grey(content):
    """Return whether a file is a grey PNG of 16 bits a pixel."""
    return is_png(content) & (tf.strings.substr(beginning(content, 26), 24, 2) == DEEP_GREY)


def beginning(content, size):
    """Return the first bytes, followed by zeros if there are fewer.

    A substring that begins behind the end would be an error whose text, the file, is no text.
    """
    padded = tf.strings.join([tf.strings.substr(content, 0, size), tf.constant(bytes(size))])
    return tf.strings.substr(padded, 0, size)


def number(start, at, dtype, little_endian=True):
    """Return the number at a place of some bytes, a string tensor `()`."""
    part = tf.strings.substr(start, at, dtype.size)
    return tf.io.decode_raw(part, dtype, little_endian=little_endian)[0]


def prepared(content):
    """Return a file as decoders shall get it, and what is wrong with it by its header.

    Args:
        content: a string tensor `()`.

    Returns:
        The file: of a GIF, the first frame alone; otherwise as it is. The trouble: a string tensor
        `()`, a clause such as `KINDS`, or empty. The size of a JPEG is seen by `jpeg_pixels`.
    """
    start = beginning(content, 66)

    def png():
        width, height = (number(start, at, tf.int32, little_endian=False) for at in (16, 20))
        return content, _too_large(width, height)

    def gif():
        width, height = (number(start, at, tf.uint16) for at in (6, 8))
        trouble = _too_large(width, height)
        return tf.cond(trouble == "", lambda: _whole_frame(content), lambda: (content, trouble))

    def bmp():
        width, height = (number(start, at, tf.int32) for at in (18, 22))
        trouble = tf.where(_is_plain_bmp(content, start), _too_large(width, height), BITMAP)
        return content, trouble

    return tf.case(
        [
            (is_png(content), png),
            (tf.io.is_jpeg(content), lambda: (content, tf.constant(""))),
            (is_gif(content), gif),
            (is_bmp(content), bmp),
        ],
        default=lambda: (content, tf.constant(KINDS)),
    )


def jpeg_pixels(content):
    """Return how many pixels a JPEG has by its header, int64; 0 for other files.

    Raises:
        tf.errors.InvalidArgumentError: a JPEG whose header is damaged.
    """
    return tf.cond(
        tf.io.is_jpeg(content),
        lambda: tf.reduce_prod(tf.io.extract_jpeg_shape(content, tf.int64)[:2]),
        lambda: tf.constant(0, tf.int64),
    )


def palette_size(start):
    """Return how many colours the palette of a BMP has by its first 66 bytes."""
    colours = number(start, 46, tf.int32)
    return tf.where(colours == 0, 256, colours)  # what an absent number means


def _starts(content, signature):
    return tf.strings.substr(content, 0, len(signature)) == signature


def _too_large(width, height):
    # A height below zero is a BMP from the top down; a PNG's size has no sign.
    pixels = tf.abs(tf.cast(width, tf.float64)) * tf.abs(tf.cast(height, tf.float64))
    return tf.where(pixels > MAX_PIXELS, SIZE, "")


def _whole_frame(content):
    frame, whole = first_frame(content)
    return frame, tf.where(whole, "", FRAME)


def _is_plain_bmp(content, start):
    """Whether TensorFlow reads a BMP right: it takes a packed run for pixels, for example."""
    header, bits, packing = (
        number(start, 14, tf.int32), number(start, 28, tf.int16), number(start, 30, tf.int32)
    )  # fmt: skip
    plain = (packing == 0) | ((packing == 3) & (tf.strings.substr(start, 54, 12) == BITMASKS))
    plain &= (header >= 40) & (header <= 124)  # of the known versions of the format
    colours = palette_size(start)
    fits = (colours > 0) & (colours <= 256)
    fits &= tf.strings.length(content) >= 14 + header + 4 * colours
    return plain & (((bits == 8) & fits) | (bits == 24) | (bits == 32))
