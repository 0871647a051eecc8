"""What a search has found: a row per trial, the table, the best trial as a configuration."""

import contextlib

from rich.table import Table

from dtp_tf.comparing.plan import config_command, train_command
from dtp_tf.comparing.results import write_csv
from dtp_tf.console.tables import cell
from dtp_tf.files import write_text
from dtp_tf.recipes.named import RECIPES
from dtp_tf.recipes.recipe import RULE_SETTINGS, rule_settings, shown
from dtp_tf.recipes.recipe import recipe as find_recipe
from dtp_tf.tuning.pictures import draw_history, draw_importances, draw_parallel
from dtp_tf.tuning.search_space import to_yaml

SHOWN = 10  # trials in the printed table
# How long a search trains is no finding of it: `best.yaml` leaves these to the recipe.
OF_THE_SEARCH = "epochs seed early_stopping diagnostics_every diagnostics_images".split()


def write_report(study, trials, console):
    """Write and print what a study has found so far.

    Args:
        study: a `dtp_tf.tuning.shared_study.SharedStudy`.
        trials: how many were asked for.
        console: where a person reads.

    Returns:
        The content that `dtp_tf.tuning.tuning.tune` returns.
    """
    rows = make_rows(study)
    finished = [row for row in rows if row["status"] == "finished"]
    best = finished[0] if finished else None
    importances = study.importances()
    done = sum(row["status"] not in ("running", "waiting") for row in rows)
    content = {
        "complete": done >= trials,
        "done": done,
        "folder": str(study.folder),
        "best": best,
        "best_config": None,
        "importances": importances,
        "trials": rows,
    }
    if not rows:
        return content
    folder = study.folder
    write_csv(rows, folder / "trials.csv")
    show_trials(console, rows, list(study.space.entries))
    written = ["trials.csv"]
    if best is not None:
        path = folder / "best.yaml"
        write_text(path, best_config(study, best))
        content["best_config"] = str(path)
        draw_history(rows, folder / "history.png")
        draw_importances(importances, len(finished), folder / "importance.png")
        draw_parallel(study, folder / "parallel.png")
        written += ["best.yaml", "history.png", "importance.png", "parallel.png"]
    console.print(f"written    {folder}/{', '.join(written)}", markup=False)
    if best is not None:
        own = next((row for row in rows if row["is_recipe"]), None)
        if own is not None and own["validation_accuracy"] is not None:
            console.print(
                f"validation accuracy {best['validation_accuracy']:.2%} (trial {best['trial']}); "
                f"the recipe's own settings {own['validation_accuracy']:.2%} (trial "
                f"{own['trial']})", markup=False,
            )
        console.print(f"train it   {config_command(path, study.base)}", markup=False)
    return content


def make_rows(study):
    """Return a dict per trial in plain types, the best first; None where there is no number."""
    rows = [_row(study, number, entry) for number, entry in study.entries().items()]
    order = ["finished", "pruned", "diverged", "failed", "running", "waiting"]

    def rank(row):
        accuracy, loss = row["validation_accuracy"], row["validation_loss"]
        # Of several with the same accuracy, that with the lowest loss, as among epochs.
        return (
            order.index(row["status"]),
            1.0 if accuracy is None else -accuracy,
            0.0 if loss is None else loss,
            row["trial"],
        )

    return sorted(rows, key=rank)


def _row(study, number, entry):
    result = entry.user_attrs.get("result", {})
    status = {"COMPLETE": "finished", "FAIL": "failed"}.get(entry.state.name)
    status = "diverged" if "diverged" in result else status or entry.state.name.lower()
    # One that waits, or has just been taken, may not have all of its parameters yet.
    known = entry.params.keys() >= study.space.parameters.keys()
    recipe = study.recipe(entry.params) if known else None
    settings = {name: getattr(recipe, name, None) for name in study.space.entries}
    data, about = result.get("data", {}), result.get("versions", {})
    accuracies = [*entry.intermediate_values.values(), *(entry.values or ())]
    sizes = data and f"{data['training_images']}/{data['validation_images']}"
    return {
        "trial": number,
        "status": status,
        "validation_accuracy": result.get("validation_accuracy", max(accuracies, default=None)),
        "validation_loss": result.get("validation_loss"),
        "best_epoch": result.get("best_epoch"),
        "epochs": result.get("epochs", len(entry.intermediate_values)),
        "epochs_asked": study.base.epochs,
        "seconds": result.get("seconds"),
        "is_recipe": entry.params == study.space.params_of(study.base),
        **{k: shown(v) if isinstance(v, tuple) else v for k, v in settings.items()},
        "recipe": study.base.recipe,
        "rule": study.base.rule,
        "seed": study.base.seed,
        "data": data.get("name"),
        "training/validation": sizes or None,
        "device": about.get("device"),
        **{name: about.get(name) for name in ("dtp_tf", "keras", "tensorflow", "python")},
        "command": None if recipe is None else train_command(recipe, study.path(number)),
    }


def show_trials(console, rows, searched):
    """Print the best trials, accuracies in percent, and how the others ended."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("trial", "val. acc. %", "epochs", *searched):
        table.add_column(name.replace("_", " "), justify="right")  # a long one takes two lines
    ended = [row for row in rows if row["status"] in ("finished", "pruned")]
    for row in ended[:SHOWN]:
        mark = " (recipe)" if row["is_recipe"] else ""
        pruned = " pruned" if row["status"] == "pruned" else ""
        table.add_row(
            f"{row['trial']}{mark}",
            _percent(row["validation_accuracy"]),
            f"{row['epochs']}{pruned}",
            *(cell(short(row[name])) for name in searched),
        )
    console.print(table)
    counts = {}
    for row in rows:
        counts[row["status"]] = counts.get(row["status"], 0) + 1
    console.print("trials     " + ", ".join(f"{n} {status}" for status, n in counts.items()))


def _percent(accuracy):
    return "-" if accuracy is None else f"{100 * accuracy:.2f}"


def short(value):
    """Return a cell's text, its fractions with three digits; lists are text with commas."""
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, str) and "." in value:
        with contextlib.suppress(ValueError):
            return ",".join(f"{float(part):.3g}" for part in value.split(","))
    return shown(value)


def best_config(study, row):
    """Return the best trial's settings as YAML that `train --config` takes.

    A named recipe keeps its own epochs and seed; a recipe without a name is written whole.
    """
    entry = study.entries()[row["trial"]]
    recipe = study.recipe(entry.params)
    settings = recipe.to_dict()
    if recipe.recipe in RECIPES:
        named = find_recipe(recipe.recipe, rule=recipe.rule).to_dict()
        settings = {
            name: value for name, value in settings.items()
            if name in ("recipe", "rule") or name in study.space.entries
            or (value != named[name] and name not in OF_THE_SEARCH)
        }
    taken = rule_settings(recipe.rule)
    settings = {k: v for k, v in settings.items() if k not in RULE_SETTINGS or k in taken}
    return (
        f"# Trial {row['trial']} of a search: validation accuracy "
        f"{row['validation_accuracy']:.4f} after epoch {row['best_epoch']} of "
        f"{recipe.epochs}, seed {recipe.seed}, {row['data']}, {row['training/validation']} "
        f"training/validation images.\n{to_yaml(settings)}"
    )
