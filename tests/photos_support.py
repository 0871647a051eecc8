"""Folders of small images such as people have, made here."""

import numpy as np
from PIL import Image


def photo(number, label=0, size=(6, 5)):
    """Return an image of a class: noise of its own, brighter the higher the class's number."""
    draw = np.random.default_rng((number, label))
    pixels = draw.integers(0, 100, (*size, 3)) + 60 * label
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def save(path, image, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def photo_folder(path, count=30, classes=("cat", "dog"), start=0, suffix="bmp", size=(6, 5)):
    """Save photos of each class; BMP has the same bytes everywhere, so that splits are the same."""
    for label, name in enumerate(classes):
        for i in range(start, start + count):
            save(path / name / f"{i:03}.{suffix}", photo(i, label, size))
    return path


def split_folder(path, counts=None, classes=("cat", "dog")):
    """Save photos in folders of splits: {name of the split: photos of each class}."""
    for place, (name, count) in enumerate((counts or {"train": 20, "val": 8, "test": 6}).items()):
        photo_folder(path / name, count, classes, start=1000 * place)
    return path
