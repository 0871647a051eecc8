"""Max pooling that says which pixel of every window it took, and the way back.

The choice is a number 0 .. k^2 - 1 for each output: the place of the winner in its window, row by
row, the first one of equals. Unpooling is the transposed Jacobian of pooling at that choice: every
value goes to the pixel that its window took, all else is 0, and where several windows took the same
pixel, as overlapping ones may, their values add up.

Everything is sums and comparisons of slices. TensorFlow's own argmax pooling and its gradient are
ten times slower on a CPU than what XLA makes of these, and XLA does not know them.
"""

import functools
import math

import numpy as np
import tensorflow as tf
from tensorflow.compiler.tf2xla.python.xla import optimization_barrier


class Window:
    """Where the windows of a pooling lie on images of one size.

    Args:
        size: side of the square windows.
        stride: pixels from window to window.
        pads: `((top, bottom), (left, right))` pixels beyond the image.
        image: `(height, width)`.
    """

    def __init__(self, size, stride, pads, image):
        self.size, self.stride, self.pads, self.image = size, stride, pads, image
        self.functions = {}  # compiled ones, so that every use shares one program
        self.pooled = tuple(
            (length + sum(pad) - size) // stride + 1
            for length, pad in zip(image, pads, strict=True)
        )

    def views(self, images):
        """Return the pixels at each place of the windows: size^2 times `(batch, *pooled, C)`."""
        reach = [(count - 1) * self.stride + 1 for count in self.pooled]
        return [
            images[:, y : y + reach[0] : self.stride, x : x + reach[1] : self.stride]
            for y in range(self.size)
            for x in range(self.size)
        ]

    def patches(self, images):
        """Return every window, pixel by pixel: images -> `(batch, *pooled, size^2 C)`.

        Pads are zeros. Whole pixels are gathered: strided slices copy number by number.
        """

        @tf.custom_gradient
        def gather(images):
            padded = self.padded(images, 0)
            _, height, width, channels = padded.shape
            pixels = tf.reshape(padded, (-1, height * width, channels))
            patches = tf.gather(pixels, self.pixels(width), axis=1)
            patches = tf.reshape(patches, (-1, *self.pooled, self.size**2 * channels))
            return patches, self.spread

        return gather(images)

    def spread(self, patches):
        """Transposed `patches`: what several windows say of a pixel adds up."""

        @tf.custom_gradient
        def add(patches):
            return self.assembled(tf.split(patches, self.size**2, axis=-1)), self.patches

        return add(patches)

    def pixels(self, width):
        """The number of each pixel of each window, row by row, on padded images of this width."""
        rows, columns = (
            self.stride * np.arange(count)[:, np.newaxis] + np.arange(self.size)
            for count in self.pooled
        )
        numbers = width * rows[:, np.newaxis, :, np.newaxis] + columns[:, np.newaxis, :]
        return numbers.astype(np.int32).ravel()

    def padded(self, images, value):
        """Return images with their pads, whose pixels have this value."""
        if not any(map(any, self.pads)):
            return images
        return tf.pad(images, [(0, 0), *self.pads, (0, 0)], constant_values=value)

    def assembled(self, views):
        """Inverse of `views` on padded images: what several windows say of a pixel adds up."""
        # Place y of window i is pixel y + stride * i = y % stride + stride * (i + y // stride):
        # each remainder has a grid of its own, and the grids interleave to the image.
        side = math.ceil(self.size / self.stride) - 1  # largest shift in a grid
        rows = []
        for row in range(self.stride):
            columns = [self._grid(views, row, column, side) for column in range(self.stride)]
            rows.append(tf.stack(columns, axis=3))  # (batch, height, width, stride, C)
        grid = tf.stack(rows, axis=2)  # (batch, height, stride, width, stride, C)
        height, width = ((count + side) * self.stride for count in self.pooled)
        images = tf.reshape(grid, (-1, height, width, views[0].shape[-1]))
        (top, _), (left, _) = self.pads
        # Pixels that no window reaches may be missing at the far end.
        missing = [
            (0, max(0, start + length - have))
            for start, length, have in zip((top, left), self.image, (height, width), strict=True)
        ]
        if any(map(any, missing)):
            images = tf.pad(images, [(0, 0), *missing, (0, 0)])
        return images[:, top : top + self.image[0], left : left + self.image[1]]

    def _grid(self, views, row, column, side):
        """The sum of the views on the pixels with these remainders."""
        parts = [
            tf.pad(
                views[y * self.size + x],
                [(0, 0), *((shift, side - shift) for shift in (y // self.stride, x // self.stride))]
                + [(0, 0)],
            )
            for y in range(row, self.size, self.stride)
            for x in range(column, self.size, self.stride)
        ]
        if not parts:  # windows with gaps between them
            like = views[0]
            return tf.pad(tf.zeros_like(like), [(0, 0), (0, side), (0, side), (0, 0)])
        return tf.add_n(parts)


def max_pool(images, window):
    """Return the largest pixel of each window: `(batch, H, W, C)` -> `(batch, *pooled, C)`."""
    lowest = images.dtype.min
    padded = window.padded(images, lowest)
    return tf.nn.max_pool2d(padded, window.size, window.stride, "VALID")


def max_pool_with_choice(images, window):
    """Return the largest pixel of each window, and its place in the window, int8."""

    @tf.custom_gradient
    def pool(images):
        pooled, choice = _compiled(_choose, window)(images)

        def gradient(upstream, _):
            return unpool(upstream, choice, window)

        return (pooled, choice), gradient

    return pool(images)


def unpool(values, choice, window):
    """Return each value at the pixel that was chosen for it: `(batch, *pooled, C)` -> images."""

    @tf.custom_gradient
    def scatter(values):
        def gradient(upstream):
            return pick(upstream, choice, window)

        return _compiled(_scatter, window)(values, choice), gradient

    return scatter(values)


def pick(images, choice, window):
    """Return the chosen pixel of each window: transposed `unpool`."""

    @tf.custom_gradient
    def gather(images):
        def gradient(upstream):
            return unpool(upstream, choice, window)

        return _compiled(_gather, window)(images, choice), gradient

    return gather(images)


def average_pool(images, window):
    """Return the mean of each window; pads count as zeros, as in PyTorch."""
    return tf.nn.avg_pool2d(window.padded(images, 0), window.size, window.stride, "VALID")


def average_unpool(values, window):
    """Return the transposed `average_pool`: each pixel gets its share of its windows' values."""
    return window.assembled([values / window.size**2] * window.size**2)


def _choose(images, window):
    best, *others = window.views(window.padded(images, images.dtype.min))
    choice = tf.zeros_like(best, tf.int8)
    for place, view in enumerate(others, start=1):
        choice = tf.where(view > best, tf.constant(place, tf.int8), choice)
        best = tf.maximum(view, best)
    return best, choice


def _scatter(values, choice, window):
    zero = tf.zeros_like(values)
    return window.assembled(
        [tf.where(choice == place, values, zero) for place in range(window.size**2)]
    )


def _gather(images, choice, window):
    views = window.views(window.padded(images, 0))
    zero = tf.zeros_like(views[0])
    return tf.add_n([tf.where(choice == place, view, zero) for place, view in enumerate(views)])


def _compiled(function, window):
    """Return the function of tensors alone, compiled by XLA where that is possible and pays.

    Its gradient is for its caller to say.
    """
    of_tensors = functools.partial(function, window=window)
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if tf.executing_eagerly() or replicas > 1:
        return of_tensors
    if function not in window.functions:

        def apart(*tensors):
            # Where a whole step is compiled, XLA would otherwise work out every place of every
            # window from the convolution on, again and again, and take minutes to compile it.
            results = of_tensors(*optimization_barrier(*tensors))
            flat = optimization_barrier(*tf.nest.flatten(results))
            return tf.nest.pack_sequence_as(results, flat)

        window.functions[function] = tf.function(apart, jit_compile=True, autograph=False)
    compiled = window.functions[function]
    # A tape that saw the inputs would have the program keep all that it computes on its way.
    return lambda *tensors: compiled(*map(tf.stop_gradient, tensors))
