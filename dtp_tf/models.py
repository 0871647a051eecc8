"""`.keras` files with what is needed to use them: recipe, class names, training state."""

import dataclasses
import json
import zipfile

import keras

import dtp_tf.network  # noqa: F401  (registers its classes with Keras)
from dtp_tf.errors import UserError
from dtp_tf.files import written

ENTRY = "dtp_tf.json"  # Keras leaves further entries of its zip file alone


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
        return list(names) if names else [str(i) for i in range(self.model.output_shape[-1])]


def save_model(model, path, about):
    """Write a `.keras` file in one step, with `about` (JSON types) beside Keras's own entries."""
    with written(path) as temporary:
        model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(ENTRY, json.dumps(about))


def load_model(path):
    """Read a `.keras` file.

    Returns:
        A `SavedModel`.

    Raises:
        UserError: a file that is missing, damaged or no Keras model.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            about = json.loads(archive.read(ENTRY)) if ENTRY in archive.namelist() else {}
        return SavedModel(keras.saving.load_model(path), about)
    except FileNotFoundError:
        raise UserError(f"model {path} does not exist.") from None
    except KeyboardInterrupt:
        raise
    except Exception as error:  # zip, HDF5, JSON and Keras each have errors of their own
        reason = " ".join(str(error).split())[:160]
        raise UserError(f"model {path} is damaged or no Keras model ({reason}).") from None
