"""Regression: small networks learn what a large random one computes (Meulemans et al. 2020).

    python examples/student_teacher.py --seeds 3

The teacher has 6 inputs, four hidden layers of 1000 ReLU units and 2 outputs, the students two
hidden layers of 6 tanh units, as in the authors' code: there for pictures of single updates with
batches of one example, here trained to the end. 400 inputs, uniform in -1 .. 1, teach, 200 test.

Source: Meulemans, Carzaniga, Suykens, Sacramento, Grewe, "A Theoretical Framework for Target
Propagation", 2020, arXiv 2006.14331.
"""

import argparse

import keras
import numpy as np

import dtp_tf
from dtp_tf.rules import BP, DRL, DTP, LDRL, DDTPLinear

INPUTS, HIDDEN, OUTPUTS, TEACHER = 6, (6, 6), 2, (1000,) * 4
# Steps of targets are multiples of the gradient of a mean over the 2 outputs.
RULES = {
    "bp": lambda: BP(),
    "dtp": lambda: DTP(target_step=0.1, noise=0.1),
    "drl": lambda: DRL(target_step=0.1, noise=0.05),
    "ddtp_linear": lambda: DDTPLinear(target_step=0.1, noise=0.05),
    "ldrl": lambda: LDRL(target_step=0.1),
}


def teach(seed, train=400, test=200):
    """Return (inputs, outputs) of the training and of the test examples; outputs have variance 1
    in training."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, size=(train + test, INPUTS))
    h, sizes = x, (INPUTS, *TEACHER, OUTPUTS)
    for below, above in zip(sizes, sizes[1:], strict=False):
        # Glorot normal, three times as large, for a function that bends.
        h = h @ rng.normal(scale=3 * np.sqrt(2 / (below + above)), size=(below, above))
        h = np.maximum(h, 0) if above != OUTPUTS else h
    y = (h - h[:train].mean(axis=0)) / h[:train].std(axis=0)
    x, y = x.astype("float32"), y.astype("float32")
    return (x[:train], y[:train]), (x[train:], y[train:])


def student(rule, seed):
    keras.utils.set_random_seed(seed)
    pairs = [
        dtp_tf.DensePair(units, inverse_first=rule == "ldrl", kernel_initializer="glorot_normal")
        for units in HIDDEN
    ]
    network = dtp_tf.DTPNetwork(
        pairs, OUTPUTS, rule=RULES[rule](), output_activation="linear", seed=seed
    )
    network.compile(keras.optimizers.Adam(3e-3), keras.optimizers.Adam(3e-3))
    return network


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 0")
    parser.add_argument("--rules", nargs="+", default=list(RULES), choices=RULES)
    args = parser.parse_args()
    print("| rule | training error | test error |\n|---|---|---|")
    for rule in args.rules:
        errors = []
        for seed in range(args.seeds):
            (x, y), test = teach(seed)
            network = student(rule, seed)
            network.fit(x, y, batch_size=20, epochs=args.epochs, verbose=0)
            errors.append([network.evaluate(*part, verbose=0)[0] for part in ((x, y), test)])
        mean, spread = np.mean(errors, axis=0), np.std(errors, axis=0)
        cells = [f"{m:.3f} ± {s:.3f}" for m, s in zip(mean, spread, strict=True)]
        print(f"| `{rule}` | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
