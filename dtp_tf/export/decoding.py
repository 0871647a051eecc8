"""Encoded images -> pixels inside a TensorFlow graph, equal to what `dtp_tf.data.images` reads.

TensorFlow's own choices differ from Pillow's for a few files, hence the branches.
"""

import tensorflow as tf

from dtp_tf.data.images import fit_image

BMP, PNG = b"BM", b"\x89PNG\r\n\x1a\n"  # first bytes
DEEP_GREY = b"\x10\x00"  # bit depth and colour type in a PNG's header
BITMASKS = bytes.fromhex("0000ff00 00ff0000 ff000000")  # of red, green and blue in a BMP


def decode_images(contents, shape):
    """Return encoded images as uint8 `(n, H, W, C)`.

    Args:
        contents: string tensor `(n,)` of PNG, JPEG, BMP or GIF files (of an animated one, the
            first frame) of any size, grey or colour. Transparency is left out.
        shape: (H, W, C) to convert and resize them to.

    Raises:
        tf.errors.InvalidArgumentError: one of them is damaged or of no known format.
    """
    images = tf.map_fn(
        lambda content: decode_image(content, shape),
        contents,
        fn_output_signature=tf.TensorSpec(shape, tf.uint8),
    )
    return tf.ensure_shape(images, (None, *shape))


def decode_image(content, shape):
    """Return one encoded image, a string tensor `()`, as uint8 `shape`."""
    pixels = tf.case(
        [
            (tf.io.is_jpeg(content), lambda: _jpeg(content)),
            (_starts(content, BMP), lambda: _bmp(content)),
            (_is_deep_grey(content), lambda: _deep_grey(content)),
        ],
        default=lambda: tf.io.decode_image(content, expand_animations=False),
    )

    def fitted(channels):
        opaque = tf.ensure_shape(pixels[..., :channels], (None, None, channels))
        return tf.ensure_shape(fit_image(opaque, shape), shape)

    channels = tf.shape(pixels)[-1]  # 1 grey, 2 with alpha, 3 colour, 4 with alpha
    return tf.cond(channels >= 3, lambda: fitted(3), lambda: fitted(1))


def _starts(content, signature):
    return tf.strings.substr(content, 0, len(signature)) == signature


def _beginning(content, size):
    """Return the first bytes, followed by zeros if there are fewer.

    A substring that begins behind the end would be an error whose text, the file, is no text.
    """
    padded = tf.strings.join([tf.strings.substr(content, 0, size), tf.constant(bytes(size))])
    return tf.strings.substr(padded, 0, size)


def _jpeg(content):
    # By default TensorFlow takes a faster, less exact transform than Pillow.
    return tf.io.decode_jpeg(content, dct_method="INTEGER_ACCURATE")


def _is_deep_grey(content):
    kind = tf.strings.substr(_beginning(content, 26), 24, 2)
    return _starts(content, PNG) & (kind == DEEP_GREY)


def _deep_grey(content):
    """Decode a PNG of 16 bits; TensorFlow would cut the lower 8 off where Pillow rounds."""
    deep = tf.io.decode_png(content, channels=1, dtype=tf.uint16)
    return tf.cast(tf.round(tf.cast(deep, tf.float32) / 257), tf.uint8)


def _bmp(content):
    """Decode a BMP; TensorFlow takes an index into a palette, or a packed run, for a grey value."""
    start = _beginning(content, 66)

    def number(at, dtype):
        return tf.io.decode_raw(tf.strings.substr(start, at, dtype.size), dtype)[0]

    header, bits, packing = number(14, tf.int32), number(28, tf.int16), number(30, tf.int32)
    colours = number(46, tf.int32)
    colours = tf.where(colours == 0, 256, colours)  # what an absent number means
    plain = (packing == 0) | ((packing == 3) & (tf.strings.substr(start, 54, 12) == BITMASKS))
    plain &= (header >= 40) & (header <= 124)  # of the known versions of the format
    indexed = bits == 8
    fits = (colours > 0) & (colours <= 256)
    fits &= tf.strings.length(content) >= 14 + header + 4 * colours
    readable = plain & ((indexed & fits) | (bits == 24) | (bits == 32))
    check = tf.debugging.Assert(
        readable, ["a BMP must be whole and uncompressed, with 8, 24 or 32 bits a pixel"]
    )
    with tf.control_dependencies([check]):
        content = tf.identity(content)

    def with_palette():
        table = tf.strings.substr(content, 14 + header, 4 * colours)
        table = tf.reshape(tf.io.decode_raw(table, tf.uint8), (-1, 4))[:, 2::-1]  # B, G, R, 0
        indices = tf.io.decode_bmp(content, channels=0)[..., 0]
        return tf.gather(table, tf.cast(indices, tf.int32))

    return tf.cond(indexed, with_palette, lambda: tf.io.decode_bmp(content, channels=3))
