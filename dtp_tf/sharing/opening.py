"""Opening a trained network, be it a run, a preset or a file."""

import pathlib

from dtp_tf.errors import UserError
from dtp_tf.presets.folder import is_preset, shipped_names
from dtp_tf.presets.reading import read_preset
from dtp_tf.recipes.settings import did_you_mean
from dtp_tf.runs.folder import Run
from dtp_tf.runs.models import SavedModel, load_model


def open_model(path, rule=None):
    """Return the `SavedModel` of a run (its best network), a preset or a `.keras` file.

    Nothing that it names is run, or asked of the network.

    Args:
        path: of a run's folder, a preset's folder or a `.keras` file; or a shipped preset's name,
            where no path has that name.
        rule: FILE.py:CLASS, see `dtp_tf.runs.load_model`.

    Raises:
        UserError: there is none, or it is damaged.
        SettingError: a learning rule from a file that the call does not name.
    """
    path = pathlib.Path(path)
    if is_preset(path):
        return load_preset(path)
    if path.is_dir():
        run = Run.open(path)
        if not run.best.exists():
            raise UserError(f"{path} has no trained network yet: no epoch was finished.")
        return load_model(run.best, rule)
    if not path.exists() and path.parent == pathlib.Path() and not path.suffix:
        names = shipped_names()
        raise UserError(
            f"model {path} does not exist: no run, preset or file has that name, and shipped "
            f"presets are {', '.join(names)}.{did_you_mean(str(path), names)}"
        )
    return load_model(path, rule)


def load_preset(name_or_folder, load_weights=True):
    """Return a preset's network as a `SavedModel`; see `dtp_tf.presets.reading.read_preset`."""
    return SavedModel(*read_preset(name_or_folder, load_weights)).checked(name_or_folder)


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
