"""Presets from networks. See `dtp_tf.presets.folder` for the files."""

import copy
import hashlib
import io
import os
import pathlib

import h5py
import keras
import numpy as np

from dtp_tf.errors import UserError
from dtp_tf.files import json_text, make_folder, remove_half_written, written
from dtp_tf.machines.versions import versions
from dtp_tf.numerics.keras_files import weights_file
from dtp_tf.numerics.precision import exact_config
from dtp_tf.presets.cards import hub_card
from dtp_tf.presets.folder import FORMAT, Preset
from dtp_tf.processes.locks import alone


def save_preset(network, folder, facts, float16=False):
    """Write a network as a preset, in one step.

    Args:
        network: a built `DTPNetwork`; of one with mixed numbers the preset computes in float32.
        folder: must not exist or be empty; its name becomes the preset's.
        facts: what `metadata.json` says beside what the network and the files say themselves; see
            `dtp_tf.presets.cards.model_card`. "class_names" must be there.
        float16: whether to store large arrays of weights in half the bytes.

    Returns:
        The preset's metadata.

    Raises:
        UserError: the folder is in use, or being written by another process, or cannot be written.
    """
    folder = pathlib.Path(os.path.abspath(folder))
    refuse_used(folder)
    make_folder(folder.parent)
    with alone(folder.with_name(f".{folder.name}.lock"), folder):
        refuse_used(folder)  # another process may have been faster
        remove_half_written(folder.parent, folder.name)
        return _write(network, folder, facts, float16)


def _write(network, folder, facts, float16):
    config = exact_config(keras.saving.serialize_keras_object(network))
    image = len(network.example_shape) == 3
    facts = {
        "format_version": FORMAT,
        "name": folder.name,
        **facts,
        "versions": facts.get("versions") or versions(),
        "layers": layers_text(network),
        "image_shape": list(network.example_shape) if image else None,
        "parameters": {
            "forward": _count(network.forward_variables),
            "inverse": sum(
                _count(network.feedback_weights(i)) for i in range(len(network.layers_up))
            ),
        },
        "weights_dtype": "float16" if float16 else "float32",
    }
    weights = _compact(weights_file(_without_training(network, config)), float16)
    names = Preset(folder)
    content = {
        names.config.name: json_text(config).encode("utf-8"),
        names.weights.name: weights.getvalue(),
    }
    facts["files"] = {
        name: {"bytes": len(whole), "sha256": hashlib.sha256(whole).hexdigest()}
        for name, whole in content.items()
    }
    content[names.metadata.name] = json_text(facts).encode("utf-8")
    content[names.card.name] = hub_card(facts).encode("utf-8")
    with written(folder) as temporary:
        temporary.mkdir()
        for name, whole in content.items():
            (temporary / name).write_bytes(whole)
    return facts


def refuse_used(folder):
    """Raise `UserError` if a folder to be written is a file or has something in it."""
    folder = pathlib.Path(folder)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UserError(f"{folder} already exists; choose another folder, or delete it.")


def layers_text(network):
    """Return the sizes of a network's layers, as 784-240-10, or 32x32x3-16x16x32-10."""
    shapes = [network.layers_up[0].below, *(pair.above for pair in network.layers_up)]
    return "-".join("x".join(map(str, shape)) for shape in shapes)


def _without_training(network, config):
    """Return a network with the same weights, but no optimizer and no count of steps."""
    # Keras takes the configurations of functional models apart, in their place.
    config = copy.deepcopy({k: v for k, v in config.items() if k != "compile_config"})
    made = keras.saving.deserialize_keras_object(config)
    for source, target in zip(network.weights, made.weights, strict=True):
        if target is not made.step:
            target.assign(source)
    return made


def _count(variables):
    return sum(int(np.prod(variable.shape)) for variable in variables)


# -- fewer bytes -----------------------------------------------------------------------------------

SMALL = 10_000  # numbers; what halving a smaller array saves is not worth its digits


def _compact(file, float16):
    """Return an HDF5 file with its arrays compressed, and the large ones as float16 if asked to.

    Args:
        file: an open file; what is returned is an `io.BytesIO`.
    """
    compact = io.BytesIO()
    with h5py.File(file, "r") as source, h5py.File(compact, "w") as target:
        target.attrs.update(source.attrs)

        def copy(address, item):
            if isinstance(item, h5py.Group):
                made = target.require_group(address)
            else:
                content = halved(item[()]) if float16 else item[()]
                made = target.create_dataset(address, data=content, **_compression(content))
            made.attrs.update(item.attrs)

        source.visititems(copy)
    return compact


def _compression(array):
    """Return how h5py shall store an array.

    Shuffled, the bytes with the exponents stand together, and one chunk lets gzip see that they are
    alike: a sixth less, where chunks of the default size save a tenth.
    """
    if array.size < SMALL:
        return {}
    return {"chunks": array.shape, "shuffle": True, "compression": "gzip"}


def halved(array):
    """Return an array as float16 if it is a large one of float32."""
    large = array.dtype == np.float32 and array.size >= SMALL
    with np.errstate(over="ignore"):  # too large a number becomes infinite
        return array.astype(np.float16) if large else array
