"""How fast this machine trains, beside what its matrix products allow.

All numbers come from one process run, on random images of CIFAR-10's shape, and are those of the
fastest of several windows: other work on the machine only ever makes a window slower.
"""

import itertools
import pathlib
import statistics
import tempfile
import time

import keras
import numpy as np
import tensorflow as tf

from dtp_tf.benchmarking.limits import (
    least_step,
    memory_bandwidth,
    needed_by_bp,
    needed_by_dtp,
    weights_of,
)
from dtp_tf.benchmarking.profiling import profile_step
from dtp_tf.console.tables import make_console
from dtp_tf.data.batches import TrainingBatches
from dtp_tf.data.splits import ImageData, Split
from dtp_tf.machines.devices import device_name
from dtp_tf.machines.versions import versions
from dtp_tf.recipes.recipe import recipe as find_recipe
from dtp_tf.rules.base import as_list
from dtp_tf.runs.folder import Run
from dtp_tf.training.building import build_network
from dtp_tf.training.loop import Loop

SIDE = 2048  # of the matrices whose product is the peak
WINDOWS = 5
CLASSES = 10


def measure_throughput(
    recipe="cifar10", batch_sizes=(128, 1024), seconds=2.0, profile=False, report=None
):
    """Measure images per second of steps and epochs by DTP and by backpropagation.

    Args:
        recipe: the name of a recipe, or a `Recipe`; its data are replaced by random ones.
        batch_sizes: images per batch, measured one after the other.
        seconds: length of a window, about; the fastest of five counts.
        profile: whether to tell where the time of a DTP step goes.
        report: called with a line of text before each measurement.

    Returns:
        A dict for JSON: "gemm_peak_gflops" (float32 product of two square matrices),
        "memory_gb_per_second" (a += b on large arrays), "device", "versions", "network" (units from
        the pixels on), "mflop_per_image" (by rule), and "batch_sizes", for each of them a dict of

            step            one training step of DTP on a batch in memory
            train           an epoch of DTP as `train` makes it: pipeline, metrics, callbacks;
                            with its "share_of_step" in images per second
            bp_step         the same two for backpropagation
            bp_train
            keras_bp_fit    Keras's own `fit` of the same network on the same pipeline; with the
                            "share_of_train" that it has of bp_train

        each with "images_per_second", "gflops" (the algorithm's minimal count over the time),
        "share_of_peak" and "share_of_limit", where the limit is the time of the products that a
        step needs, in their shapes, and of the memory that Adam moves, one after the other,
        measured turn by turn with the step, see `dtp_tf.benchmarking.limits`; so are the other
        shares: medians of turns, an epoch and a window of the other each;
        "dtp_epoch_over_bp_epoch"; and "profile", see `profile_step`.
    """
    say = report or (lambda text: None)
    base = find_recipe(recipe, rule="dtp", schedule="parallel")
    data = random_images(max(batch_sizes))
    widths = [int(np.prod(data.image_shape)), *base.units, CLASSES]
    mflop = {"dtp": 2e-6 * dtp_products(widths), "bp": 2e-6 * bp_products(widths)}
    say(f"product of two {SIDE} x {SIDE} matrices")
    peak, bandwidth = gemm_peak(seconds), memory_bandwidth()
    rates = {}
    for size in batch_sizes:
        dtp, bp = base.replace(batch_size=size), base.replace(rule="bp", batch_size=size)
        rates[size] = found = {}
        for rule, (step, train, *fit) in NAMES.items():
            one = {"dtp": dtp, "bp": bp}[rule]
            say(f"{step}, batches of {size}")
            own_rate, share = rate_beside(limit_of(rule, widths, size, base), one, data, seconds)
            at_limit = own_rate / share
            say(f"{', '.join([train, *fit])}, batches of {size}")
            beside = {step: (compiled_step(one, data), size)}
            beside |= {name: keras_epoch(one, data) for name in fit}
            turns = epochs_in_turn(one, data, beside, seconds)
            for name in (step, train, *fit):
                rate = own_rate if name == step else 1 / min(turns.get(name, turns[EPOCH]))
                found[name] = {
                    "images_per_second": rate,
                    "gflops": rate * mflop[rule] / 1e3,
                    "share_of_limit": rate / at_limit,
                }
            found[train]["share_of_step"] = _share(turns[step], turns[EPOCH])
            for name in fit:
                found[name]["share_of_train"] = _share(turns[EPOCH], turns[name])
        if profile:
            say(f"the operations of a step, batches of {size}")
            found["profile"] = profile_step(compiled_step(dtp, data))
        peak = max(peak, gemm_peak(seconds))  # the machine may have been busy the first time
    for found in rates.values():
        for name in itertools.chain(*NAMES.values()):
            found[name]["share_of_peak"] = found[name]["gflops"] / peak
        ratio = found["bp_train"]["images_per_second"] / found["train"]["images_per_second"]
        found["dtp_epoch_over_bp_epoch"] = ratio
    return {
        "gemm_peak_gflops": peak,
        "memory_gb_per_second": bandwidth / 1e9,
        "device": device_name(),
        "versions": versions(),
        "network": widths,
        "mflop_per_image": mflop,
        "batch_sizes": {str(size): found for size, found in rates.items()},
    }


def limit_of(rule, widths, rows, recipe):
    """Return a function that does what a step by "dtp" or "bp" cannot do without."""
    needed = (
        needed_by_dtp(widths, rows, recipe.inverse_first)
        if rule == "dtp"
        else needed_by_bp(widths, rows)
    )
    return least_step(needed, weights_of(widths, inverses=rule == "dtp"))


def rate_beside(least, recipe, data, seconds):
    """Return the images per second of a training step, and the time of its limit over its own: the
    median of turns, for the speed of a machine that others share changes within seconds."""
    steps, limits = in_turn([compiled_step(recipe, data), least], seconds)
    shares = [limit / step for step, limit in zip(steps, limits, strict=True)]
    return recipe.batch_size / min(steps), statistics.median(shares)


def dtp_products(widths):
    """Multiply-adds per image of a parallel DTP step: forward and its weights' gradients, targets
    from two values of each inverse, noise up and down, and the inverses' weights' gradients."""
    forward, inverted = _multiply_adds(widths), _multiply_adds(widths[1:-1])
    return 2 * forward + 5 * inverted


def bp_products(widths):
    """Multiply-adds per image of backpropagation: forward, weights' gradients, errors down."""
    return 2 * _multiply_adds(widths) + _multiply_adds(widths[1:])


def _multiply_adds(widths):
    return sum(below * above for below, above in zip(widths, widths[1:], strict=False))


def random_images(largest_batch):
    """Return random images of CIFAR-10's shape as `ImageData`: at least 20 batches of any size."""
    rng = np.random.default_rng(0)
    count = 20 * max(largest_batch, 1000)
    images = rng.integers(0, 256, size=(count, 32, 32, 3), dtype=np.uint8)
    split = Split(images, rng.integers(0, CLASSES, size=count).astype(np.int32))
    few = split.take(np.arange(CLASSES))
    names = tuple(str(label) for label in range(CLASSES))
    return ImageData("random", split, few, few, names, "random")


def fastest(call, seconds):
    """Return the seconds of one call, in the fastest of `WINDOWS` windows of about `seconds`."""
    (windows,) = in_turn([call], seconds)
    return min(windows)


def in_turn(calls, seconds, turns=None, warm=False):
    """Return the seconds of one call of each function in each of `turns` turns, `WINDOWS` by
    default, in which each has a window of about `seconds`; `warm` ones are compiled already."""
    counts = []
    for call in calls:
        if not warm:
            call(), call()  # compile, then warm up
        start = time.perf_counter()
        call()
        counts.append(max(1, round(seconds / (time.perf_counter() - start))))
    found = [[] for _ in calls]
    for _ in range(turns or WINDOWS):
        for call, count, windows in zip(calls, counts, found, strict=True):
            start = time.perf_counter()
            for _ in range(count):
                call()
            windows.append((time.perf_counter() - start) / count)
    return found


def gemm_peak(seconds):
    """Return the GFLOP per second of a float32 product of two square matrices."""
    a = tf.random.stateless_normal((SIDE, SIDE), (0, 0))
    product = tf.function(lambda: tf.reduce_sum(tf.matmul(a, a)[:1]), autograph=False)
    return 2e-9 * SIDE**3 / fastest(lambda: product().numpy(), seconds)


def compiled_step(recipe, data):
    """Return a function that makes one training step on a batch in memory and waits for it."""
    network = build_network(recipe, data)
    x = tf.constant(data.train.images[: recipe.batch_size])
    y = tf.constant(data.train.labels[: recipe.batch_size])

    @tf.function(autograph=False)
    def step():
        network.train_step((x, y))
        return network.step.value

    return lambda: step().numpy()


def step_rate(recipe, data, seconds):
    """Return the images per second of one training step."""
    return recipe.batch_size / fastest(compiled_step(recipe, data), seconds)


def epochs_in_turn(recipe, data, beside, seconds):
    """Return the seconds per image of epochs of `train`, and of others in the same turns.

    Args:
        recipe, data: what to train.
        beside: `{name: (a function, its images)}`, each called between two epochs for about
            `seconds`, but at least once.
        seconds: see above.

    Returns:
        `{name: the seconds of each turn}`, that of the epochs being `EPOCH`.
    """
    between = _Between(beside, seconds)
    with tempfile.TemporaryDirectory() as folder:
        recipe = recipe.replace(epochs=WINDOWS + 1, diagnostics_every=None)
        run = Run.create(recipe, pathlib.Path(folder) / "run")
        history, console = [], make_console(quiet=True)
        network = build_network(recipe, data)
        Loop(recipe, data, network, run, history, (between,), console).run_epochs()
    epochs = [1 / logs["images_per_second"] for logs in history[1:]]  # the first one compiles
    return {EPOCH: epochs, **between.found}


class _Between(keras.callbacks.Callback):
    def __init__(self, calls, seconds):
        super().__init__()
        self._calls, self._seconds = calls, seconds
        self.found = {name: [] for name in calls}

    def on_epoch_end(self, epoch, logs=None):
        for name, (call, images) in self._calls.items():
            if epoch == 0:  # compile, and warm up
                call(), call()
            else:
                (window,) = in_turn([call], self._seconds, turns=1, warm=True)
                self.found[name] += [one / images for one in window]


def keras_epoch(recipe, data):
    """Return a function that trains an epoch by Keras's own `fit` of the recipe's forward network,
    and the images of the epoch."""
    classifier = build_network(recipe, data).classifier(dtype="uint8")
    classifier.compile(
        keras.optimizers.Adam(min(as_list(recipe.learning_rate))),  # one update takes the same
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    batches = TrainingBatches(
        data.train, recipe.batch_size, recipe.seed, recipe.flip, recipe.crop, recipe.pixel_noise
    )
    batches.select(0, 0)

    def epoch():
        classifier.fit(batches.dataset, epochs=1, shuffle=False, verbose=0)

    return epoch, batches.steps * batches.size


def _share(seconds, others):
    """The median over turns of the time of one by that of another."""
    return statistics.median(a / b for a, b in zip(seconds, others, strict=True))


EPOCH = "epoch"
#: What is measured for each batch size, by rule: a step, the epochs of `train`, and Keras's `fit`.
NAMES = {"dtp": ("step", "train"), "bp": ("bp_step", "bp_train", "keras_bp_fit")}
