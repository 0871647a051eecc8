"""Which way up photos are by their EXIF, inside a TensorFlow graph; see `dtp_tf.data.orientation`.

TensorFlow decodes the sensor's rows and leaves EXIF alone.
"""

import tensorflow as tf

from dtp_tf.data.orientation import EXCHANGED, MIRRORED, TAG, UPSIDE_DOWN
from dtp_tf.export.file_headers import is_jpeg, is_png

SEARCHED = 100_000  # bytes in which EXIF must begin; it belongs before all else
PARTS = 200  # that a file may have before its EXIF
ENTRIES = 100  # of the directory that has the orientation
_PART, _ENTRY = 12, 12  # bytes that are looked at of a part, and of an entry


def orientations(contents):
    """Return the EXIF orientations of image files, 1 .. 8, int32 `(n,)`; 1 where there is none.

    Args:
        contents: string tensor `(n,)`; of PNG and JPEG files EXIF is read.
    """
    beginnings = tf.strings.substr(contents, 0, SEARCHED)
    jpeg, png = is_jpeg(contents), is_png(contents)

    def searched():
        padding = tf.constant(bytes(_PART + _ENTRY * ENTRIES))
        heads, sizes = tf.strings.join([beginnings, padding]), tf.strings.length(beginnings)
        return _read(heads, sizes, _find(heads, sizes, jpeg, png))

    # A search takes half a millisecond, a look at all bytes a tenth of that.
    named = tf.strings.regex_full_match(beginnings, r"\C*(Exif|eXIf)\C*")
    return tf.cond(
        tf.reduce_any(named & (jpeg | png)),
        searched,
        lambda: tf.ones(tf.shape(contents), tf.int32),
    )


def upright(pixels, orientation):
    """Return pixels `(H, W, C)` as they are to be seen, for an orientation `()`."""

    def is_of(values):
        return tf.reduce_any(orientation == tf.constant(values))

    def turned():
        exchanged = tf.cond(
            is_of(EXCHANGED), lambda: tf.transpose(pixels, (1, 0, 2)), lambda: pixels
        )
        mirrored = tf.cond(
            is_of(MIRRORED), lambda: tf.reverse(exchanged, (1,)), lambda: exchanged
        )
        return tf.cond(is_of(UPSIDE_DOWN), lambda: tf.reverse(mirrored, (0,)), lambda: mirrored)

    return tf.cond(orientation > 1, turned, lambda: pixels)


def _find(heads, sizes, jpeg, png):
    """Return where the EXIF of each file begins; 0 where there is none."""

    def step(places, found, at_work, steps):
        part = _bytes(heads, places, _PART)
        length = 256 * part[:, 2] + part[:, 3]
        filled = (part[:, 0] == 0xFF) & (part[:, 1] == 0xFF)  # more signs of a part's beginning
        in_jpeg = jpeg & ~filled
        is_exif = in_jpeg & (part[:, 1] == 0xE1) & _is(part[:, 4:10], b"Exif\0\0")
        ends = in_jpeg & ((part[:, 0] != 0xFF) | (part[:, 1] == 0xDA) | (part[:, 1] == 0xD9))
        after = tf.where(filled, places + 1, places + 2 + tf.maximum(length, 2))
        # A length of more than 31 bits is nonsense, and ends the search.
        long = tf.minimum(((part[:, 0] * 256 + part[:, 1]) * 256 + part[:, 2]) * 256 + part[:, 3],
                          2**30)
        chunk_is_exif = png & _is(part[:, 4:8], b"eXIf")
        ends |= png & (_is(part[:, 4:8], b"IDAT") | (long < 0))
        after = tf.where(png, places + 12 + tf.maximum(long, 0), after)
        start = tf.where(png, places + 8, places + 10)
        hit = at_work & (is_exif | chunk_is_exif)
        going = at_work & ~hit & ~ends & (after < sizes)
        places = tf.where(going, after, 0)
        return places, tf.where(hit, start, found), going, steps + 1

    nothing = tf.zeros_like(sizes)
    places = tf.where(png, 8, tf.where(jpeg, 2, 0))
    at_work = (places > 0) & (places < sizes)
    return tf.while_loop(
        lambda places, found, at_work, steps: tf.reduce_any(at_work) & (steps < PARTS),
        step,
        (tf.where(at_work, places, 0), nothing, at_work, 0),
        parallel_iterations=1,
    )[1]


def _read(heads, sizes, starts):
    """Return the orientations in EXIF, a TIFF's directory, that begins at places of files; 1 where
    the place is 0."""
    header = _bytes(heads, tf.minimum(starts, sizes), 8)
    big = _is(header[:, :4], b"MM\0*")
    known = (starts > 0) & (big | _is(header[:, :4], b"II*\0"))

    def number(values):
        weights = 256 ** tf.range(values.shape[-1])
        sign = big if values.shape.rank == 2 else big[:, None]
        little = tf.reduce_sum(values * weights, axis=-1)
        return tf.where(sign, tf.reduce_sum(values * weights[::-1], axis=-1), little)

    offset = number(header[:, 4:8])
    directory = tf.minimum(starts + tf.clip_by_value(offset, 0, SEARCHED), sizes)
    known &= (offset >= 8) & (directory < sizes)
    count = number(_bytes(heads, directory, 2))
    entries = _bytes(heads, tf.minimum(directory + 2, sizes), _ENTRY * ENTRIES)
    entries = tf.reshape(entries, (-1, ENTRIES, _ENTRY))
    kind, values = number(entries[..., 2:4]), number(entries[..., 4:8])
    short = number(entries[..., 8:10])
    value = tf.where(kind == 4, number(entries[..., 8:12]), short)
    # Of two short numbers, which there should not be, Pillow takes the first.
    inside = ((kind == 3) & ((values == 1) | (values == 2))) | ((kind == 4) & (values == 1))
    fits = (number(entries[..., :2]) == TAG) & inside
    fits &= tf.range(ENTRIES) < count[:, None]
    fits &= (value >= 1) & (value <= 8) & known[:, None]
    return tf.reduce_max(tf.where(fits, value, 1), axis=-1)


def _bytes(heads, places, count):
    """Return `count` bytes of each file from its place on, int32 `(n, count)`."""
    lengths = tf.fill(tf.shape(places), count)
    part = tf.io.decode_raw(tf.strings.substr(heads, places, lengths), tf.uint8)
    return tf.cast(tf.reshape(part, (tf.size(places), count)), tf.int32)


def _is(values, text):
    return tf.reduce_all(values == tf.constant(list(text)), axis=-1)
