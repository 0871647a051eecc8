"""Exports of networks that were trained before: of a run, a preset or a `.keras` file."""

from dtp_tf.data.sets import load_recorded_data
from dtp_tf.evaluating.evaluation import evaluate
from dtp_tf.export.saved_model import export
from dtp_tf.network.objectives import recipe_loss
from dtp_tf.presets.folder import preset_info, probe_images
from dtp_tf.runs.provenance import card_facts
from dtp_tf.sharing.opening import open_model


def export_trained(
    model, export_dir, name=None, *, data_dir=None, dataset=None, rule=None, formats=(), keep=None
):
    """Export a trained network; return the path of the new version.

    It is checked on test images, for which the data of a run are read; a preset needs no data and
    is checked on other images.

    Args:
        model: what `dtp_tf.sharing.open_model` takes.
        export_dir: the folder of exported models.
        name: of the exported model; by default the recipe's or the preset's.
        data_dir: the folder of TensorFlow Datasets.
        dataset: the run's, if it may be downloaded; see `dtp_tf.data.load_recorded_data`.
        rule: FILE.py:CLASS that the network was trained by; see `dtp_tf.runs.load_model`.
        formats, keep: see `dtp_tf.export.export`.

    Raises:
        UserError: there is no such model, its data cannot be had, or see `dtp_tf.export.export`.
    """
    saved = open_model(model, rule)
    if saved.preset is None:
        recipe = saved.recipe()
        data = load_recorded_data(recipe, data_dir, dataset)
        saved.check_fits(data)
        default_name, images = recipe.recipe, data.test.images[:100]
        test = evaluate(saved.model, data.test, saved.class_names, loss=recipe_loss(recipe))
        facts = card_facts(saved.about, data, test)
    else:
        default_name, images = saved.preset, probe_images(saved.image_shape())
        facts = preset_info(model)
    return export(
        saved.classifier(),
        saved.class_names,
        export_dir,
        name or default_name,
        images,
        probabilities=saved.gives_probabilities,
        facts=facts,
        formats=formats,
        keep=keep,
    )
