"""Time K forward products of a layer on a batch beside one product of K batches.

    python benchmarks/stacked_products.py

K updates of L-DRL's inverses on a batch each need f(x + dx) with noise of their own, and the layer
stands still meanwhile: the K products could be one. What that would save is the ratio printed here,
for a dense layer of 1024 units and the second convolution of the LeNet of Ernoult et al.
"""

import time

import click

BATCH, TURNS = 128, 9


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--updates", default=4, show_default=True, type=click.IntRange(2), help="K.")
@click.option("--seconds", default=0.5, show_default=True, help="Length of a window.")
def main(updates, seconds):
    """Time K products on a batch, and one on K batches, turn by turn."""
    import keras

    layers = {
        "dense 1024": (keras.layers.Dense(1024, "tanh"), (1024,)),
        "conv 64 5": (keras.layers.Conv2D(64, 5, padding="same", activation="elu"), (16, 16, 32)),
    }
    for name, (layer, shape) in layers.items():
        apart, together = measure(layer, shape, updates, seconds)
        ratio = together / apart
        words = f"{updates} products {apart:.2f} ms, one {together:.2f} ms"
        print(f"{name}: {words}, {ratio:.2f} times")


def measure(layer, shape, updates, seconds):
    """Return the ms of `updates` products on a batch one by one, and of one on all, at best."""
    import tensorflow as tf

    layer.build((None, *shape))
    batches = [tf.random.normal((BATCH, *shape)) for _ in range(updates)]
    every = tf.concat(batches, 0)

    @tf.function(autograph=False)
    def apart():
        found = []
        for one in batches:
            with tf.control_dependencies(found[-1:]):  # as the updates follow one another
                found.append(tf.reduce_sum(layer(tf.identity(one))))
        return tf.add_n(found)

    @tf.function(autograph=False)
    def together():
        return tf.reduce_sum(layer(every))

    times = {apart: [], together: []}
    for _ in range(TURNS):
        for step, own in times.items():
            own.append(seconds_of(step, seconds))
    return [1000 * min(own) for own in times.values()]


def seconds_of(step, window):
    """Return the seconds of a step, over a window of about so many seconds."""
    step().numpy()
    begun = time.perf_counter()
    step().numpy()
    count = max(1, round(window / (time.perf_counter() - begun)))
    begun = time.perf_counter()
    for _ in range(count):
        last = step()
    last.numpy()
    return (time.perf_counter() - begun) / count


if __name__ == "__main__":
    main()
