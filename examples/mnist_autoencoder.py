"""An autoencoder 784-512-64-512-784 of MNIST by squared error (Bartunov et al. 2018).

    python examples/mnist_autoencoder.py --data-dir ~/tensorflow_datasets --epochs 10

The images, of TensorFlow Datasets, are their own labels: pixels in 0 .. 1.

Source: Bartunov, Santoro, Richards, Marris, Hinton, Lillicrap, "Assessing the Scalability of
Biologically-Motivated Deep Learning Algorithms and Architectures", 2018, arXiv 1807.04587.
"""

import argparse
import time

import keras
import numpy as np

import dtp_tf
from dtp_tf.rules import BP, DRL, DTP, LDRL, SDTP, DDTPLinear

HIDDEN, PIXELS = (512, 64, 512), 784
STEP = 0.1 * PIXELS / 2  # moves answers by a tenth towards the image: errors are means over pixels
# What each rule is made by, and the learning rate of its feedback.
RULES = {
    "bp": (lambda: BP(), 1e-3),
    "dtp": (lambda: DTP(STEP, noise=0.1), 1e-3),
    "sdtp": (lambda: SDTP(noise=0.1), 1e-3),
    "drl": (lambda: DRL(STEP, noise=0.05, noise_directions="orthogonal"), 3e-4),
    "ddtp_linear": (lambda: DDTPLinear(STEP, noise=0.05, noise_directions="orthogonal"), 3e-4),
    "ldrl": (lambda: LDRL(STEP, inverse_steps=2), 1e-3),
}


def images(data_dir):
    """Return the training and the test images as rows of pixels in 0 .. 1."""
    data = dtp_tf.load_data(dtp_tf.recipe("digits", dataset="mnist"), data_dir)
    parts = [np.concatenate([data.train.images, data.validation.images]), data.test.images]
    return [part.reshape(len(part), -1).astype("float32") / 255 for part in parts]


def autoencoder(rule):
    keras.utils.set_random_seed(0)
    make, rate = RULES[rule]
    first = rule in ("drl", "ldrl")
    pairs = [dtp_tf.DensePair(units, inverse_first=first) for units in HIDDEN]
    network = dtp_tf.DTPNetwork(pairs, PIXELS, rule=make(), output_activation="linear")
    network.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(rate))
    return network


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", help="the folder of TensorFlow Datasets")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rules", nargs="+", default=list(RULES), choices=RULES)
    args = parser.parse_args()
    train, test = images(args.data_dir)
    print("| rule | training error | test error | seconds |\n|---|---|---|---|")
    mean = train.mean(axis=0)
    print(
        f"| the mean image | {np.mean((train - mean) ** 2):.4f} | "
        f"{np.mean((test - mean) ** 2):.4f} | |"
    )
    for rule in args.rules:
        network, start = autoencoder(rule), time.perf_counter()
        network.fit(train, train, batch_size=128, epochs=args.epochs, verbose=0)
        seconds = time.perf_counter() - start
        errors = [network.evaluate(x, x, batch_size=1000, verbose=0)[0] for x in (train, test)]
        cells = [f"{error:.4f}" for error in errors]
        print(f"| `{rule}` | {' | '.join(cells)} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
