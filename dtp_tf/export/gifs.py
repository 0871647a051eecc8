"""The first frame of a GIF as a GIF of its own, inside a TensorFlow graph.

TensorFlow unpacks every frame, whatever it is asked for, and paints what is transparent black;
Pillow unpacks one and shows the colour in the palette. A file without further frames and without
the block that names a transparent colour is read alike by both.
"""

import tensorflow as tf

SEPARATOR, EXTENSION, TRAILER = 0x2C, 0x21, b";"  # the first bytes of a GIF's parts
STEPS = 5000  # of blocks before the first frame; comments have a few


def first_frame(content):
    """Return (a GIF of the first frame alone, whether it is whole and fills its picture).

    Args:
        content: a string tensor `()` that begins as a GIF.
    """
    size = tf.strings.length(content)
    data = tf.io.decode_raw(tf.strings.join([content, tf.constant(bytes(32))]), tf.uint8)
    tables = 13 + _palette_bytes(data[10])
    start = _skip_extensions(data, tf.minimum(tables, size), size)
    image = tf.cast(data[start : start + 10], tf.int32)
    width, height = image[5] + 256 * image[6], image[7] + 256 * image[8]
    fills = (image[0] == SEPARATOR) & tf.reduce_all(image[1:5] == 0)
    fills &= tf.reduce_all(data[start + 5 : start + 9] == data[6:10])
    blocks = start + 10 + _palette_bytes(data[start + 9]) + 1
    # A pixel takes 12 bits at most, and a block at least a byte beside its length.
    most = tf.minimum(size, blocks + 4 * width * height + 1024)
    end, ended = tf.cond(
        fills & (blocks < size), lambda: _end_of_blocks(data, blocks, most), lambda: (0, False)
    )
    parts = [
        tf.strings.substr(content, 0, tf.minimum(tables, size)),
        tf.cond(ended, lambda: tf.strings.substr(content, start, end - start), lambda: ""),
        tf.constant(TRAILER),
    ]
    return tf.strings.join(parts), ended


def _palette_bytes(flags):
    """Return how long the table of colours is that a byte of flags announces."""
    flags = tf.cast(flags, tf.int32)
    return tf.where(flags >= 128, 3 * tf.bitwise.left_shift(2, flags % 8), 0)


def _skip_extensions(data, start, size):
    """Return where the extensions end that begin at a place, or where `STEPS` blocks do."""

    def at(place):
        return tf.cast(data[place], tf.int32)

    def more(place, inside):
        return (place < size) & (inside | (at(place) == EXTENSION))

    def step(place, inside):
        length = at(place)
        after = tf.where(inside, place + 1 + length, place + 2)
        return tf.minimum(after, size), ~inside | (length > 0)

    return tf.while_loop(more, step, (start, tf.constant(False)), maximum_iterations=STEPS)[0]


def _end_of_blocks(data, start, size):
    """Return (behind the empty block that ends a chain of blocks, whether there is one).

    Each block says how long it is, so a walk would take a step a block, and a stranger's blocks may
    have a byte each. Instead every place learns where its block leads, then where two blocks lead,
    then four: the cost depends on the size alone.
    """
    part = tf.cast(data[start:size], tf.int32)
    last = tf.size(part) - 1
    places = tf.range(last + 1)
    following = tf.where(part > 0, tf.minimum(places + 1 + part, last), places)
    doublings = tf.cast(tf.math.ceil(tf.math.log(tf.cast(last + 2, tf.float64)) / 0.693), tf.int32)
    _, following = tf.while_loop(
        lambda done, _: done < doublings,
        lambda done, following: (done + 1, tf.gather(following, following)),
        (0, following),
        parallel_iterations=1,
    )
    end = following[0]
    return start + end + 1, part[end] == 0
