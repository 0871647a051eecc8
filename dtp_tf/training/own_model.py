"""A Keras model of the user's as the network of a recipe: its setting `model`.

FILE.py:FUNCTION is run where a call names it; see `dtp_tf.recipes.own_files`. What a run keeps is
the network itself, so that nothing that opens the run needs the file.
"""

import hashlib
import math
import pathlib

import keras

from dtp_tf.data.preprocessing import preprocessing_layer
from dtp_tf.errors import SettingError
from dtp_tf.network.network import DTPNetwork
from dtp_tf.pairs.graph import Graph
from dtp_tf.recipes.own_files import (
    file_digest,
    is_own_file,
    place_key,
    run_own_file,
    told_of_failures,
)
from dtp_tf.runs.models import load_model
from dtp_tf.runs.own_rules import recorded, refuse_changed, refuse_untrusted

_LOADED = {}  # {the key of a place: (function or model, SHA-256)}


def load_own_model(place):
    """Run the file of FILE.py:FUNCTION, or open FILE.keras, before anything else is read.

    Raises:
        SettingError: a file that is missing, fails, or holds nothing that can become a network.
        UserError: a `.keras` file that is missing or damaged.
    """
    path, _, name = place.rpartition(":")
    if is_own_file(place):
        made, digest = run_own_file("model", place)
        if not callable(made):
            raise SettingError(
                f"`model` {place!r}: {path} has no function {name!r} of an input shape and a "
                "number of classes."
            )
    else:
        made, digest = load_model(place).model, _digest(place)
        if isinstance(made, DTPNetwork):
            raise SettingError(
                f"`model` {place!r} is a network of pairs already; start from its weights with "
                "--init, or go on with --resume RUN."
            )
        _check_model(made, place)
    _LOADED[place_key(place)] = made, digest


def resume_own_model(run, place, named):
    """Get the model of a run that is to be resumed, if the run needs it yet.

    Once an epoch is finished the checkpoint has the network, and no file is run; but one that has
    changed is refused.

    Args:
        run: the `Run`.
        place: its recipe's model.
        named: whether the call names the file.

    Raises:
        SettingError: the file has changed, is missing, or must be named by the call.
    """
    if pathlib.Path(place.rpartition(":")[0] if is_own_file(place) else place).is_file():
        digest = file_digest(place, "model") if is_own_file(place) else _digest(place)
        refuse_changed(run, place, digest)
    if run.last.exists():
        _LOADED[place_key(place)] = None, recorded(run, "model")
        return
    if is_own_file(place) and not named:
        refuse_untrusted(run, "model", place)
    load_own_model(place)


def model_facts(place):
    """Return what a run records of its model's file, {"model_sha256": ..}; {} without one."""
    _, digest = _LOADED.get(place_key(place), (None, None)) if place else (None, None)
    return {} if digest is None else {"model_sha256": digest}


def network_of_model(recipe, rule, data):
    """Return the network of a recipe's model, with the recipe's preprocessing below it.

    Raises:
        SettingError: a model for other images or classes, or one that cannot be converted.
    """
    place, classes = recipe.model, len(data.class_names)
    if _LOADED.get(place_key(place), (None, None))[0] is None:
        load_own_model(place)
    model, _ = _LOADED[place_key(place)]
    if is_own_file(place):
        with told_of_failures("model", place):
            model = model(tuple(data.image_shape), classes)
        _check_model(model, place)
    flat = _check_fits(model, place, data)
    _check_scaled_once(model, place, recipe.preprocessing)
    preprocessing = preprocessing_layer(recipe.preprocessing, data.train.images, flat)
    images = keras.Input(data.image_shape, dtype="uint8", name="images")
    whole = keras.Model(images, model(preprocessing(images)), name=model.name)
    try:
        network = DTPNetwork.from_keras(whole, rule=rule, seed=recipe.seed, name="network")
    except SettingError as error:
        raise SettingError(f"`model` {place!r}: {error}") from None
    if network.output_activation != recipe.output_activation:
        raise SettingError(
            f"`model` {place!r} ends with the activation {network.output_activation}, and "
            f"`output_activation` is {recipe.output_activation}; end it with Dense({classes}, "
            f"activation={recipe.output_activation!r}), or change that setting."
        )
    return network


def _check_model(model, place):
    """Raise `SettingError` for what is no classifier of Keras's own layers."""
    if not isinstance(model, keras.Model):
        raise SettingError(
            f"`model` {place!r} must give a Keras model, got {type(model).__name__}."
        )
    shapes = [getattr(model, name, None) if model.built else None
              for name in ("input_shape", "output_shape")]  # fmt: skip
    if not all(isinstance(shape, tuple) and len(shape) > 1 for shape in shapes):
        raise SettingError(
            f"`model` {place!r}: {model.name!r} must be a Sequential or functional model with an "
            "Input, one input and one output."
        )
    foreign = _foreign(keras.saving.serialize_keras_object(model))
    if foreign is not None:
        raise SettingError(
            f"`model` {place!r}: {foreign} is not Keras's own, so that what opens a run would have "
            "to run the file; build the model of Keras's layers and functions."
        )


def _foreign(config):
    """Return the name of the first thing in a configuration that Keras alone does not know."""
    if isinstance(config, (list, tuple)):
        config = dict(enumerate(config))
    if not isinstance(config, dict):
        return None
    known = str(config.get("module") or "keras").split(".")[0] in ("keras", "builtins")
    name = config.get("registered_name") or config.get("class_name")
    own = ">" in str(config.get("registered_name")) or name in ("Lambda", "__lambda__")
    if "class_name" in config and (own or not known):
        return f"{name} {(config.get('config') or {}).get('name', '')}".rstrip()
    return next((found for one in config.values() if (found := _foreign(one))), None)


def _check_fits(model, place, data):
    """Return whether a model takes flat inputs; raise `SettingError` if it is for other data."""
    shape, image = model.input_shape[1:], tuple(data.image_shape)
    if shape not in (image, (math.prod(image),)):
        raise SettingError(
            f"`model` {place!r} takes inputs of {_text(shape)}, and the images of {data.name} are "
            f"{_text(image)}; give it such an Input, or choose another `image_size`."
        )
    classes = len(data.class_names)
    if model.output_shape[1:] != (classes,):
        raise SettingError(
            f"`model` {place!r} gives {_text(model.output_shape[1:])} numbers, and {data.name} has "
            f"{classes} classes; end it with Dense({classes}, activation='softmax')."
        )
    return shape != image


def _check_scaled_once(model, place, preprocessing):
    """Raise `SettingError` for a model that scales pixels which the recipe scales already."""
    for step in Graph(model).steps:
        scales = isinstance(step.layer, (keras.layers.Rescaling, keras.layers.Normalization))
        if getattr(step.layer, "weights", ()) and not scales:
            return
        if scales and preprocessing != "raw":
            raise SettingError(
                f"`model` {place!r} scales its inputs by its layer {step.layer.name!r}, and "
                f"`preprocessing` {preprocessing} scales pixels, too; take `preprocessing` raw "
                "for pixels from 0 to 255, or leave that layer out."
            )


def _text(shape):
    return "x".join("?" if size is None else str(size) for size in shape)


def _digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
