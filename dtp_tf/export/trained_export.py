"""Exports of networks that were trained before: of a run, a preset or a `.keras` file."""

import pathlib

from dtp_tf.data.sets import load_recorded_data
from dtp_tf.evaluating.evaluation import evaluate
from dtp_tf.export.origins import default_name
from dtp_tf.export.saved_model import export
from dtp_tf.files import read_json
from dtp_tf.network.objectives import recipe_loss
from dtp_tf.presets.folder import preset_info, probe_images
from dtp_tf.runs.folder import METRICS, Run
from dtp_tf.runs.provenance import card_facts, fingerprint
from dtp_tf.sharing.opening import open_model


def export_trained(
    model,
    export_dir,
    name=None,
    *,
    data_dir=None,
    dataset=None,
    rule=None,
    formats=(),
    keep=None,
    keep_others=True,
):
    """Export a trained network; return the path of the new version.

    A run that has its report, and a preset, need no data: they are checked on images that are made
    for it. Another `.keras` file is checked and evaluated on its test images, for which its data
    are read.

    Args:
        model: what `dtp_tf.sharing.open_model` takes.
        export_dir: the folder of exported models.
        name: of the exported model; by default the preset's, or see
            `dtp_tf.export.origins.default_name`.
        data_dir: the folder of TensorFlow Datasets.
        dataset: the run's, if it may be downloaded; see `dtp_tf.data.load_recorded_data`.
        rule: FILE.py:CLASS that the network was trained by; see `dtp_tf.runs.load_model`.
        formats, keep, keep_others: see `dtp_tf.export.export`.

    Raises:
        UserError: there is no such model, its data cannot be had, or see `dtp_tf.export.export`.
    """
    saved = open_model(model, rule)
    if saved.preset is not None:
        default, images, facts = saved.preset, probe_images(saved.image_shape()), preset_info(model)
    else:
        recipe = saved.recipe()
        default = default_name(recipe, (saved.about.get("data") or {}).get("name"))
        test = _own_report(model, saved)
        if test is not None:
            images, data = probe_images(saved.image_shape()), saved.about["data"]
        else:
            loaded = load_recorded_data(recipe, data_dir, dataset)
            saved.check_fits(loaded)
            images, data = loaded.test.images[:100], fingerprint(loaded)
            loss = recipe_loss(recipe)
            test = evaluate(saved.model, loaded.test, saved.class_names, loss=loss)
        facts = card_facts(saved.about, data, test)
    return export(
        saved.classifier(),
        saved.class_names,
        export_dir,
        name or default,
        images,
        probabilities=saved.gives_probabilities,
        facts=facts,
        formats=formats,
        keep=keep,
        keep_others=keep_others,
    )


def _own_report(model, saved):
    """Return the report on the test images that a run's folder has of this network, or None.

    A run that was resumed and killed has one of an earlier epoch.
    """
    path = pathlib.Path(model)
    if not path.is_dir() or not Run(path).metrics.exists():
        return None
    metrics = read_json(Run(path).metrics, METRICS)
    return metrics["test"] if metrics["best_epoch"] == len(saved.about["history"]) else None
