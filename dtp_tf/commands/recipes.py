"""The command `recipes`: what there is to set, and what it is set to."""

import click

from dtp_tf.commands.options import echo, json_option, print_json
from dtp_tf.recipes.named import RECIPES
from dtp_tf.recipes.recipe import RULE_SETTINGS, SETTINGS, rule_settings, shown
from dtp_tf.recipes.recipe import recipe as find_recipe


@click.command(epilog="Example:  python cli.py recipes cifar10")
@click.argument("name", required=False)
@json_option
def recipes(name, as_json):
    """List the recipes, or explain every setting of recipe NAME."""
    if name is None:
        if as_json:
            print_json({name: find_recipe(name).to_dict() for name in RECIPES})
            return
        width = max(map(len, RECIPES))
        for name, named in RECIPES.items():
            echo(f"{name:{width}}  {named.summary}")
        return
    settled = find_recipe(name)
    if as_json:
        print_json(settled.to_dict())
        return
    echo(f"{name}: {RECIPES[name].summary}\n")
    if RECIPES[name].published:
        echo(click.wrap_text(RECIPES[name].published, 100) + "\n")
    for setting, value in settled.to_dict().items():
        other_rules = setting in RULE_SETTINGS and setting not in rule_settings(settled.rule)
        if setting == "recipe" or other_rules:
            continue
        echo(f"{setting} = {shown(value)}")
        limits = SETTINGS[setting].range_text()
        text = SETTINGS[setting].help + (f" [{limits}]" if limits else "")
        echo(click.wrap_text(text, 96, "    ", "    "))
