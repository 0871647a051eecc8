"""One training run: data, network, loop, checkpoints, report, export."""

import contextlib
import dataclasses
import gc

import keras

from dtp_tf.console.console import show_data, show_network, show_report
from dtp_tf.console.plain import quoted
from dtp_tf.console.tables import make_console
from dtp_tf.data.sets import load_data
from dtp_tf.data.streaming import faults_told
from dtp_tf.errors import UserError
from dtp_tf.evaluating.evaluation import (
    draw_confusion_matrix,
    draw_curves,
    draw_diagnostics,
    finite,
    predict,
)
from dtp_tf.evaluating.evaluation import report as report_on
from dtp_tf.export.origins import check_name, default_name, kept_others
from dtp_tf.export.publishing import check_directory
from dtp_tf.export.saved_model import export, serve_command
from dtp_tf.files import read_json, write_json
from dtp_tf.machines.checkpoint_every import USUAL
from dtp_tf.machines.devices import choose_device, device_name, set_precision
from dtp_tf.machines.distribution import lost_workers, set_up
from dtp_tf.machines.machine import Machine
from dtp_tf.network.objectives import labelled, recipe_loss
from dtp_tf.presets.facts import VERSIONS
from dtp_tf.recipes.recipe import RULES, Recipe
from dtp_tf.recipes.recipe import recipe as find_recipe
from dtp_tf.reporting.automatic import report_at_the_end
from dtp_tf.reporting.board import write_to_tensorboard
from dtp_tf.reporting.run_page import write_run_page
from dtp_tf.rules import find_rule
from dtp_tf.rules.own_settings import check_own_rule
from dtp_tf.runs.folder import Run, best_epoch
from dtp_tf.runs.image_list import write_images
from dtp_tf.runs.models import save_model
from dtp_tf.runs.own_rules import load_rule_of
from dtp_tf.runs.provenance import card_facts, fingerprint
from dtp_tf.training.building import build_network
from dtp_tf.training.callbacks import find_callbacks
from dtp_tf.training.initial import initialize
from dtp_tf.training.loop import Loop
from dtp_tf.training.optimizers import check_optimizers
from dtp_tf.training.own_model import load_own_model, resume_own_model
from dtp_tf.training.resuming import last_state, refuse_changes
from dtp_tf.training.scalars import writing
from dtp_tf.training.symmetric import start_symmetric
from dtp_tf.training.unfinished import Unfinished


class RunHistory(keras.callbacks.History):
    """Keras's history (`.history`: a list per log, None where an epoch has none; `.epoch`) and
    where the run is.

    Attributes:
        run_dir: the run's folder.
        metrics: the content of `metrics.json`; without a test split only "interrupted"; empty, and
            `run_dir` None, on a worker that is not the chief.
        export_path: the exported version, or None.
    """

    def __init__(self, logs, run_dir, metrics, export_path):
        super().__init__()
        self.epoch = list(range(len(logs)))
        names = dict.fromkeys(name for one in logs for name in one)
        self.history = {name: [one.get(name) for one in logs] for name in names}
        self.run_dir, self.metrics, self.export_path = run_dir, metrics, export_path


def train(
    recipe=None,
    *,
    resume=None,
    data_dir=None,
    run_dir=None,
    export_dir="exported_models",
    name=None,
    keep=None,
    keep_others=True,
    report=True,
    callbacks=None,
    console=None,
    data=None,
    anyway=False,
    device="auto",
    jit="auto",
    strategy="none",
    in_memory="auto",
    checkpoint_every=USUAL,
    **settings,
):
    """Train a network as a recipe says, and leave a run folder and an export.

    Args:
        recipe: the name of a recipe, or a `Recipe`; by default "digits".
        resume: the folder of a run to continue, instead of a new run; `recipe` and `settings` may
            then only repeat what the run was started with. What the folder alone names is neither
            downloaded nor run: repeat `dataset` for a set that is not on this disk, and `rule` for
            one from a file that has changed or that you have not named before.
        data_dir: the folder of TensorFlow Datasets.
        run_dir: the run's folder; by default `runs/TIME-RECIPE`.
        export_dir: the folder of exported models; None for no export.
        name: of the exported model; by default the recipe's where it was trained on its own data,
            else that of the folder or data set.
        keep: how many exported versions to keep, the highest ones; all by default.
        keep_others: whether `keep` leaves versions of other data or of another recipe alone.
        report: whether to leave `report.html` in the run's folder, see `dtp_tf.report`.
        callbacks: a Keras callback or a list of them, called as `fit` does. Batches have logs if a
            callback has a method for their end, which then waits for the device.
        console: a `rich.console.Console` for what a person reads; stdout by default.
        data: the `ImageData` of the recipe, where they are loaded already. Without their test split
            the run ends after its last epoch: nothing is evaluated, drawn or exported, and the
            network returned is the last epoch's.
        anyway: whether to resume a run although its data have changed, which is then only said.
        device, jit, strategy, in_memory, checkpoint_every: see `dtp_tf.machines.Machine`; they may
            differ from those of the run to resume.
        **settings: override the recipe's.

    Returns:
        The network of the epoch with the best validation accuracy, and a `RunHistory`. With several
        workers, those that are not the chief write nothing and get the network of the last epoch.

    Raises:
        SettingError: an unknown recipe or setting, a value out of range, settings that differ
            from those of the run to resume, or that must be repeated, or a callback that has no
            place here.
        DivergedError: a loss became infinite or not a number; the best checkpoint is kept.
        UserError: data that cannot be had, a folder that cannot be written or in which another
            process is at work, a damaged checkpoint.

    Example:

        model, history = dtp_tf.train("digits", epochs=3)
    """
    console = console or make_console()
    machine = Machine(device, jit, strategy, in_memory, checkpoint_every)
    if resume is None:
        settled = find_recipe("digits" if recipe is None else recipe, **settings)
        run = None
    else:
        run = Run.open(resume)
        settled = run.recipe()
        if recipe is not None:
            whole = isinstance(recipe, Recipe)
            settings = {**(recipe.to_dict() if whole else {"recipe": recipe}), **settings}
        refuse_changes(settled, settings)
        if settled.model is not None:
            resume_own_model(run, settled.model, "model" in settings)
        if settled.rule not in RULES:
            find_rule(settled.rule) if "rule" in settings else load_rule_of(run, settled.rule)
    if run is None and settled.model is not None:
        load_own_model(settled.model)
    settled.check()
    if run is None:
        check_own_rule(settled, find_rule(settled.rule))
    machine.check_fits(settled)
    callbacks = find_callbacks(callbacks, settled)
    if name is None:
        name = default_name(settled, None if data is None else data.name)
    if export_dir is not None:
        check_name(name)
        check_directory(export_dir)
    choose_device(machine)
    set_precision(settled.precision)
    workers = set_up(machine, console)
    check_optimizers(settled)  # makes some, and devices are chosen before anything is
    if not workers.is_chief:  # it says and writes nothing
        console = make_console(quiet=True)
    with contextlib.ExitStack() as held:
        if run is not None and workers.is_chief:
            held.enter_context(run.alone())
        keras.utils.set_random_seed(settled.seed)
        console.print(f"device     {device_name()}", markup=False)
        if workers.facts():
            console.print("replicas   {replicas} on {workers} worker(s)".format(**workers.facts()))
        if data is None:
            named = resume is None or "dataset" in settings
            data = load_data(
                settled, data_dir, download=named, in_memory=machine.in_memory
            )
        show_data(console, data)
        with workers.strategy.scope():
            saved = None
            if run is not None:
                saved = last_state(run, settled, data, anyway, console, workers.is_chief)
            network = build_network(settled, data) if saved is None else saved.model
            if saved is None and settled.init is not None:
                console.print(f"init       {initialize(network, settled.init)}", markup=False)
                if settled.symmetric_start:
                    start_symmetric(network)
            _build_metrics(network, settled, data)
        if not workers.is_chief:
            run = None
        elif run is None:
            run = Run.create(settled, run_dir)
            held.enter_context(run.alone())
            if data.folder is not None:
                write_images(run.images, data)
        if run is not None:
            console.print(f"run        {run.path}", markup=False)

        history, unfinished = [], None
        if saved is not None:
            history = saved.about["history"]
            unfinished = Unfinished.of(saved.about, network, Run(resume).unfinished)
            where = "" if unfinished is None else f", {unfinished.words(len(history) + 1)}"
            console.print(f"resumed after epoch {len(history)} of {settled.epochs}{where}")
        show_network(console, network, settled)
        with lost_workers(workers, None if run is None else run.path), faults_told():
            loop = Loop(
                settled, data, network, run, history, callbacks, console, machine, workers,
                unfinished,
            )  # fmt: skip
            loop.run_epochs()
        if run is None:
            return network, RunHistory(history, None, {}, None)
        if data.test is None:
            return network, RunHistory(history, run.path, {"interrupted": loop.interrupted}, None)
        where = "" if loop.unfinished is None else f" {loop.unfinished.words(len(history) + 1)}"
        if not history:
            raise UserError(
                "stopped before the first epoch was finished; "
                f"--resume {quoted(run.path)} continues{where}."
            )
        if loop.interrupted:
            console.print(
                f"interrupted after epoch {len(history)}; --resume {quoted(run.path)} "
                f"continues{where}",
                markup=False,
            )
        facts, interrupted = fingerprint(data), loop.interrupted
        # What only the training needs, the largest part of the memory, goes before the best network
        # is read; it is full of circles.
        data = dataclasses.replace(data, train=None)
        del loop, network, saved
        gc.collect()
        exported = dict(directory=export_dir, name=name, keep=keep, keep_others=keep_others)
        return finish(settled, data, facts, run, history, console, interrupted, exported, report)


def _build_metrics(network, recipe, data):
    """Have metrics make their variables: they do when they first see numbers, in a trace twice."""
    first, classes = data.train.take(slice(1)), len(data.class_names)
    network.build_metrics(*labelled(recipe_loss(recipe), (first.images, first.labels), classes))


def finish(recipe, data, facts, run, history, console, interrupted, exported, with_page):
    """Report on the best network of a run, draw, export; return it and the `RunHistory`.

    `data` may be without their training split; `facts` is the `fingerprint` of the whole.
    `exported` are arguments of `dtp_tf.export.export`; nothing is without a "directory".
    `with_page` is whether to write `report.html`.
    """
    saved = run.load_best()
    network, names, loss = saved.model, data.class_names, recipe_loss(recipe)
    scores, validated = (
        finite(predict(network, split)) for split in (data.test, data.validation)
    )
    metrics = {
        "test": report_on(scores, data.test.labels, names, loss),
        "validation": report_on(validated, data.validation.labels, names, loss),
        "best_epoch": best_epoch(history),
        "epochs": len(history),
        "interrupted": interrupted,
        "seconds": sum(logs.get("seconds", 0) for logs in history),
        "conditions": {
            "recipe": recipe.to_dict(),
            "data": facts,
            "chosen_by": "validation accuracy",
            **read_json(run.versions, VERSIONS),
        },
    }
    classifier = network.classifier(dtype="uint8")
    about = {name: saved.about[name] for name in ("recipe", "class_names", "versions")}
    save_model(classifier, run.classifier, about)
    draw_curves(history, run.curves)
    draw_diagnostics(history, run.diagnostics)
    draw_confusion_matrix(metrics["test"], run.confusion_matrix)
    write_json(run.metrics, metrics)
    run.write_log(history)
    with writing(run.tensorboard):
        write_to_tensorboard(run, metrics, saved, data.test, scores)
    console.print(f"best epoch {metrics['best_epoch']} of {len(history)} (validation accuracy)")
    show_report(console, metrics["test"], "test")
    export_path = None
    if exported["directory"] is not None:
        export_path = export(
            classifier,
            names,
            check_images=data.test.images[:100],
            probabilities=recipe.output_activation != "linear",
            facts=card_facts(saved.about, metrics["conditions"]["data"], metrics["test"]),
            **exported,
        )
        console.print(f"exported   {export_path}", markup=False)
        counted = exported["keep"] is not None and exported["keep_others"]
        said = kept_others(export_path) if counted else None
        if said is not None:
            console.print(f"kept       {said}", markup=False)
        console.print(f"serve it   {serve_command(export_path)}", markup=False)
    if with_page:
        page = dict(saved=saved, split=data.test, scores=scores, export_path=export_path)
        report_at_the_end(lambda: write_run_page(run, **page), run.path, console)
    return network, RunHistory(history, run.path, metrics, export_path)
