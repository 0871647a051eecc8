"""Convolution, pooling, their ways back, and whole steps of convolutional nets, by plain loops.

Images are `(batch, height, width, channels)`, kernels `(height, width, channels, channels above)`.
"""

import dataclasses

import numpy as np

from reference.net import ACTIVATIONS, logits_gradient


@dataclasses.dataclass
class Layer:
    """f(h) = pool(s(h * W + b)) and g, or with `dense` the same for a matrix product.

    Args:
        f, g: (W, b) and (V, c); g may be None.
        stride, pads: of the convolution; `((top, bottom), (left, right))`.
        pool: None, or (size, stride, padding) of max pooling.
        s, r: names of the activations.
        inverse_first: g(t) = unpool(r(t)) *^T V + c, and not r(unpool(t) *^T V + c).
    """

    f: tuple
    g: tuple | None = None
    stride: int = 1
    pads: tuple = ((0, 0), (0, 0))
    pool: tuple | None = None
    s: str = "tanh"
    r: str = "tanh"
    inverse_first: bool = False

    @property
    def dense(self):
        return self.f[0].ndim == 2


def same_pads(shape, kernel, stride):
    """TensorFlow's padding "same": enough for ceil(size / stride) outputs, the odd one at the end.
    """
    pads = []
    for size in shape:
        count = -(-size // stride)
        total = max(0, (count - 1) * stride + kernel - size)
        pads.append((total // 2, total - total // 2))
    return tuple(pads)


def padded(images, pads, value=0.0):
    return np.pad(images, ((0, 0), *pads, (0, 0)), constant_values=value)


def places(images, size, stride, pads):
    """Yield (i, j, rows, columns) of every window on padded images."""
    height, width = (n + sum(pad) for n, pad in zip(images.shape[1:3], pads, strict=True))
    for i, y in enumerate(range(0, height - size + 1, stride)):
        for j, x in enumerate(range(0, width - size + 1, stride)):
            yield i, j, slice(y, y + size), slice(x, x + size)


def grid(images, size, stride, pads):
    """How many windows there are down and across."""
    return [
        (n + sum(pad) - size) // stride + 1
        for n, pad in zip(images.shape[1:3], pads, strict=True)
    ]


def convolve(images, kernel, stride, pads):
    size, around = len(kernel), padded(images, pads)
    out = np.zeros((len(images), *grid(images, size, stride, pads), kernel.shape[-1]))
    for i, j, rows, columns in places(images, size, stride, pads):
        out[:, i, j] = np.tensordot(around[:, rows, columns], kernel, 3)
    return out


def transposed(above, kernel, stride, pads, shape):
    """The transposed map of `convolve` for images of this height and width."""
    out = padded(np.zeros((len(above), *shape, kernel.shape[2])), pads)
    images = np.zeros((1, *shape, 1))
    for i, j, rows, columns in places(images, len(kernel), stride, pads):
        out[:, rows, columns] += np.tensordot(above[:, i, j], kernel, ((1,), (3,)))
    (top, _), (left, _) = pads
    return out[:, top : top + shape[0], left : left + shape[1]]


def kernel_gradient(images, delta, size, stride, pads):
    """Sum over the batch of d < delta, convolve(images) > / d kernel."""
    around, out = padded(images, pads), 0.0
    for i, j, rows, columns in places(images, size, stride, pads):
        out = out + np.tensordot(around[:, rows, columns], delta[:, i, j], ((0,), (0,)))
    return out


def max_pool(images, size, stride, padding):
    """Return the largest pixels, and where they are in their windows, row by row."""
    pads = ((padding, padding),) * 2
    around = padded(images, pads, -np.inf)
    shape = (len(images), *grid(images, size, stride, pads), images.shape[-1])
    pooled, choice = np.zeros(shape), np.zeros(shape, int)
    for i, j, rows, columns in places(images, size, stride, pads):
        window = around[:, rows, columns].reshape(len(images), size * size, -1)
        choice[:, i, j], pooled[:, i, j] = window.argmax(1), window.max(1)
    return pooled, choice


def unpool(values, choice, size, stride, padding, shape):
    """Every value at the pixel that was the largest; equal pixels add up."""
    pads = ((padding, padding),) * 2
    out = padded(np.zeros((len(values), *shape, values.shape[-1])), pads)
    for i, j, rows, columns in places(np.zeros((1, *shape, 1)), size, stride, pads):
        for place in range(size * size):
            y, x = rows.start + place // size, columns.start + place % size
            out[:, y, x] += values[:, i, j] * (choice[:, i, j] == place)
    return out[:, padding : padding + shape[0], padding : padding + shape[1]]


# -- layers and nets ------------------------------------------------------------------------------


def f(layer, h):
    """Return f(h), and what its way back needs: (the activations before pooling, the choice)."""
    kernel, bias = layer.f
    if layer.dense:
        a = h.reshape(len(h), -1) @ kernel + bias
    else:
        a = convolve(h, kernel, layer.stride, layer.pads) + bias
    before = ACTIVATIONS[layer.s][0](a)
    if layer.pool is None:
        return before, (before, None)
    pooled, choice = max_pool(before, *layer.pool)
    return pooled, (before, choice)


def g(layer, h, t, cache):
    """g(t) for a layer whose input is h, and whose forward pass left `cache`."""
    weight, bias = layer.g
    u = unpooled(layer, ACTIVATIONS[layer.r][0](t) if layer.inverse_first else t, cache)
    if layer.dense:
        back = (u @ weight + bias).reshape(h.shape)
    else:
        back = transposed(u, weight, layer.stride, layer.pads, h.shape[1:3]) + bias
    return back if layer.inverse_first else ACTIVATIONS[layer.r][0](back)


def unpooled(layer, values, cache):
    if layer.pool is None:
        return values
    before, choice = cache
    return unpool(values, choice, *layer.pool, before.shape[1:3])


def weight_gradients(layer, h, delta, cache):
    """Mean gradients of (W, b) where `delta` is the gradient of f(h)."""
    before, _ = cache
    slope = unpooled(layer, delta, cache) * ACTIVATIONS[layer.s][1](before)
    if layer.dense:
        return h.reshape(len(h), -1).T @ slope / len(h), slope.mean(0)
    kernel = kernel_gradient(h, slope, len(layer.f[0]), layer.stride, layer.pads)
    return kernel / len(h), slope.sum((1, 2)).mean(0)


def pull_back(layer, h, delta, cache):
    """The gradient by h where `delta` is the gradient of f(h)."""
    slope = unpooled(layer, delta, cache) * ACTIVATIONS[layer.s][1](cache[0])
    if layer.dense:
        return (slope @ layer.f[0].T).reshape(h.shape)
    return transposed(slope, layer.f[0], layer.stride, layer.pads, h.shape[1:3])


def inverse_gradients(layer, h, t, delta, cache):
    """Mean gradients of (V, c) where `delta` is the gradient of g(t)."""
    if not layer.inverse_first:
        delta = delta * ACTIVATIONS[layer.r][1](g(layer, h, t, cache))
    u = unpooled(layer, ACTIVATIONS[layer.r][0](t) if layer.inverse_first else t, cache)
    if layer.dense:
        flat = delta.reshape(len(delta), -1)
        return u.T @ flat / len(t), flat.mean(0)
    kernel = kernel_gradient(delta, u, len(layer.g[0]), layer.stride, layer.pads)
    return kernel / len(t), delta.sum((1, 2)).mean(0)


def activations(net, x):
    """Return [h_0, .., h_M] and the layers' caches; the last layer gives the logits."""
    h, caches = [x], []
    for layer in net:
        above, cache = f(layer, h[-1])
        h.append(above)
        caches.append(cache)
    return h, caches


def targets(net, h, caches, y, eta, from_logits):
    """{i: t_i} by difference corrections, from h_{M-1} or from the logits."""
    delta, top = logits_gradient(h, y), len(net)
    if not from_logits:
        delta, top = pull_back(net[-1], h[-2], delta, caches[-1]), len(net) - 1
    t = {top: h[top] - eta * delta}
    for i in range(top, 1, -1):
        layer, cache = net[i - 1], caches[i - 1]
        at_t, at_h = (g(layer, h[i - 1], one, cache) for one in (t[i], h[i]))
        t[i - 1] = h[i - 1] + at_t - at_h
    return {i: t[i] for i in range(1, len(net))}


def forward_gradients(net, h, caches, y, taught=None):
    """[(dL/dW, dL/db), ..] of the local losses for targets {i: t_i}; backpropagation's if none."""
    delta = logits_gradient(h, y)
    found = [weight_gradients(net[-1], h[-2], delta, caches[-1])]
    for i in range(len(net) - 1, 0, -1):
        if taught is None:
            delta = pull_back(net[i], h[i], delta, caches[i])
        else:
            delta = 2 * (h[i] - taught[i])
        found.insert(0, weight_gradients(net[i - 1], h[i - 1], delta, caches[i - 1]))
    return found


def dtp_gradients(net, h, caches, i, sigma, eps):
    """Of || g_i(f_i(h~)) - h~ ||^2: (dV, dc)."""
    layer, below, cache = net[i - 1], h[i - 1], caches[i - 1]
    corrupted = below + sigma * eps[0]
    above, _ = f(layer, corrupted)
    delta = 2 * (g(layer, below, above, cache) - corrupted)
    return inverse_gradients(layer, below, above, delta, cache)


def ldrl_gradients(net, h, caches, i, sigma, eps):
    """Of -2 < dx, g(f(x + dx)) - g(y) > + || g(y + dy) - g(y) ||^2: (dV, dc)."""
    layer, x, y, cache = net[i - 1], h[i - 1], h[i], caches[i - 1]
    dx, dy = sigma * eps[0], sigma * eps[1]
    up, _ = f(layer, x + dx)
    change = g(layer, x, y + dy, cache) - g(layer, x, y, cache)
    uses = [(up, -2 * dx), (y, 2 * dx - 2 * change), (y + dy, 2 * change)]
    parts = [inverse_gradients(layer, x, *use, cache) for use in uses]
    return tuple(sum(many) for many in zip(*parts, strict=True))
