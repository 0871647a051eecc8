"""`.keras` files with what is needed to use them: recipe, class names, training state."""

import contextlib
import dataclasses
import json
import zipfile

import keras

from dtp_tf.errors import SettingError, UserError
from dtp_tf.files import check_regular, read_entry, refuse_packed, written
from dtp_tf.network.network import DTPNetwork
from dtp_tf.numerics.keras_files import KerasFile
from dtp_tf.presets.facts import CLASS_NAMES, DATA, NETWORK, SETTINGS, VERSIONS
from dtp_tf.recipes.recipe import RULES, Recipe
from dtp_tf.rules import find_rule
from dtp_tf.rules.own import require_loaded
from dtp_tf.schema import (
    COUNT,
    DURATION,
    NUMBER,
    POSITIVE,
    TEXT,
    by_name,
    listed,
    mapping,
    maybe,
    parse_json,
)

ENTRY = "dtp_tf.json"  # Keras leaves further entries of its zip file alone
LOG = {
    **mapping({"val_loss": NUMBER, "val_accuracy": NUMBER}),
    "additionalProperties": NUMBER,
}
_ABOUT = {
    "recipe": SETTINGS,
    "class_names": CLASS_NAMES,
    "data": DATA,
    "versions": VERSIONS,
    "history": listed(LOG),
}
ABOUT = mapping({}, {**_ABOUT, "history": listed(by_name(NUMBER)), "preset": TEXT})
# What `dtp_tf.training.unfinished` says of an epoch that goes on.
UNFINISHED = {
    **mapping(
        {
            **dict.fromkeys(("steps", "all_passes"), POSITIVE),
            **dict.fromkeys(("passes", "done"), COUNT),
            "seconds": DURATION,
            **dict.fromkeys(("logs", "forward"), by_name(NUMBER)),
            "rates": listed(maybe(NUMBER)),
            "metrics": listed(listed(NUMBER)),
        }
    ),
    "additionalProperties": False,
}
CHECKPOINT = mapping(_ABOUT, {"unfinished": UNFINISHED})  # what training goes on with


@dataclasses.dataclass(frozen=True)
class SavedModel:
    """A model from a `.keras` file.

    Attributes:
        model: the Keras model; takes uint8 images if `about` is not empty.
        about: recipe, class names, versions and training state; empty for a file that was not
            written by `save_model`.
    """

    model: keras.Model
    about: dict

    @property
    def class_names(self):
        """One name per class; their numbers where the file has none."""
        names = self.about.get("class_names")
        return list(names) if names else [str(i) for i in range(self._classes())]

    @property
    def gives_probabilities(self):
        """Whether the model's scores of classes are probabilities, and not any numbers."""
        if isinstance(self.model, DTPNetwork):
            return self.model.output_activation != "linear"
        return self.about.get("recipe", {}).get("output_activation") != "linear"

    @property
    def preset(self):
        """The name of the preset that the model comes from; None for another model."""
        return self.about.get("preset")

    def recipe(self):
        """Return the `Recipe` that the model was trained with.

        Raises:
            UserError: the file does not say.
        """
        if "recipe" not in self.about:
            raise UserError(
                "the model does not say what data it was trained on; use one that `train` wrote."
            )
        try:
            return Recipe.from_dict(self.about["recipe"])
        except SettingError as error:
            raise UserError(f"the model's recipe does not fit this version: {error}") from None

    def checked(self, path):
        """Return this model, if it is one of examples -> scores of classes, with a name for each.

        Args:
            path: where it comes from.

        Raises:
            UserError: it is not.
        """
        classes, names = self._classes(), self.about.get("class_names")
        if classes is None:
            raise UserError(
                f"model {path} is no classifier: it must be built, and have one input and one "
                "output, (batch, classes)."
            )
        if names is not None and len(names) != classes:
            raise UserError(
                f"model {path} has {classes} classes, but {len(names)} names of classes."
            )
        if isinstance(self.model, DTPNetwork):
            self._try(path, classes)
        return self

    def _try(self, path, classes):
        """Answer for one example, for the layers of a damaged network may each be sound and not
        fit each other."""
        try:
            answer = self.model(keras.ops.zeros((1, *self.model.example_shape)))
            fits = tuple(answer.shape) == (1, classes)
        except Exception:  # Keras's and TensorFlow's, of every kind
            fits = False
        if not fits:
            raise UserError(
                f"model {path} is damaged: its layers do not lead from examples of shape "
                f"{tuple(self.model.example_shape)} to {classes} classes."
            )

    def _classes(self):
        """Return how many classes the model tells apart, None if it does not."""
        model = self.model
        if isinstance(model, DTPNetwork):
            # Keras marks layers as built of which a damaged file does not say the shapes.
            whole = model.built and all(hasattr(pair, "below") for pair in model.layers_up)
            return model.units if whole else None
        if not isinstance(model, keras.Model) or not model.built:
            return None
        ends = (getattr(model, name, None) for name in ("input_shape", "output_shape"))
        plain = all(isinstance(one, tuple) and len(one) > 1 for one in ends)
        return model.output_shape[-1] if plain and len(model.output_shape) == 2 else None

    def image_shape(self):
        """Return the (height, width, channels) that the model takes.

        Raises:
            UserError: it takes no images.
        """
        shape = self._example_shape()
        if len(shape) != 3 or None in shape or shape[-1] not in (1, 3):
            raise UserError(f"the model takes inputs of shape {tuple(shape)}, which are no images.")
        return shape

    def classifier(self):
        """Return the forward network alone, in stock Keras layers, for uint8 images."""
        if isinstance(self.model, DTPNetwork):
            # Without preprocessing, inputs are numbers of any kind.
            return self.model.classifier("float32" if self.model.preprocessing is None else "uint8")
        return self.model

    def check_fits(self, data):
        """Raise `UserError` if the model is not for such images or such classes."""
        shape = self._example_shape()
        if tuple(shape) != tuple(data.image_shape):
            raise UserError(
                f"the model takes images of {tuple(shape)}, those of {data.name} are "
                f"{tuple(data.image_shape)}."
            )
        if self.class_names != list(data.class_names):
            raise UserError(f"the model's classes are not those of {data.name}.")

    def _example_shape(self):
        if isinstance(self.model, DTPNetwork):
            return self.model.example_shape
        return self.model.input_shape[1:]


def save_model(model, path, about):
    """Write a `.keras` file in one step, with `about` (JSON types) beside Keras's own entries.

    It takes the place of an older one only after it was read back.

    Raises:
        UserError: the folder cannot be written; the older file stays.
    """
    with written(path) as temporary:
        with KerasFile(temporary) as file:
            keras.saving.save_model(model, file)
            with zipfile.ZipFile(file, "a") as archive:
                archive.writestr(ENTRY, json.dumps(about))
                entries = archive.namelist()
        _check_archive(temporary, entries)


def _check_archive(path, entries):
    """Raise `OSError` if a zip file on the disk has not all of its entries, each whole."""
    try:
        with zipfile.ZipFile(path) as archive:
            whole = archive.namelist() == entries and archive.testzip() is None
    except zipfile.BadZipFile:
        whole = False
    if not whole:
        raise OSError("the disk does not give back what was written to it")


def load_model(path, rule=None):
    """Read a `.keras` file. Nothing that it names is run.

    Args:
        path: of the file.
        rule: FILE.py:CLASS, the user's own rule that the model was trained by. Its file is run. It
            need not be given where this process has run it before.

    Returns:
        A `SavedModel`.

    Raises:
        UserError: a file that is missing, damaged or no Keras model.
        SettingError: a learning rule from a file that the call does not name.
    """
    if rule is not None:
        find_rule(rule)
    with _reading(path):
        check_regular(path)
        with zipfile.ZipFile(path) as archive:
            about = _about(archive)
            config = parse_json(
                read_entry(archive, "config.json"), "config.json", NETWORK, nan=True
            )
        place = about.get("recipe", {}).get("rule", "dtp")
        if place not in RULES and config["class_name"] == DTPNetwork.__name__:
            require_loaded(place, config["config"]["rule"]["registered_name"], f"model {path}")
        saved = SavedModel(keras.saving.load_model(path), about)
    return saved.checked(path)


def read_about(path):
    """Return the `about` of a `.keras` file, without its model.

    Raises:
        UserError: the file is missing or damaged.
    """
    with _reading(path):
        check_regular(path)
        with zipfile.ZipFile(path) as archive:
            return _about(archive)


def _about(archive):
    refuse_packed(archive)
    if ENTRY not in archive.namelist():
        return {}
    return parse_json(read_entry(archive, ENTRY), ENTRY, ABOUT)


@contextlib.contextmanager
def _reading(path):
    """Turn errors of all kinds while a `.keras` file is read into a sentence."""
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"model {path} does not exist.") from None
    except (KeyboardInterrupt, SettingError):
        raise
    except Exception as error:  # zip, HDF5, JSON and Keras each have errors of their own
        if isinstance(error, OSError) and error.strerror:  # the system's: no permission, full disk
            raise UserError(f"model {path} cannot be read: {error.strerror}.") from None
        reason = " ".join(str(error).split())[:160]
        raise UserError(f"model {path} is damaged or no Keras model ({reason}).") from None
