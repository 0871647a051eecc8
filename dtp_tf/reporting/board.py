"""What TensorBoard gets of a finished run beside the curves: its pictures and hyperparameters."""

import numpy as np
import tensorflow as tf
from tensorboard.plugins.image import metadata

from dtp_tf.files import read_bytes, refuse_link_out
from dtp_tf.recipes.recipe import RULE_SETTINGS, rule_settings, shown
from dtp_tf.reporting.answers import Answers
from dtp_tf.reporting.images import drawn_together
from dtp_tf.reporting.weights import first_layer_weights


def write_to_tensorboard(run, metrics, saved, split, scores):
    """Write a finished run's pictures, test results and settings for TensorBoard.

    TensorBoard's HParams then has a row for the run, its test accuracy and loss beside it.

    Args:
        run: the `Run`, its pictures drawn.
        metrics: of its `metrics.json`.
        saved: its best network, a `SavedModel`.
        split: the test `Split`.
        scores: of all of it.
    """
    from tensorboard.plugins.hparams import api as hparams  # needed after the training only

    refuse_link_out(run.path, run.tensorboard)
    step = metrics["best_epoch"]
    writer = tf.summary.create_file_writer(str(run.tensorboard), filename_suffix=".results")
    with writer.as_default(step=step):
        for name, value in metrics["test"].items():
            if isinstance(value, float):
                tf.summary.scalar(f"test_{name}", value)
        hparams.hparams(hyperparameters(saved.recipe()), trial_id=run.path.name)
        for path in (run.curves, run.diagnostics, run.confusion_matrix):
            if path.is_file():
                _write_png(path)
        answers = Answers(split, np.arange(len(split)), scores, saved.class_names, True)
        wrong = answers.most_wrong()
        if len(wrong):
            tf.summary.image("wrong_answers", split.images[wrong], max_outputs=len(wrong))
        weights = first_layer_weights(saved.model)
        if weights is not None:
            units = np.stack([drawn_together([one])[0] for one in weights.images])
            tf.summary.image("first_layer", units, max_outputs=len(units))
    writer.close()


def hyperparameters(recipe):
    """Return the settings of a recipe by name as TensorBoard takes them: numbers and texts."""
    taken = rule_settings(recipe.rule)
    return {
        name: value if isinstance(value, (bool, int, float, str)) else shown(value)
        for name, value in recipe.to_dict().items()
        if name not in RULE_SETTINGS or name in taken
    }


def _write_png(path):
    """Write a picture as it is: it need not be unpacked."""
    data = read_bytes(path)
    sides = (int.from_bytes(data[place : place + 4], "big") for place in (16, 20))
    about = metadata.create_summary_metadata(display_name=path.stem, description="")
    tf.summary.write(path.stem, tf.constant([*(str(n).encode() for n in sides), data]),
                     metadata=about)
