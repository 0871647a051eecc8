"""What the runs of a row have come to, beside what is published."""

import re
import statistics

from dtp_tf.comparing.plan import difference
from dtp_tf.comparing.results import Result
from dtp_tf.files import refuse_link_out, refuse_links_out
from dtp_tf.recipes.commands import train_command
from dtp_tf.recipes.recipe import shown
from dtp_tf.reproducing.differences import differences, in_words
from dtp_tf.reproducing.plan import run_name
from dtp_tf.reproducing.verdict import standard_error, verdict
from dtp_tf.runs.folder import Run
from dtp_tf.runs.log import read_log

_UNTOLD = "settings of our own (published: not told)"


def find_runs(plan, folder, console=None):
    """Return `{row: [path, ...]}` for all rows of a table: the runs asked for, and those there.

    A run in the folder that was not asked for and has other settings than its row is left out.

    Args:
        plan: the `Plan`.
        folder: of the reproduction.
        console: where to say what is left out.
    """
    found = {}
    for name, row in plan.table.rows.items():
        seeds = set(range(plan.seeds.get(name, 0)))
        if folder.is_dir() and not (plan.quick and not row.has_quick()):
            for path in folder.iterdir():
                match = re.fullmatch(rf"{re.escape(name)}-(\d+)", path.name)
                if match and _belongs(path, plan, row, int(match[1]), console):
                    seeds.add(int(match[1]))
        found[name] = [folder / run_name(row, seed) for seed in sorted(seeds)]
    return found


def _belongs(path, plan, row, seed, console):
    if path.name != run_name(row, seed) or not (path / "config.json").is_file():
        return False
    refuse_link_out(path.parent, path)
    refuse_links_out(path)
    recipe = Run(path).recipe()
    asked = begun_alike(recipe, plan.recipe(row, seed, path.parent))
    name = difference(recipe, asked)
    if name is not None and console is not None:
        console.print(
            f"left out   {path}: its `{name}` is {shown(getattr(recipe, name))}, the row's is "
            f"{shown(getattr(asked, name))}",
            markup=False,
        )
    return name is None


def begun_alike(found, asked):
    """Return `asked` with the first weights where a run has them: its folder may have moved."""
    if found.init is None or asked.init is None:
        return asked
    last = [re.split(r"[\\/]", one.init)[-1] for one in (found, asked)]
    return asked.replace(init=found.init) if last[0] == last[1] else asked


def row_content(plan, row, paths):
    """Return a row of the table in plain types; figures in percent, None where there is none.

    Args:
        plan: the `Plan`.
        row: the `Row`.
        paths: of its runs.
    """
    results = [one for one in map(Result.of, paths) if one is not None]
    finished = [one for one in results if not one.diverged]
    rows = [one.row() for one in finished]
    published = row.published
    measure = row.measure
    percents = [_percent(one["test_accuracy"], measure) for one in rows]
    recipe = results[0].recipe if results else row.trained(quick=plan.quick)
    metrics = finished[0].metrics if finished else None
    content = {
        "row": row.name,
        "quick": plan.quick,
        "network": row.network,
        "data": recipe.source,
        "rule": row.rule,
        "recipe": recipe.recipe,
        "settings_of": "ours" if row.ours else "paper",
        "measure": measure,
        "published": published.get(measure),
        "published_deviation": published.get("deviation"),
        "from_memory": published.get("from_memory", False),
        "about": published.get("about", False),
        "measured": _mean(percents),
        "deviation": statistics.stdev(percents) if len(percents) > 1 else None,
        "standard_error": None,
        "verdict": None,
        "seeds": [one["seed"] for one in rows],
        **_others(plan, row, paths),
        "epochs": _mean([one["epochs"] for one in rows]),
        "best_epoch": _mean([one["best_epoch"] for one in rows]),
        "seconds": _mean([one["seconds"] for one in rows]),
        "published_angles": published.get("angles"),
        "angles": _angles(finished),
        "not_as_published": [
            *[_UNTOLD] * (row.ours and not row.is_second),
            *in_words(differences(row, plan.table.rows[row.of].trained(), recipe, metrics)),
        ],
        "command": train_command(recipe, paths[0]) if paths else None,
    }
    if percents:
        images = metrics["conditions"]["data"]["test_images"]
        content["standard_error"] = standard_error(percents, images)
    if percents and content["published"] is not None:
        content["verdict"] = verdict(
            content["measured"], content["published"], content["standard_error"], measure
        )
    return content


def _percent(accuracy, measure):
    return 100 * (accuracy if measure == "accuracy" else 1 - accuracy)


def _mean(values):
    return statistics.fmean(values) if values else None


def _others(plan, row, paths):
    """Name the runs that are not finished, by what is the matter with them."""
    diverged, unfinished, missing = [], {}, []
    for path in paths:
        result = Result.of(path)
        if result is not None:
            diverged += [path.name] * result.diverged
        elif (path / "config.json").is_file():
            unfinished[path.name] = epochs_done(path)
        else:
            missing.append(path.name)
    return {"diverged": diverged, "unfinished": unfinished, "not_run": missing}


def _angles(finished):
    """Return the last angles to backpropagation's updates by layer, means over the seeds."""
    last = [_last_angles(one.history) for one in finished]
    last = [one for one in last if one]
    if not last or len({len(one) for one in last}) > 1:
        return None
    return [statistics.fmean(values) for values in zip(*last, strict=True)]


def _last_angles(history):
    for logs in reversed(history):
        found = {
            int(match[1]): value
            for name, value in logs.items()
            if value is not None and (match := re.fullmatch(r"angle_bp_(\d+)", name))
        }
        if found:
            return [found[layer] for layer in sorted(found)]
    return []


def expected_seconds(paths, recipe):
    """Return how long the epochs that a row's runs lack may take, or None if none was measured."""
    seconds = [
        logs["seconds"]
        for path in paths
        for logs in read_log(Run(path).log)
        if logs.get("seconds") is not None
    ]
    if not seconds:
        return None
    left = sum(recipe.epochs - epochs_done(path) for path in paths if Result.of(path) is None)
    return left * statistics.median(seconds)


def epochs_done(path):
    """Return how many epochs of a run are finished."""
    return len(read_log(Run(path).log))
