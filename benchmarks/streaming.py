"""Make large sets, and measure how much memory and time a training on them takes.

    python benchmarks/streaming.py records --out DIR            # 200,000 JPEGs of 64x64
    python benchmarks/streaming.py photos --out DIR             # 5,000 JPEGs of 12 megapixels
    python benchmarks/streaming.py read --image-folder DIR/photos --images 80
    python benchmarks/streaming.py train cifar10 --in-memory no --epochs 2

`read` reads streamed images of a folder, resized to 64x64, first from the disk and then as they
were kept, and prints JSON: milliseconds an image, and how many cores it kept busy. `train` runs
`cli.py train` with all words that follow, in a process of its own and without an export, and
prints JSON: the peak of its memory, its seconds, how many cores it kept busy, and the images per
second and the weights' SHA-256 of its log and its last checkpoint.
"""

import csv
import hashlib
import io
import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import click
import numpy as np
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from dtp_tf.benchmarking.memory import largest_memory_gb  # noqa: E402

CLASSES = 10
PER_FILE = 20_000  # records


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main():
    """Make large sets, and measure trainings on them."""


@main.command()
@click.option("--out", type=click.Path(file_okay=False, path_type=pathlib.Path), required=True)
@click.option("--images", default=200_000, show_default=True)
@click.option("--side", default=64, show_default=True, help="Of an image, in pixels.")
def records(out, images, side):
    """Write TFRecord files of JPEGs."""
    import tensorflow as tf

    out.mkdir(parents=True, exist_ok=True)
    for start in range(0, images, PER_FILE):
        with tf.io.TFRecordWriter(str(out / f"{start // PER_FILE:04}.tfrecord")) as writer:
            for number in range(start, min(start + PER_FILE, images)):
                label = number % CLASSES
                features = {
                    "image": tf.train.Feature(
                        bytes_list={"value": [_jpeg(number, label, (side, side))]}
                    ),
                    "label": tf.train.Feature(int64_list={"value": [label]}),
                }
                example = tf.train.Example(features=tf.train.Features(feature=features))
                writer.write(example.SerializeToString())


@main.command()
@click.option("--out", type=click.Path(file_okay=False, path_type=pathlib.Path), required=True)
@click.option("--images", default=5_000, show_default=True)
@click.option("--height", default=3_000, show_default=True)
@click.option("--width", default=4_000, show_default=True)
def photos(out, images, height, width):
    """Write a folder of JPEGs: one of each class, with different bytes after its end."""
    for label in range(CLASSES):
        folder = out / f"class-{label}"
        folder.mkdir(parents=True, exist_ok=True)
        content = _jpeg(label, label, (height, width))
        for number in range(label, images, CLASSES):
            (folder / f"{number:05}.jpg").write_bytes(content + number.to_bytes(4, "big"))


def _jpeg(number, label, size):
    """Return the bytes of an image of a class: smooth noise, brighter the higher the class."""
    draw = np.random.default_rng((number, label))
    small = draw.integers(0, 120, (8, 8, 3)) + 13 * label
    image = Image.fromarray(small.astype(np.uint8)).resize(size[::-1], Image.Resampling.BICUBIC)
    grain = draw.integers(0, 12, (*size, 1), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(np.asarray(image) // 2 + grain + 40).save(content, "JPEG", quality=90)
    return content.getvalue()


@main.command()
@click.option("--image-folder", type=click.Path(exists=True, file_okay=False), required=True)
@click.option("--images", default=80, show_default=True)
def read(image_folder, images):
    """Time the reading of streamed images."""
    from dtp_tf.data.sets import load_data
    from dtp_tf.recipes.recipe import recipe

    settled = recipe("cifar10", image_folder=image_folder, image_size=(64, 64))
    streamed = load_data(settled, in_memory="no").train.images
    count, found = min(images, len(streamed)), {}
    for place in ("disk", "kept"):
        start, used = time.perf_counter(), time.process_time()
        streamed[:count]
        seconds = time.perf_counter() - start
        found[place] = {
            "milliseconds": round(1000 * seconds / count, 4),
            "busy_cores": round((time.process_time() - used) / seconds, 2),
        }
    print(json.dumps({"images": count, **found}, indent=2))


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def train(words):
    """Train as `cli.py train WORDS` does, and print what it took."""
    with tempfile.TemporaryDirectory() as home:
        run = pathlib.Path(home) / "run"
        command = [sys.executable, str(ROOT / "cli.py"), "train", *words]
        start = time.perf_counter()
        done = subprocess.run([*command, "--no-export", "--run-dir", str(run)], text=True,
                              stdout=subprocess.PIPE)  # fmt: skip
        seconds = time.perf_counter() - start
        if done.returncode:
            sys.exit(done.returncode)
        with open(run / "log.csv", newline="", encoding="utf-8") as file:
            log = list(csv.DictReader(file))
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        reading = [line for line in done.stdout.splitlines() if line.startswith("images ")]
        print(json.dumps({
            "reading": " ".join(" ".join(reading).split()[1:]),
            "peak_memory_gb": round(largest_memory_gb(resource.RUSAGE_CHILDREN), 3),
            "seconds": round(seconds, 1),
            "busy_cores": round((used.ru_utime + used.ru_stime) / seconds, 2),
            "images_per_second": [round(float(row["images_per_second"])) for row in log],
            "epoch_seconds": [round(float(row["seconds"]), 1) for row in log],
            "validation_accuracy": [float(row["val_accuracy"]) for row in log],
            "weights_sha256": weights_hash(run / "classifier.keras"),
        }, indent=2))  # fmt: skip


def weights_hash(path):
    """Return the SHA-256 of the weights in a `.keras` file, wherever it was written."""
    import zipfile

    import h5py

    digest = hashlib.sha256()
    with zipfile.ZipFile(path) as archive:
        content = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(content, "r") as file:
        arrays = {}
        file.visititems(
            lambda name, item: arrays.update({name: item[()]})
            if isinstance(item, h5py.Dataset) else None
        )  # fmt: skip
    for name in sorted(arrays):
        digest.update(name.encode() + arrays[name].tobytes())
    return digest.hexdigest()


if __name__ == "__main__":
    main()
