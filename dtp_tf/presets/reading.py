"""Networks from presets, and presets from networks. See `dtp_tf.presets` for the files."""

import os
import pathlib

import h5py
import keras
import numpy as np

from dtp_tf.cards import hub_card
from dtp_tf.data import load_data
from dtp_tf.errors import UserError
from dtp_tf.evaluation import predict
from dtp_tf.files import make_folder, read_json, write_json, write_text, written
from dtp_tf.models import SavedModel, load_model
from dtp_tf.presets import FORMAT, Preset, file_hash
from dtp_tf.provenance import versions
from dtp_tf.recipes import RULES
from dtp_tf.runs import Run

# -- loading ---------------------------------------------------------------------------------------


def load_preset(name_or_folder, load_weights=True):
    """Return a preset's network as a `SavedModel`.

    The network is compiled as its recipe says, with optimizers that have not begun. Nothing that
    comes with a preset is run as code.

    Args:
        name_or_folder: a shipped preset's name, or a preset's folder.
        load_weights: whether to load its weights; otherwise they are drawn afresh.

    Raises:
        UserError: there is no such preset, or it is damaged, foreign or of a newer version.
    """
    preset = Preset.find(name_or_folder)
    facts = preset.verified_facts()
    config = read_json(preset.config)
    _refuse_foreign(preset, config, facts)
    compile_config = config.pop("compile_config", None)
    try:
        network = keras.saving.deserialize_keras_object(config)
        if load_weights:
            network.load_weights(preset.weights)
        if compile_config:
            network.compile_from_config(compile_config)
    except (KeyboardInterrupt, MemoryError):
        raise
    except Exception as error:  # HDF5 and Keras each have errors of their own
        reason = " ".join(str(error).split())[:160]
        raise UserError(
            f"preset {preset.path} has a network or weights that do not fit this version of "
            f"dtp_tf ({reason})."
        ) from None
    about = {name: facts.get(name) for name in ("recipe", "class_names", "data", "versions")}
    about = {name: value for name, value in about.items() if value is not None}
    return SavedModel(network, {**about, "preset": facts["name"]})


def _refuse_foreign(preset, config, facts):
    if not isinstance(config, dict) or config.get("registered_name") != "dtp_tf>DTPNetwork":
        raise UserError(f"preset {preset.path} holds no DTPNetwork; dtp_tf loads no other kind.")
    rule = (config.get("config", {}).get("rule") or {}).get("registered_name")
    if rule is None or keras.saving.get_registered_object(rule) is None:
        name = facts.get("rule", rule)
        raise UserError(
            f"preset {preset.path} was trained by the rule {name!r}, which is not in dtp_tf; "
            "import the file that defines and registers it first, or ask for a preset of one of "
            f"{', '.join(RULES)}."
        )


def pretrained_classifier(name_or_folder):
    """Return a preset's forward network alone, as a Keras functional model of stock layers.

    It takes uint8 images `(batch, height, width, channels)` and gives class probabilities, float32
    `(batch, classes)`; `dtp_tf.preset_info` has the names of the classes. Preprocessing is inside.
    What it is saved to, Keras opens without `dtp_tf`.

    Args:
        name_or_folder: a shipped preset's name, or a preset's folder.

    Raises:
        UserError: there is no such preset, or it is damaged, foreign or of a newer version.

    Example:

    >>> import dtp_tf, numpy as np
    >>> classifier = dtp_tf.pretrained_classifier("digits_mlp_dtp")
    >>> classifier.predict(np.zeros((2, 8, 8, 1), "uint8"), verbose=0).shape
    (2, 10)
    """
    return load_preset(name_or_folder).classifier()


# -- saving ----------------------------------------------------------------------------------------


def save_run(path, folder, *, license="apache-2.0", float16=False, data_dir=None, tried=None):
    """Write the best network of a finished run as a preset.

    Args:
        path: the run's folder.
        folder: the preset's, which must not exist or be empty; its name becomes the preset's.
        license: of the weights, as model hubs write it.
        float16: whether to store large arrays of weights in half the bytes; the accuracy on the
            test images, for which the run's data are read, must stay the same.
        data_dir: the folder of TensorFlow Datasets.
        tried: {seed: validation accuracy} of the runs that this one was chosen from.

    Returns:
        The preset's metadata.

    Raises:
        UserError: no finished run, a rule that others do not have, a folder in use, or an accuracy
            that float16 would change.
    """
    run = Run.open(path)
    if not (run.best.exists() and run.metrics.exists()):
        raise UserError(
            f"{path} has no finished training: end it first, with `train --resume {path}`."
        )
    saved, metrics = load_model(run.best), read_json(run.metrics)
    recipe = saved.recipe()
    if recipe.rule not in RULES:
        raise UserError(
            f"{path} was trained by the rule {recipe.rule}, without which no one can load a "
            f"preset; share its {run.classifier.name}, which Keras opens alone, or train by one "
            f"of {', '.join(RULES)}."
        )
    network = saved.model
    if float16:
        _refuse_another_accuracy(network, load_data(recipe, data_dir))
    validation = metrics["validation"]["accuracy"]
    return save_preset(
        network,
        folder,
        {
            "description": (
                f"Classifies images of {saved.about['data']['name']}. A network of "
                f"{layers_text(network)} units ({recipe.activation}), trained by the learning rule "
                f"`{recipe.rule}` of dtp_tf with its recipe `{recipe.recipe}`."
            ),
            "rule": recipe.rule,
            "recipe": recipe.to_dict(),
            "data": saved.about["data"],
            "class_names": saved.class_names,
            "results": {
                **{split: metrics[split] for split in ("test", "validation")},
                "chosen_by": metrics["conditions"]["chosen_by"],
                "best_epoch": metrics["best_epoch"],
                "epochs": metrics["epochs"],
                "interrupted": metrics["interrupted"],
            },
            "seeds": {
                "seed": recipe.seed,
                "validation_accuracy": {
                    str(seed): value for seed, value in (tried or {recipe.seed: validation}).items()
                },
            },
            "versions": saved.about["versions"],
            "license": license,
        },
        float16,
    )


def save_preset(network, folder, facts, float16=False):
    """Write a network as a preset, in one step.

    Args:
        network: a built `DTPNetwork`.
        folder: must not exist or be empty; its name becomes the preset's.
        facts: what `metadata.json` says beside what the network and the files say themselves; see
            `dtp_tf.cards.model_card`. "class_names" must be there.
        float16: whether to store large arrays of weights in half the bytes.

    Returns:
        The preset's metadata.

    Raises:
        UserError: the folder is in use or cannot be written.
    """
    folder = pathlib.Path(os.path.abspath(folder))
    refuse_used(folder)
    make_folder(folder.parent)
    config = keras.saving.serialize_keras_object(network)
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
    with written(folder) as temporary:
        temporary.mkdir()
        preset = Preset(temporary)
        write_json(preset.config, config)
        _without_training(network, config).save_weights(preset.weights)
        _compact(preset.weights, float16)
        facts["files"] = {
            path.name: {"bytes": path.stat().st_size, "sha256": file_hash(path)}
            for path in (preset.config, preset.weights)
        }
        write_json(preset.metadata, facts)
        write_text(preset.card, hub_card(facts))
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
    config = {name: value for name, value in config.items() if name != "compile_config"}
    copy = keras.saving.deserialize_keras_object(config)
    for source, target in zip(network.weights, copy.weights, strict=True):
        if target is not copy.step:
            target.assign(source)
    return copy


def _count(variables):
    return sum(int(np.prod(variable.shape)) for variable in variables)


# -- fewer bytes -----------------------------------------------------------------------------------

SMALL = 10_000  # numbers; what halving a smaller array saves is not worth its digits


def _compact(path, float16):
    """Rewrite the arrays of an HDF5 file compressed, and the large ones as float16 if asked to."""
    whole = path.with_name("whole.h5")
    os.replace(path, whole)
    with h5py.File(whole, "r") as source, h5py.File(path, "w") as target:
        target.attrs.update(source.attrs)

        def copy(address, item):
            if isinstance(item, h5py.Group):
                made = target.require_group(address)
            else:
                content = _halved(item[()]) if float16 else item[()]
                made = target.create_dataset(address, data=content, **_compression(content))
            made.attrs.update(item.attrs)

        source.visititems(copy)
    whole.unlink()


def _compression(array):
    """Return how h5py shall store an array.

    Shuffled, the bytes with the exponents stand together, and one chunk lets gzip see that they are
    alike: a sixth less, where chunks of the default size save a tenth.
    """
    if array.size < SMALL:
        return {}
    return {"chunks": array.shape, "shuffle": True, "compression": "gzip"}


def _halved(array):
    large = array.dtype == np.float32 and array.size >= SMALL
    with np.errstate(over="ignore"):  # too large a number becomes infinite
        return array.astype(np.float16) if large else array


def _refuse_another_accuracy(network, data):
    """Raise `UserError` if large weights as float16 have another accuracy on the test images."""
    labels = data.test.labels
    exact = _correct(network, data.test, labels)
    kept = network.get_weights()
    try:
        network.set_weights([_halved(array).astype(array.dtype) for array in kept])
        halved = _correct(network, data.test, labels)
    finally:
        network.set_weights(kept)
    if halved != exact:
        raise UserError(
            f"float16 would change the accuracy from {exact} to {halved} of the {len(labels)} test "
            "images; save the preset without --float16."
        )


def _correct(network, images, labels):
    """Return how many images a network classifies rightly; scores that are no numbers are wrong."""
    scores = predict(network, images)
    return int(np.sum((scores.argmax(axis=-1) == labels) & np.isfinite(scores).all(axis=-1)))
