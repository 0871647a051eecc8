"""Locally connected layers by plain loops: a kernel `(k, k, channels, filters)` for every place."""

import numpy as np

from reference.conv import grid, padded, places


def forward(images, kernels, bias, stride, pads):
    """`kernels` are `(height, width, k, k, channels, filters)`, `bias` (height, width, filters)."""
    size, around = kernels.shape[2], padded(images, pads)
    out = np.zeros((len(images), *grid(images, size, stride, pads), kernels.shape[-1]))
    for i, j, rows, columns in places(images, size, stride, pads):
        out[:, i, j] = np.tensordot(around[:, rows, columns], kernels[i, j], 3) + bias[i, j]
    return out


def transposed(above, kernels, stride, pads, shape):
    """Every place spreads its values over its window of images of this height and width."""
    out = padded(np.zeros((len(above), *shape, kernels.shape[4])), pads)
    for i, j, rows, columns in places(np.zeros((1, *shape, 1)), kernels.shape[2], stride, pads):
        out[:, rows, columns] += np.tensordot(above[:, i, j], kernels[i, j], ((1,), (3,)))
    (top, _), (left, _) = pads
    return out[:, top : top + shape[0], left : left + shape[1]]


def kernel_gradients(images, delta, size, stride, pads):
    """d sum < delta, forward(images) > / d kernels; that of the biases is delta summed."""
    around, found = padded(images, pads), []
    for i, j, rows, columns in places(images, size, stride, pads):
        found.append(np.tensordot(around[:, rows, columns], delta[:, i, j], ((0,), (0,))))
    return np.reshape(found, (*delta.shape[1:3], *found[0].shape))
