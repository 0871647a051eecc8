"""Pixels to inputs, and augmentation. Training, evaluation and export share the one layer."""

import math

import keras
import numpy as np
import tensorflow as tf

_MOST = 16_000_000  # inputs of a piece of the images whose statistics are taken
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def preprocessing_layer(kind, images, flat=True):
    """Return stock Keras layers from uint8 images to float32 inputs.

    Args:
        kind: "unit", "symmetric", "center", "standardize", "channels", "imagenet" or "raw"; see
            `Recipe`.
        images: the training images that the means are taken from, uint8 `(n, H, W, C)`.
        flat: whether the inputs are flat, or images, as convolutions take them.

    Returns:
        A `keras.Sequential`, `(batch, H, W, C)` in [0, 255] -> `(batch, H * W * C)`, or the shape
        that it was.
    """
    shape = images.shape[1:]
    layers = [keras.Input(shape, dtype="uint8")]
    if kind == "symmetric":
        layers.append(keras.layers.Rescaling(1 / 127.5, offset=-1))
    else:
        layers.append(keras.layers.Rescaling(1.0 if kind == "raw" else 1 / 255))
    layers.append(keras.layers.Flatten())
    if kind in ("center", "standardize"):
        mean, deviation = pixel_statistics(images)
        variance = (deviation + 0.01) ** 2 if kind == "standardize" else np.ones_like(mean)
        layers.append(_normalization(mean, variance))
    elif kind == "channels":
        mean, deviation = channel_statistics(images)
        pixels = shape[0] * shape[1]
        layers.append(_normalization(np.tile(mean, pixels), np.tile(deviation, pixels) ** 2))
    elif kind == "imagenet":
        mean, deviation = np.array(IMAGENET_MEAN), np.array(IMAGENET_STD)
        if shape[-1] == 1:
            mean, deviation = mean[:1], deviation[:1]
        pixels = shape[0] * shape[1]
        layers.append(_normalization(np.tile(mean, pixels), np.tile(deviation, pixels) ** 2))
    if not flat:
        layers.append(keras.layers.Reshape(shape))
    return keras.Sequential(layers, name="preprocessing")


def pixel_statistics(images):
    """Return mean and standard deviation of every input over the images, in [0, 1]."""
    total, squares, inputs = 0.0, 0.0, math.prod(images.shape[1:])
    count = max(1, min(1000, _MOST // inputs))
    for start in range(0, len(images), count):  # in pieces: float64 copies of all would be large
        part = images[start : start + count].reshape(-1, inputs) / 255.0
        total, squares = total + part.sum(0), squares + np.square(part).sum(0)
    mean = total / len(images)
    return mean, np.sqrt(np.maximum(squares / len(images) - mean**2, 0))


def channel_statistics(images):
    """Return mean and standard deviation of every colour channel over the images, in [0, 1]."""
    mean, deviation = (one.reshape(-1, images.shape[-1]) for one in pixel_statistics(images))
    squares = (deviation**2 + mean**2).mean(0)
    return mean.mean(0), np.sqrt(np.maximum(squares - mean.mean(0) ** 2, 0))


def _normalization(mean, variance):
    return keras.layers.Normalization(mean=mean.tolist(), variance=variance.tolist())


def augment(images, seed, flip, crop, pixel_noise=0.0, place=None):
    """Mirror half of the images, shift each by up to `crop` pixels, and add noise.

    Args:
        images: `(batch, H, W, C)`; uint8 [0, 255] where noise is added.
        seed: two integers; the result depends on nothing else.
        flip: whether to mirror left to right.
        crop: largest shift in pixels in each direction; what comes in is the image's edge, mirrored
            (a black border, which no test image has, would tell shifted images from others).
        pixel_noise: standard deviation of normal noise on every pixel, as a share of 255.
        place: (start, size), if the images are those from `start` on in a batch of `size`: they are
            changed as they would be among all.

    Returns:
        Images of the same shape and type.
    """
    count = tf.shape(images)[0]
    start, size = place or (0, count)

    def own(drawn):
        return drawn if place is None else drawn[start : start + count]

    height, width, channels = images.shape[1:]
    if flip or crop:
        flip_seed, y_seed, x_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 3))
        rows = own(_window(size, height, crop, y_seed))
        columns = own(_window(size, width, crop, x_seed))
        if flip:
            mirrored = own(tf.random.stateless_uniform((size, 1), flip_seed)) < 0.5
            columns = tf.where(mirrored, width - 1 - columns, columns)
        images = _looked_up(images, rows, columns)
    if not pixel_noise:
        return images
    noise_seed = tf.random.experimental.stateless_fold_in(seed, 3)
    noise = own(tf.random.stateless_normal((size, height, width, channels), noise_seed))
    return _with_noise(images, 255 * pixel_noise * noise)


# One look-up of pixels for both moves, which XLA makes in a third of the time. It would draw other
# random numbers, so these come from outside.
@tf.function(jit_compile=True, autograph=False)
def _looked_up(images, rows, columns):
    """Return `images[i, rows[i, y], columns[i, x]]` for each image i and pixel (y, x)."""
    (height, width, channels), count = images.shape[1:], tf.shape(images)[0]
    pixels = tf.reshape(rows[:, :, None] * width + columns[:, None, :], (count, height * width))
    flat = tf.reshape(images, (count, height * width, channels))
    return tf.reshape(tf.gather(flat, pixels, batch_dims=1), tf.shape(images))


def _with_noise(images, noise):
    noisy = tf.round(tf.cast(images, tf.float32) + noise)
    return tf.cast(tf.clip_by_value(noisy, 0, 255), images.dtype)


def _window(count, size, crop, seed):
    """Return which pixels along one side each shifted image shows, `(count, size)`."""
    if not crop:
        return tf.tile(tf.range(size)[None], (count, 1))
    offset = tf.random.stateless_uniform((count, 1), seed, -crop, crop + 1, tf.int32)
    shown = offset + tf.range(size)
    shown = tf.where(shown < 0, -1 - shown, shown)
    return tf.where(shown >= size, 2 * size - 1 - shown, shown)
