"""Trains small networks by every rule and schedule on one device, on two, or as one of two workers.

    python tests/machines/replicated.py mirrored|multiworker OUT.npz [CASE ...]

The file gets all weights, optimizer states and metrics, `CASE/NAME`. TF_CONFIG says which worker.
"""

import sys

import keras
import numpy as np
import tensorflow as tf

import dtp_tf
from dtp_tf.rules import BY_NAME
from dtp_tf.rules.base import PASSES

INPUTS, WIDTHS, CLASSES, BATCH, BATCHES = 5, (6, 4), 3, 8, 2
TRAINED = [name for name, rule in BY_NAME.items() if rule.trains_feedback]

# name: rule, its settings, those of the pairs, whether each inverse has an optimizer of its own
CASES = {rule: (rule, {}, {}, False) for rule in BY_NAME if rule not in TRAINED}
for _rule in TRAINED:
    for _schedule in PASSES:
        _steps = 2 if _schedule == "inverse-first" else 1
        _settings = {"schedule": _schedule, "inverse_steps": _steps}
        if BY_NAME[_rule].takes_noise:
            _settings["noise"] = 0.3
        if _rule == "ao_sdtp":
            _settings["auxiliary_units"] = 16
        if _rule == "ddtp_rhl":  # a thousand random features are for rounding to add up in
            _settings |= {"feedback_units": 16, "target_step": 0.3}
        CASES[f"{_rule} {_schedule}"] = (_rule, _settings, {}, False)
CASES["ldrl many"] = (
    "ldrl", {"noise": [0.3, 0.2], "inverse_steps": [2, 1]}, {"inverse_first": True}, True,
)  # fmt: skip
CASES["dtp sample"] = (
    "dtp", {"noise": 0.3}, {"transmission": "sample", "activation": "sigmoid"}, False,
)  # fmt: skip
CASES["dtp bfloat16"] = ("dtp", {"noise": 0.3}, {"dtype": "mixed_bfloat16"}, False)


def dealt():
    """The cases that replicas try, and those that workers try: every rule, and every schedule.

    Cases of a rule that has several are dealt out in turn; a rule's only case is everybody's.
    """
    hands = [], []
    for i, case in enumerate(CASES):
        alone = len([one for one in CASES if CASES[one][0] == CASES[case][0]]) == 1
        for number, hand in enumerate(hands):
            if alone or i % 2 == number:
                hand.append(case)
    return hands


def build(case):
    """A compiled network, in the scope of the strategy."""
    rule, settings, of_pairs, many = CASES[case]
    keras.utils.set_random_seed(0)
    first = {"dtype": of_pairs["dtype"]} if "dtype" in of_pairs else {}
    pairs = [
        dtp_tf.DensePair(units, **(of_pairs if i else first)) for i, units in enumerate(WIDTHS)
    ]
    network = dtp_tf.DTPNetwork(
        pairs,
        CLASSES,
        rule=BY_NAME[rule](**settings),
        output_transmission=of_pairs.get("transmission", "continuous"),
    )
    network.build((None, INPUTS))
    inverse = [keras.optimizers.SGD(0.05, momentum=0.5) for _ in range(2 if many else 1)]
    network.compile(keras.optimizers.Adam(0.01), inverse if many else inverse[0], run_eagerly=True)
    return network


def train(case, strategy):
    """Return every number that an epoch leaves, by name."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(BATCHES, BATCH, INPUTS)).astype("float32")
    y = rng.integers(CLASSES, size=(BATCHES, BATCH))
    weights = rng.uniform(0.5, 2, size=(BATCHES, BATCH)).astype("float32")
    with strategy.scope():
        network = build(case)
        network.build_metrics(x[0], y[0])

    def rows(batch):
        """Each replica's rows of a global batch."""

        def of_replica(context):
            size = BATCH // context.num_replicas_in_sync
            start = context.replica_id_in_sync_group * size
            return tuple(tf.constant(one[batch, start : start + size]) for one in (x, y, weights))

        return strategy.experimental_distribute_values_from_function(of_replica)

    for phase in network.rule.passes:
        network.set_phase(phase)
        network.reset_metrics()
        for batch in range(BATCHES):
            names = strategy.run(network.train_step, args=(rows(batch),))
    results = network.get_metrics_result()
    found = {f"metric {name}": float(results[name]) for name in names}
    optimizers = [network.optimizer]
    if network.inverse_variables:
        inverse = network.inverse_optimizer
        optimizers += inverse if isinstance(inverse, list) else [inverse]
    variables = [*network.weights, *(v for one in optimizers for v in one.variables)]
    # Names count what Keras has made in this process before.
    found |= {f"variable {i}": v.numpy() for i, v in enumerate(variables)}
    return found


def train_all(strategy, cases):
    """Return the numbers of these cases by `CASE/NAME`."""
    return {f"{case}/{k}": v for case in cases for k, v in train(case, strategy).items()}


if __name__ == "__main__":
    kind, path, *cases = sys.argv[1:]
    if kind == "mirrored":
        cpu = tf.config.list_physical_devices("CPU")[0]
        replica = tf.config.LogicalDeviceConfiguration()
        tf.config.set_logical_device_configuration(cpu, [replica, replica])
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    else:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    results = train_all(strategy, cases or CASES)
    np.savez(path, **{name.replace("/", "|"): one for name, one in results.items()})
