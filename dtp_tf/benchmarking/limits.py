"""The least time that a step can take on this machine: that of the products that it cannot do
without, in the shapes that they have, and of the memory that its optimizers must move."""

import dataclasses
import time

import tensorflow as tf

ADAM_MOVES = 7  # reads the weight, its gradient and its two moments, writes the weight and these
STREAM = 32 * 2**20  # float32 numbers of the arrays whose sum measures the memory


@dataclasses.dataclass(frozen=True)
class Product:
    """A product of two matrices, of which one may be transposed.

    Attributes:
        kind: "up" = x W, "down" = e W^T, or "weights" = x^T e.
        rows: of the batch.
        below, above: units of the two layers.
    """

    kind: str
    rows: int
    below: int
    above: int


def needed_by_dtp(widths, rows, inverse_first=False):
    """Return the products that a parallel step of DTP on a batch cannot do without.

    Args:
        widths: units of all layers, from the inputs to the classes.
        rows: images per batch.
        inverse_first: whether inverses end with their product, g(t) = r(t) V + c.

    Returns:
        The products forward and for the weights' gradients; and for every inverse g(t) - g(h),
        noise up and down, and its weights' gradients. The difference is one product if the inverse
        ends with it, and at the top, where t - h lies along the rows of the output layer's weights
        (see `dtp_tf.rules.dtp.targets_from_top`); else it is two.
    """
    up = [("up", below, above) for below, above in _neighbours(widths)]
    weights = [("weights", *rest) for _, *rest in up]
    inverses, inverted = [], _neighbours(widths[1:-1])
    for i, (below, above) in enumerate(inverted):
        once = inverse_first or i == len(inverted) - 1
        inverses += (1 if once else 2) * [("up", above, below)]
        inverses += [("up", below, above), ("up", above, below), ("weights", above, below)]
    return _products(rows, up + weights + inverses)


def needed_by_bp(widths, rows):
    """Return the products of a step of backpropagation: forward, errors down, gradients."""
    up = [("up", below, above) for below, above in _neighbours(widths)]
    down = [("down", below, above) for below, above in _neighbours(widths[1:])]
    return _products(rows, up + down + [("weights", *rest) for _, *rest in up])


def _neighbours(widths):
    return list(zip(widths, widths[1:], strict=False))


def _products(rows, many):
    return [Product(kind, rows, below, above) for kind, below, above in many]


def weights_of(widths, inverses):
    """Return how many numbers an optimizer updates: kernels and biases of f, and of g if any."""
    count = sum(below * above + above for below, above in _neighbours(widths))
    if inverses:
        count += sum(below * above + below for below, above in _neighbours(widths[1:-1]))
    return count


def least_step(products, weights):
    """Return a function that makes some products, one after the other, and moves Adam's memory.

    Args:
        products: `Product`s, of which equal ones share their matrices.
        weights: how many numbers Adam updates.
    """
    calls = {one: _call(one) for one in set(products)}
    # A sum in place moves three numbers for each of its array's.
    numbers = round(ADAM_MOVES * weights / 3)
    a, b = tf.Variable(tf.zeros([numbers])), tf.ones([numbers])

    def least():
        for one in products:
            calls[one]()
        _waited(a.assign_add(b))

    return least


def memory_bandwidth(windows=5):
    """Return the bytes per second of a += b on arrays larger than the caches."""
    a, b = tf.Variable(tf.zeros([STREAM])), tf.ones([STREAM])
    best = float("inf")
    for _ in range(windows + 1):
        start = time.perf_counter()
        _waited(a.assign_add(b))  # in place: nothing new is touched
        best = min(best, time.perf_counter() - start)
    return 3 * 4 * STREAM / best


def _call(product):
    """Return a function that makes a product and waits for it."""
    rows, below, above = product.rows, product.below, product.above
    shapes = {
        "up": ((rows, below), (below, above), {}),
        "down": ((rows, above), (below, above), {"transpose_b": True}),
        "weights": ((rows, below), (rows, above), {"transpose_a": True}),
    }
    one, other, how = shapes[product.kind]
    a, b = (tf.random.stateless_normal(shape, (0, k)) for k, shape in enumerate((one, other)))
    return lambda: _waited(tf.matmul(a, b, **how))


def _waited(tensor):
    """Wait for what was asked for last; on a CPU it is there when a call returns."""
    if "GPU" in tensor.device:
        tf.reshape(tensor, [-1])[0].numpy()
