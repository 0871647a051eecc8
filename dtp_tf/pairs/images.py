"""What pairs whose f slides a kernel over images have in common: their sizes."""

from dtp_tf.errors import SettingError


def convolved(pair, input_shape, kernel_size, strides, padding):
    """Return height and width of what kernels make of images.

    Args:
        pair: the name of the pair, for errors.
        input_shape: `(batch, height, width, channels)`.
        kernel_size, strides: in pixels.
        padding: "same", "valid" or pixels on every side.

    Raises:
        SettingError: an input that is no image of known size, or images smaller than the kernel.
    """
    if len(input_shape) != 4 or None in input_shape[1:]:
        raise SettingError(
            f"the pair {pair!r} takes images of shape (batch, height, width, channels), whose "
            f"sizes are known, got {tuple(input_shape)}; put convolutions below dense layers."
        )
    if padding == "same":
        return tuple(-(-length // strides) for length in input_shape[1:3])
    around = 0 if padding == "valid" else 2 * padding
    sides = tuple((length + around - kernel_size) // strides + 1 for length in input_shape[1:3])
    if min(sides) < 1:
        raise SettingError(
            f"the pair {pair!r} has kernels of {kernel_size}x{kernel_size} pixels, more than there "
            f"are in images of {size_text(input_shape[1:])}; use smaller kernels, or padding same."
        )
    return sides


def pads(padding, image, kernel_size, strides):
    """Return `((top, bottom), (left, right))` of a padding "same" or "valid", as TensorFlow has it.

    Args:
        padding: "same" or "valid".
        image: `(height, width)`.
        kernel_size, strides: in pixels.
    """
    if padding == "valid":
        return ((0, 0), (0, 0))
    found = []
    for length in image:
        around = max(0, (-(-length // strides) - 1) * strides + kernel_size - length)
        found.append((around // 2, around - around // 2))  # the odd one at the far end
    return tuple(found)


def size_text(shape):
    """Return a shape as 32x32x3."""
    return "x".join(map(str, shape))
