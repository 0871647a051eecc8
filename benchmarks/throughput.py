"""Measure how fast a clone of this repository trains on this machine.

    python benchmarks/throughput.py --json > throughput.json

It is the command `benchmark` with the same options.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from dtp_tf.commands.benchmark import benchmark  # noqa: E402

if __name__ == "__main__":
    benchmark()
