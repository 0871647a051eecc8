"""The best network of a run -> a preset's folder."""

import numpy as np

from dtp_tf.console.plain import quoted
from dtp_tf.data.sets import load_recorded_data
from dtp_tf.errors import UserError
from dtp_tf.evaluating.evaluation import predict
from dtp_tf.files import read_json
from dtp_tf.presets.writing import halved, layers_text, save_preset
from dtp_tf.recipes.recipe import RULES
from dtp_tf.runs.folder import METRICS, Run


def save_run(
    path,
    folder,
    *,
    license="apache-2.0",
    float16=False,
    data_dir=None,
    dataset=None,
    tried=None,
):
    """Write the best network of a finished run as a preset.

    Args:
        path: the run's folder.
        folder: the preset's, which must not exist or be empty; its name becomes the preset's.
        license: of the weights, as model hubs write it.
        float16: whether to store large arrays of weights in half the bytes; the accuracy on the
            test images, for which the run's data are read, must stay the same.
        data_dir: the folder of TensorFlow Datasets.
        dataset: the run's, if it may be downloaded; see `dtp_tf.data.load_recorded_data`.
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
            f"{path} has no finished training: end it first, with `train --resume {quoted(path)}`."
        )
    _refuse_own_rule(run, run.recipe().rule)  # before the file of such a rule is asked for
    saved, metrics = run.load_best(), read_json(run.metrics, METRICS)
    recipe, network = saved.recipe(), saved.model
    _refuse_own_rule(run, recipe.rule)
    if float16:
        data = load_recorded_data(recipe, data_dir, dataset)
        _refuse_another_accuracy(network.classifier(dtype="uint8"), data)
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
                "chosen_by": metrics["conditions"].get("chosen_by"),
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


def _refuse_own_rule(run, rule):
    """Raise `UserError` if a run's rule is none that comes with dtp_tf."""
    if rule not in RULES:
        raise UserError(
            f"{run.path} was trained by the rule {rule}, without which no one can load a preset; "
            f"share its {run.classifier.name}, which Keras opens alone, or train by one of "
            f"{', '.join(RULES)}."
        )


def _refuse_another_accuracy(classifier, data):
    """Raise `UserError` if large weights as float16 have another accuracy on the test images.

    A network's classifier, which has no mixed numbers, as the preset has none.
    """
    labels = data.test.labels
    exact = _correct(classifier, data.test, labels)
    kept = classifier.get_weights()
    try:
        classifier.set_weights([halved(array).astype(array.dtype) for array in kept])
        rounded = _correct(classifier, data.test, labels)
    finally:
        classifier.set_weights(kept)
    if rounded != exact:
        raise UserError(
            f"float16 would change the accuracy from {exact} to {rounded} of the {len(labels)} "
            "test images; save the preset without --float16."
        )


def _correct(classifier, images, labels):
    """Return how many images a network classifies rightly; scores that are no numbers are wrong."""
    scores = predict(classifier, images)
    return int(np.sum((scores.argmax(axis=-1) == labels) & np.isfinite(scores).all(axis=-1)))
