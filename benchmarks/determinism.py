"""Count how many runs of one seed, each in a process of its own, end with the same bits.

    python benchmarks/determinism.py --runs 21 -- digits --epochs 3
    python benchmarks/determinism.py --runs 21 -- digits --epochs 3 --deterministic

What stands behind `--` is given to `python cli.py train`.
"""

import collections
import hashlib
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import click

ROOT = pathlib.Path(__file__).resolve().parent.parent


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--runs", type=click.IntRange(min=2), default=21, show_default=True)
@click.argument("arguments", nargs=-1)
def main(runs, arguments):
    """Train several times with the same ARGUMENTS and compare weights and optimizer states."""
    counts = collections.Counter()
    for number in range(1, runs + 1):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, str(ROOT / "cli.py"), "train", *arguments]
            command += ["--no-export", "--run-dir", folder]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            counts[state_hash(pathlib.Path(folder) / "last.keras")] += 1
        print(f"{number} runs: {len(counts)} different end(s), {max(counts.values())} alike")


def state_hash(path):
    """Return a hash of all arrays in a `.keras` file, in the order of their names."""
    import h5py

    digest = hashlib.sha256()

    def add(name, item):
        if isinstance(item, h5py.Dataset):
            digest.update(name.encode())
            digest.update(item[()].tobytes())

    with zipfile.ZipFile(path) as archive, archive.open("model.weights.h5") as file:
        with h5py.File(file, "r") as weights:
            weights.visititems(add)
    return digest.hexdigest()


if __name__ == "__main__":
    main()
