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


def is_jpeg(contents):
    """Return which files, strings of any shape, begin as a JPEG."""
    return _starts(contents, b"\xff\xd8\xff")


def is_bmp(contents):
    """Return which files begin as a BMP."""
    return _starts(contents, b"BM")


def is_png(contents):
    """Return which files begin as a PNG."""
    return _starts(contents, b"\x89PNG\r\n\x1a\n")


def is_deep_grey(contents):
    """Return which files are grey PNGs of 16 bits a pixel."""
    return is_png(contents) & (tf.strings.substr(beginning(contents), 24, 2) == DEEP_GREY)


def beginning(contents):
    """Return the first 66 bytes of files, followed by zeros if there are fewer.

    A substring that begins behind the end would be an error whose text, the file, is no text.
    """
    padded = tf.strings.join([tf.strings.substr(contents, 0, 66), tf.constant(bytes(66))])
    return tf.strings.substr(padded, 0, 66)


def number(starts, at, dtype, little_endian=True):
    """Return the numbers at a place of beginnings."""
    part = tf.strings.substr(starts, at, dtype.size)
    return tf.reshape(tf.io.decode_raw(part, dtype, little_endian=little_endian), tf.shape(part))


def prepared(contents):
    """Return files as decoders shall get them, and what is wrong with them by their headers.

    Args:
        contents: string tensor `(n,)`.

    Returns:
        The files, string `(n,)`: of a GIF, the first frame alone; otherwise as they are. The
        troubles, string `(n,)`: a clause such as `KINDS`, or empty. How many pixels each has,
        float64 `(n,)`: 0 for a JPEG, see `jpeg_pixels`.
    """
    starts = beginning(contents)
    png, gif, bmp = is_png(contents), _is_gif(contents), is_bmp(contents)
    troubles = tf.where(png | gif | bmp | is_jpeg(contents), "", KINDS)
    pixels = _header_pixels(contents, starts)
    troubles = tf.where(pixels > MAX_PIXELS, SIZE, troubles)
    troubles = tf.where(bmp & ~_is_plain_bmp(contents, starts), BITMAP, troubles)
    gif &= troubles == ""

    def with_gifs():
        spec = (tf.TensorSpec((), tf.string), tf.TensorSpec((), tf.bool))
        frames, whole = tf.map_fn(
            lambda one: tf.cond(one[1], lambda: first_frame(one[0]), lambda: (one[0], True)),
            (contents, gif),
            fn_output_signature=spec,
            parallel_iterations=1,
        )
        return frames, tf.where(whole, troubles, FRAME)

    # Outside of a loop: operations that are skipped cost time too.
    files, troubles = tf.cond(tf.reduce_any(gif), with_gifs, lambda: (contents, troubles))
    return files, troubles, pixels


def jpeg_pixels(content):
    """Return how many pixels a file `()` has by its header if it is a JPEG, float64; otherwise 0.

    Raises:
        tf.errors.InvalidArgumentError: a JPEG whose header is damaged.
    """
    return tf.cond(
        is_jpeg(content),
        lambda: tf.reduce_prod(tf.cast(tf.io.extract_jpeg_shape(content)[:2], tf.float64)),
        lambda: tf.constant(0, tf.float64),
    )


def palette_sizes(starts):
    """Return how many colours the palettes of BMPs have by their beginnings."""
    colours = number(starts, 46, tf.int32)
    return tf.where(colours == 0, 256, colours)  # what an absent number means


def _starts(contents, signature):
    return tf.strings.substr(contents, 0, len(signature)) == signature


def _is_gif(contents):
    return _starts(contents, b"GIF87a") | _starts(contents, b"GIF89a")


def _header_pixels(contents, starts):
    def product(places, dtype, little_endian=True):
        # A height below zero is a BMP from the top down; sizes in a PNG have no sign.
        sizes = [number(starts, at, dtype, little_endian) for at in places]
        width, height = (tf.abs(tf.cast(size, tf.float64)) for size in sizes)
        return width * height

    bmp = tf.where(is_bmp(contents), product((18, 22), tf.int32), 0)
    gif = tf.where(_is_gif(contents), product((6, 8), tf.uint16), bmp)
    return tf.where(is_png(contents), product((16, 20), tf.int32, False), gif)


def _is_plain_bmp(contents, starts):
    """Whether TensorFlow reads a BMP right: it takes a packed run for pixels, for example."""
    header, packing = number(starts, 14, tf.int32), number(starts, 30, tf.int32)
    bits = number(starts, 28, tf.int16)
    plain = (packing == 0) | ((packing == 3) & (tf.strings.substr(starts, 54, 12) == BITMASKS))
    plain &= (header >= 40) & (header <= 124)  # of the known versions of the format
    colours = palette_sizes(starts)
    fits = (colours > 0) & (colours <= 256)
    fits &= tf.strings.length(contents) >= 14 + header + 4 * colours
    return plain & (((bits == 8) & fits) | (bits == 24) | (bits == 32))
