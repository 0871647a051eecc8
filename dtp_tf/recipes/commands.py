"""The commands that train by a recipe, and in what a recipe is not the named one."""

import shlex

from dtp_tf.console.program import PROGRAM
from dtp_tf.recipes.named import RECIPES
from dtp_tf.recipes.own_files import is_own_file
from dtp_tf.recipes.recipe import SETTINGS, shown
from dtp_tf.recipes.recipe import recipe as find_recipe


def changed_settings(recipe):
    """Return what a recipe has otherwise than the named one that it began with has for its rule
    and seed: `{setting: (named, own)}`; None where no recipe has its name."""
    if recipe.recipe not in RECIPES:
        return None
    named = find_recipe(recipe.recipe, rule=recipe.rule, seed=recipe.seed)
    both = {name: (getattr(named, name), getattr(recipe, name)) for name in SETTINGS}
    return {name: values for name, values in both.items() if values[0] != values[1]}


def train_command(recipe, path):
    """Return the command that trains as a run was trained.

    Args:
        recipe: the run's `Recipe`.
        path: the run's folder, for recipes without a name.
    """
    changed = changed_settings(recipe)
    if changed is None:
        return config_command(path / "config.json", recipe)
    words = [*PROGRAM.split(), "train", recipe.recipe, "--rule", recipe.rule]
    words += ["--seed", str(recipe.seed)]
    for name, (_, value) in changed.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            words += [f"--{flag}", shown(value)]
    return shlex.join(words)


def config_command(path, recipe):
    """Return the command that trains by a config file; what files of one's own hold it must name
    itself."""
    words = [*PROGRAM.split(), "train", "--config", str(path)]
    for name in ("rule", "model"):
        value = getattr(recipe, name)
        if value is not None and is_own_file(value):
            words += [f"--{name}", value]
    return shlex.join(words)
