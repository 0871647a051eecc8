"""What a folder of images has in it: its classes, its splits, and what is left out of it and why.

Nothing is opened here; files are told by their names.
"""

import dataclasses
import os
import pathlib

from PIL import Image

from dtp_tf.data.class_names import check_class_names
from dtp_tf.data.image_files import FORMATS, known_formats
from dtp_tf.errors import UserError

#: The names that folders of splits have, in any case.
SPLITS = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
SPLIT_OF = {name: split for split, names in SPLITS.items() for name in names}
# What file systems, cameras and servers leave among the photos, thumbnails above all.
_OF_SYSTEMS = frozenset(
    "@eadir @recycle @tmp #recycle #snapshot $recycle.bin .@__thumb .ds_store .thumbnails "
    ".thumbs .trashes .appledouble __macosx desktop.ini ehthumbs.db lost+found thumbs.db".split()
) | {"system volume information"}
# Of formats that Pillow knows by these names only where a decoder is installed.
_NEEDING_DECODERS = {".avif": "AVIF", ".heic": "HEIF", ".heif": "HEIF", ".hif": "HEIF"}
SYSTEM, HIDDEN, OTHER, LINK, OUTSIDE, LEAK = (
    "thumbnails or other files of a system",
    "hidden",
    "no images by their names",
    "in folders that links lead to",
    "outside of the class folders",
    "identical to images of another split",
)


@dataclasses.dataclass(frozen=True)
class FoundFolder:
    """The images below a folder, by their names.

    Attributes:
        path: the folder.
        class_names: sorted.
        images: {split: [(path, label)]}, in the order of the classes and of the paths; the split
            is None where the folder has classes at once.
        left_out: {reason: [paths]} of all other files.
    """

    path: pathlib.Path
    class_names: list
    images: dict
    left_out: dict


def find_images(folder):
    """Return the `FoundFolder` of a folder with a subfolder for each class, or for each split.

    Folders of splits are called `train`, `val` or `validation`, and `test`, in any case, and have
    the class folders in them.

    Raises:
        UserError: no such folder, one that cannot be read, fewer than two classes, a class without
            images or with a name that cannot be used, or splits that do not fit together.
    """
    folder, left_out = pathlib.Path(folder), {}
    try:
        return _found(folder, left_out)
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(
            f"image folder {folder} is not a folder; give one with a subfolder for each class."
        ) from None
    except OSError as error:
        raise UserError(f"folder {error.filename} cannot be read: {error.strerror}.") from None


def _found(folder, left_out):
    folders = _subfolders(folder, left_out)
    if not _looks_split(folders):
        names, images = _of_classes(folder, folders, left_out)
        return FoundFolder(folder, names, {None: images}, left_out)
    by_split = _split_folders(folder, folders)
    classes = {split: _subfolders(path, left_out) for split, path in by_split.items()}
    _check_classes_agree(by_split, classes)
    names, images = None, {}
    for split, path in by_split.items():
        names, images[split] = _of_classes(path, classes[split], left_out, split == "train")
    return FoundFolder(folder, names, images, left_out)


# -- splits ----------------------------------------------------------------------------------------


def _looks_split(folders):
    """Whether folders are of splits and not of classes.

    A class may be called `train`, as that of a vehicle: then it has images in it, and no folders.
    """
    named = [path for path in folders if path.name.lower() in SPLIT_OF]
    return bool(named) and (
        len(named) == len(folders) or any(_subfolders(path, {}) for path in named)
    )


def _split_folders(folder, folders):
    """Return the folder of each split, the training one first."""
    seen = ", ".join(f"{path.name}/" for path in folders)
    found = {}
    for path in folders:
        split = SPLIT_OF.get(path.name.lower())
        if split is None:
            raise UserError(
                f"image folder {folder} has {seen}, of which {path.name}/ is no split; give a "
                "folder of train/, val/ and test/ alone, or one of classes alone."
            )
        if split in found:
            raise UserError(
                f"image folder {folder} has {seen}, of which {found[split].name}/ and "
                f"{path.name}/ are the same split; keep one of them."
            )
        found[split] = path
    if "train" not in found:
        raise UserError(
            f"image folder {folder} has {seen} and no train/; give the folder above the splits "
            "with the training images too."
        )
    return {split: found[split] for split in SPLITS if split in found}


def _check_classes_agree(by_split, classes):
    wanted = {path.name for path in classes["train"]}
    for split, path in by_split.items():
        names = {one.name for one in classes[split]}
        if not names:
            raise UserError(
                f"{path} has no class folders, as the folder of a split has; put its images into "
                "one subfolder for each class."
            )
        for here, there, missing in (
            (by_split["train"], path, wanted - names), (path, by_split["train"], names - wanted)
        ):
            if missing:
                raise UserError(
                    f"the classes of the splits differ: {here} has {_some(missing)}, {there} has "
                    "not; each split needs a folder for every class, with the same name."
                )


# -- classes ---------------------------------------------------------------------------------------


def _of_classes(folder, classes, left_out, needed=True):
    """Return the names of the class folders in a folder, and [(path, label)] of their images."""
    if len(classes) < 2:
        raise UserError(
            f"image folder {folder} has {len(classes)} subfolder(s); it needs one for each of at "
            "least two classes."
        )
    names = [path.name for path in classes]
    check_class_names(names, f"image folder {folder}")
    images = []
    for label, path in enumerate(classes):
        found = _images(path, left_out)
        if needed and not found:
            raise UserError(f"class folder {path} has no images; add some or remove it.")
        images += [(one, label) for one in found]
    return names, images


def _subfolders(folder, left_out):
    """Return the folders in a folder of classes or splits; files beside them are left out."""
    found = []
    for path in _entries(folder, left_out):
        if path.is_dir():
            found.append(path)
        else:
            left_out.setdefault(OUTSIDE, []).append(path)
    return found


def _images(folder, left_out):
    """Return the paths below a folder that are images by their names, sorted."""
    found = []
    for path in _entries(folder, left_out):
        kind = _kinds().get(path.suffix.lower())
        if path.is_dir():
            if path.is_symlink():  # a link may lead in circles
                left_out.setdefault(LINK, []).append(path)
            else:
                found += _images(path, left_out)
        elif kind is None:
            left_out.setdefault(OTHER, []).append(path)
        elif kind in (*known_formats(), "MPO", "HEIF", "AVIF"):  # MPO: the JPEG of some cameras
            found.append(path)
        else:
            raise UserError(
                f"image {path} is of a kind that is not read, {kind}; make it one of "
                f"{', '.join(FORMATS)}, or remove it."
            )
    return sorted(found)


def _kinds():
    """Return the format of each suffix that an image may have."""
    known_formats()  # which may make Pillow learn some
    known = Image.registered_extensions().items()
    return {**_NEEDING_DECODERS, **{end: kind for end, kind in known if kind in Image.OPEN}}


def _entries(folder, left_out):
    """Return the paths in a folder, sorted, without what is hidden or of a system."""
    shown = []
    for name in sorted(os.listdir(folder)):
        path, reason = folder / name, None
        if name.lower() in _OF_SYSTEMS or name.startswith("._"):  # ._: macOS, on foreign disks
            reason = SYSTEM
        elif name.startswith("."):
            reason = HIDDEN
        if reason is None:
            shown.append(path)
        else:
            left_out.setdefault(reason, []).extend(_files(path))
    return shown


def _files(path):
    """Return the files that a path is, or has below it."""
    if path.is_symlink() or not path.is_dir():
        return [path]
    return [pathlib.Path(top, name) for top, _, files in os.walk(path) for name in files]


def _some(names):
    shown = sorted(names)
    return ", ".join(shown[:3]) + (f" and {len(shown) - 3} more" if len(shown) > 3 else "")
