"""The page of a run: what it is, how well it does, what it looks like inside."""

from dtp_tf.errors import UserError
from dtp_tf.files import read_json
from dtp_tf.presets.facts import VERSIONS
from dtp_tf.reporting.blocks import Page, Section, Text
from dtp_tf.reporting.classes import class_blocks
from dtp_tf.reporting.curves import angles, curves
from dtp_tf.reporting.network_sections import network_sections, tried
from dtp_tf.reporting.page import write_page
from dtp_tf.reporting.run_facts import (
    commands,
    data_facts,
    lead,
    page_title,
    recorded,
    settings,
    tiles,
    version_facts,
)
from dtp_tf.runs.folder import METRICS
from dtp_tf.runs.log import read_log
from dtp_tf.sharing.model_data import own_data
from dtp_tf.sharing.opening import open_model


def write_run_page(
    run, path=None, *, saved=None, split=None, scores=None, export_path=None, rule=None,
    data_dir=None, in_memory="auto",
):  # fmt: skip
    """Write the page of a run, and return its path.

    What cannot be shown is said in its place: a network or images that cannot be had, or that are
    not those of the training.

    Args:
        run: the `Run`.
        path: of the page; `report.html` in the run's folder by default.
        saved, split, scores: its `SavedModel`, the test `Split` and the scores of all of it, where
            they are at hand; else they are read.
        export_path: the exported version, where there is one.
        rule: FILE.py:CLASS, see `dtp_tf.runs.load_model`.
        data_dir: the folder of TFDS.
        in_memory: see `dtp_tf.data.load_data`.

    Raises:
        UserError: the run's files are damaged, or the page cannot be written.
    """
    path = run.report if path is None else path
    recipe, history = run.recipe(), read_log(run.log)
    metrics = read_json(run.metrics, METRICS) if run.metrics.is_file() else None
    versions = read_json(run.versions, VERSIONS) if run.versions.is_file() else {}
    data = None if metrics is None else metrics["conditions"].get("data")
    why = ""
    if saved is None:
        saved, why = tried(lambda: open_model(run.path, rule))
    if saved is not None:
        data = data or saved.about.get("data")
        if split is None:
            split, why = tried(lambda: _test_split(saved, run, data_dir, in_memory))
    sections = [
        Section("Accuracy", recorded(recipe, metrics and metrics["test"])),
        Section("Training", [*_ending(run, recipe, metrics, history), *curves(history)]),
        Section("Classes", _classes(metrics)),
        *network_sections(saved, split, scores, why),
        Section("Angles to backpropagation", angles(history)),
        Section("Settings", settings(recipe)),
        Section("Data", data_facts(data)),
        Section("Versions", version_facts(versions)),
        Section("Commands", commands(run.path, recipe, metrics, history, export_path)),
    ]
    page = Page(
        page_title(recipe, run.path), "Report of a training run",
        lead(recipe, metrics, data, history), tiles(metrics), sections,
        f"Made by dtp_tf from the run in {run.path.resolve()}.",
    )
    write_page(page, path)
    return path


def _test_split(saved, run, data_dir, in_memory):
    data, changed = own_data(saved, run.path, data_dir=data_dir, in_memory=in_memory)
    if changed:
        raise UserError(f"{changed}.")
    return data.test


def _ending(run, recipe, metrics, history):
    """Say what is not as usual in how a training ended."""
    if run.diverged.is_file():
        return [Text(f"The training diverged: {read_json(run.diverged).get('message')}", "warning")]
    if metrics is None:
        return [Text(
            f"The training has not come to its end: it goes on, was stopped, or diverged after "
            f"{len(history)} of {recipe.epochs} epochs.", "warning",
        )]
    if metrics["interrupted"]:
        return [Text(
            f"The training was interrupted after {metrics['epochs']} of {recipe.epochs} epochs.",
            "warning",
        )]
    if metrics["epochs"] < recipe.epochs:
        return [Text(f"The training ended early, after {metrics['epochs']} of {recipe.epochs} "
                     "epochs.")]
    return []


def _classes(metrics):
    if metrics is None:
        return [Text("Not shown: the network was not evaluated.", "note")]
    return class_blocks(metrics["test"])
