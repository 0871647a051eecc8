"""What a result came from: the data, and what a model card says of it."""

import hashlib

from dtp_tf.errors import UserError
from dtp_tf.runs.image_list import differences, read_images_list, rows


def fingerprint(data):
    """Return what tells one set of data from another.

    Of a folder of images, or of records, "content_sha256" is the hash of what the images are, in
    which split and class, and of a folder "names_sha256" that of how they are called. Of a set of
    TFDS, "named" is what its own description says of its files.
    """
    facts = {
        "name": data.name,
        "image_shape": list(data.image_shape),
        "classes": len(data.class_names),
        "training_images": len(data.train),
        "validation_images": len(data.validation),
        "test_images": None if data.test is None else len(data.test),
        "test_origin": data.test_origin,
    }
    if data.records is not None:
        facts["content_sha256"] = data.records.content_sha256
    if data.named is not None:
        facts["named"] = data.named
    if data.folder is None:
        return facts
    found = rows(data)
    return {
        **facts,
        "content_sha256": _hash(found, ("split", "class", "bytes", "sha256")),
        "names_sha256": _hash(found, ("split", "path")),
        "left_out": {reason: len(paths) for reason, paths in data.folder.left_out.items()},
    }


def _hash(found, columns):
    lines = sorted("\t".join(row[name] for name in columns) for row in found)
    return hashlib.sha256("\n".join(lines).encode("utf-8", "backslashreplace")).hexdigest()


def changes(before, data, images=None):
    """Say in one clause in what data are not those of a training; "" if they are.

    Args:
        before: the training's `fingerprint`.
        data: `ImageData`, perhaps without a test split.
        images: the training's `images.csv`, if there is one.

    Raises:
        UserError: `images` is damaged.
    """
    now = fingerprint(data)
    if data.folder is not None:
        if "content_sha256" not in before:
            return (
                "its splits were drawn by an older version, by the order of the files, so that "
                "images that it trained on may be in other splits"
            )
        hashes = ("content_sha256", "names_sha256")
        if images is not None and any(before[name] != now[name] for name in hashes):
            said = differences(read_images_list(images), rows(data))
            if said:
                return said
        if before["content_sha256"] == now["content_sha256"]:
            return "files were renamed" if before["names_sha256"] != now["names_sha256"] else ""
    return fact_changes(before, now)


def fact_changes(before, now):
    """Say in one clause in what one `fingerprint` differs from another; "" if it does not.

    What only one of them knows does not count.
    """
    if before.get("named") and now.get("named"):
        said = _named_changes(before["named"], now["named"])
        if said:
            return said
    for name, value in before.items():
        if name in ("test_origin", "left_out", "named") or value is None or now.get(name) is None:
            continue
        if value != now[name] and name == "content_sha256":
            return "some of its images, their classes or their splits are others"
        if value != now[name]:
            return f"{name} was {value}, is {now[name]}"
    return ""


def _named_changes(before, now):
    """Say in what a set of TFDS, by its own description, is not what it was."""
    parts = []
    if before["version"] != now["version"]:
        parts.append(f"its version was {before['version']}, is {now['version']}")
    for name, was in before["splits"].items():
        split = now["splits"].get(name)
        if split is None:
            parts.append(f"its {name} split is gone")
        elif _size(was) != _size(split):
            parts.append(f"its {name} split had {_size(was)}, has {_size(split)}")
        elif was != split:
            parts.append(f"its {name} split is divided otherwise into {was['shards']:,} shards")
    return ", ".join(parts)


def _size(split):
    examples, size, shards = (split[name] for name in ("examples", "bytes", "shards"))
    return f"{examples:,} examples of {size:,} bytes in {shards:,} shard(s)"


def card_facts(about, data, test):
    """Return what a model card says of a trained network, see `dtp_tf.presets.cards.model_card`.

    Args:
        about: of its `SavedModel`.
        data: the `fingerprint` of the data that it was trained on.
        test: its report on their test split.
    """
    history = about.get("history")  # a classifier without its run has none
    return {
        "recipe": about["recipe"],
        "data": data,
        "results": {"test": test, "best_epoch": None if history is None else len(history)},
        "versions": about.get("versions"),
    }


def refuse_or_warn(text, advice, anyway, console):
    """Raise `UserError` of data that have changed, or with `anyway` say it on the console.

    Args:
        text: what has changed.
        advice: what to do, without --anyway.
        anyway: whether to go on.
        console: where a person reads; not needed without `anyway`.
    """
    if not anyway:
        raise UserError(f"{text}; {advice}, or add --anyway where that does not matter.")
    console.print(f"warning: {text}", markup=False)
