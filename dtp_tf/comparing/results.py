"""The results of a comparison: rows, their summary over seeds, and tables."""

import csv
import io
import statistics

from rich.table import Table

from dtp_tf.comparing.pictures import draw_comparison as draw_comparison
from dtp_tf.comparing.plan import rule_label, train_command
from dtp_tf.console.tables import cell
from dtp_tf.files import read_json, write_text
from dtp_tf.presets.facts import VERSIONS
from dtp_tf.recipes.recipe import shown
from dtp_tf.runs.folder import METRICS, Run
from dtp_tf.runs.log import read_log as read_log


class Result:
    """What a run that is done has left: finished, or diverged.

    Args:
        path: the run's folder.
        metrics: the content of its `metrics.json`; None if it diverged.
    """

    def __init__(self, path, metrics):
        self.path, self.metrics = path, metrics
        run = Run(path)
        self.recipe = run.recipe()
        self.diverged = metrics is None
        self.history = read_log(run.log)
        self._versions = run.versions

    @staticmethod
    def marker(path):
        """Return the path of the file that tells that a run diverged."""
        return Run(path).diverged

    @classmethod
    def of(cls, path):
        """Return the result in a run's folder, or None if the run is not done."""
        run = Run(path)
        if not run.config.is_file():
            return None
        if run.metrics.is_file():
            metrics = read_json(run.metrics, METRICS)
            return None if metrics["interrupted"] else cls(path, metrics)
        return cls(path, None) if cls.marker(path).is_file() else None

    def row(self):
        """Return the run as a row of the table, in plain types; None where there is no number."""
        recipe, metrics = self.recipe, self.metrics or {}
        conditions = metrics.get("conditions") or read_json(self._versions, VERSIONS)
        data = conditions.get("data", {})
        sizes = ("training_images", "validation_images", "test_images")
        epochs = metrics.get("epochs", len(self.history))
        seconds = metrics.get("seconds", sum(logs.get("seconds") or 0 for logs in self.history))
        return {
            "rule": recipe.rule,
            "seed": recipe.seed,
            "status": "diverged" if self.diverged else "finished",
            "test_accuracy": metrics.get("test", {}).get("accuracy"),
            "validation_accuracy": metrics.get("validation", {}).get("accuracy"),
            "best_epoch": metrics.get("best_epoch"),
            "epochs": epochs,
            "seconds": seconds,
            "seconds_per_epoch": seconds / epochs if epochs else None,
            "schedule": recipe.schedule,
            "inverse_steps": _text(recipe.inverse_steps),
            "noise": _text(recipe.noise),
            "target_step": recipe.target_step,
            "optimizer": recipe.optimizer,
            "learning_rate": _text(recipe.learning_rate),
            "inverse_optimizer": recipe.inverse_optimizer,
            "inverse_learning_rate": _text(recipe.inverse_learning_rate),
            "batch_size": recipe.batch_size,
            "data": data.get("name", recipe.source),
            "split": "/".join(str(data[size]) for size in sizes) if data else None,
            "device": conditions["device"],
            **{name: conditions[name] for name in ("dtp_tf", "keras", "tensorflow", "python")},
            "command": train_command(recipe, self.path),
        }


def _text(value):
    """Return one value per layer as text, anything else as it is."""
    return shown(value) if isinstance(value, tuple) else value


def summarize(results):
    """Return one dict per rule: means over its finished seeds, and the deviation of the test.

    Accuracies and errors are from 0 to 1. "test_accuracy_std" is the sample's standard deviation,
    None for one seed. Runs that diverged are counted, and are part of no mean.
    """
    by_rule = {}
    for result in results:
        by_rule.setdefault(result.recipe.rule, []).append(result.row())
    return [_summary(rule, rows) for rule, rows in by_rule.items()]


def _summary(rule, rows):
    finished = [row for row in rows if row["status"] == "finished"]

    def mean(name):
        return statistics.fmean(row[name] for row in finished) if finished else None

    accuracies = [row["test_accuracy"] for row in finished]
    accuracy = mean("test_accuracy")
    return {
        "rule": rule,
        "schedule": rows[0]["schedule"],
        "seeds": len(finished),
        "diverged": len(rows) - len(finished),
        "test_accuracy": accuracy,
        "test_accuracy_std": statistics.stdev(accuracies) if len(accuracies) > 1 else None,
        "test_error": None if accuracy is None else 1 - accuracy,
        "validation_accuracy": mean("validation_accuracy"),
        "seconds_per_epoch": mean("seconds_per_epoch"),
        "best_epoch": mean("best_epoch"),
    }


def show_table(console, summary):
    """Print the summary, accuracies in percent."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("rule")
    table.add_column("schedule")
    names = "seeds", "test acc. %", "std", "test err. %", "val. acc. %", "s/epoch", "best epoch"
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for one in summary:
        lost = f" ({one['diverged']} diverged)" if one["diverged"] else ""
        table.add_row(
            cell(rule_label(one["rule"])),
            one["schedule"] or "-",
            f"{one['seeds']}{lost}",
            *(_percent(one[name]) for name in (
                "test_accuracy", "test_accuracy_std", "test_error", "validation_accuracy"
            )),
            *(_number(one[name]) for name in ("seconds_per_epoch", "best_epoch")),
        )
    console.print(table)


def _percent(value):
    return "-" if value is None else f"{100 * value:.2f}"


def _number(value):
    return "-" if value is None else f"{value:.3g}" if value < 10 else f"{value:.1f}"


def write_csv(rows, path):
    """Write a row per run; what has no number is empty."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
