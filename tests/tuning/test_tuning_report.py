"""The report of a search: rows, the table, the best settings, and pictures of odd searches."""

import pytest
import yaml
from PIL import Image

import dtp_tf
from dtp_tf.console.tables import make_console
from dtp_tf.recipes.config_files import read_config
from dtp_tf.recipes.recipe import Recipe
from dtp_tf.tuning.report import SHOWN, best_config, make_rows, show_trials, write_report
from dtp_tf.tuning.search_space import make_search
from dtp_tf.tuning.shared_study import SharedStudy

SPACE = {
    "noise": [{"low": 0.1, "high": 0.5}, 0.3],
    "units": {"choices": [[64, 32, 16], [16, 8, 8]]},
    "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "crop": {"low": 0, "high": 2},
}
KNOWN = {
    "data": {"name": "digits", "training_images": 1150, "validation_images": 287},
    "versions": {"device": "CPU", "dtp_tf": "1", "keras": "2", "tensorflow": "3", "python": "4"},
    "best_epoch": 2, "epochs": 3, "seconds": 1.5,
}  # fmt: skip


def study_of(folder, accuracies, space=SPACE, recipe="digits", losses=None, **settings):
    """Return a study whose trials have finished with made-up accuracies."""
    settings = {"epochs": 3, "seed": 7, **settings}
    study = SharedStudy.create(folder, *make_search(recipe, space, **settings))
    for i, accuracy in enumerate(accuracies):
        loss = 0.5 if losses is None else losses[i]
        trial = study.take(len(accuracies))
        trial.report(1, accuracy)
        numbers = {"validation_accuracy": accuracy, "validation_loss": loss}
        trial.finish(accuracy, {**KNOWN, **numbers})
    return study


def prune(study, limit, **more):
    trial = study.take(limit)
    trial.report(1, 0.2)
    trial.prune({**KNOWN, "validation_accuracy": 0.2, "validation_loss": 1.0, **more})


def test_rows_are_ranked_by_how_they_ended_then_accuracy_then_loss(tmp_path):
    study = study_of(tmp_path, [0.5, 0.7, 0.7, 0.6], losses=[1.0, 0.9, 0.8, 1.0])
    prune(study, 5)
    prune(study, 6, diverged="training diverged in epoch 2.")
    study.take(7).give_back()
    running = study.take(8), study.take(8)
    rows = make_rows(study)
    assert [(row["trial"], row["status"]) for row in rows] == [
        (3, "finished"), (2, "finished"), (4, "finished"), (1, "finished"), (5, "pruned"),
        (6, "diverged"), (7, "running"), (8, "running"),
    ]  # fmt: skip
    for trial in running:
        trial.give_back()
    assert [row["status"] for row in make_rows(study)][-2:] == ["waiting", "waiting"]


def test_a_row_has_its_settings_and_conditions(tmp_path):
    study = study_of(tmp_path, [0.5])
    (row,) = make_rows(study)
    recipe = study.recipe(study.entries()[1].params)
    assert row["noise"] == f"{recipe.noise[0]},0.3"
    assert row["units"] in ("64,32,16", "16,8,8")
    assert row["training/validation"] == "1150/287"
    assert (row["epochs"], row["epochs_asked"], row["seed"]) == (3, 3, 7)
    assert row["is_recipe"] is False  # its noise is one number, and not 0.3
    assert "--epochs 3" in row["command"] and "--seed 7" in row["command"]


def test_the_table_has_the_best_and_counts_the_others(tmp_path, capsys):
    study = study_of(tmp_path, [0.5 + i / 100 for i in range(SHOWN + 3)])
    prune(study, SHOWN + 4)
    show_trials(make_console(), make_rows(study), list(SPACE))
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == f"trials     {SHOWN + 3} finished, 1 pruned"
    shown = [line.split()[:2] for line in said if line.split()[0].isdigit()]
    assert len(shown) == SHOWN
    assert shown[0] == [str(SHOWN + 3), f"{50 + SHOWN + 2}.00"]
    best = study.recipe(study.entries()[SHOWN + 3].params)
    (line,) = [line for line in said if line.split()[0] == str(SHOWN + 3)]
    assert line.split()[3] == f"{best.noise[0]:.3g},0.3"


def test_the_best_settings_of_a_named_recipe_are_what_differs_from_it(tmp_path):
    study = study_of(tmp_path, [0.5, 0.9], batch_size=64, early_stopping=2)
    row = make_rows(study)[0]
    path = tmp_path / "best.yaml"
    path.write_text(best_config(study, row))
    content = yaml.safe_load(path.read_text())
    assert set(content) == {"recipe", "rule", "batch_size", *SPACE}
    assert path.read_text().startswith("# Trial 2 of a search: validation accuracy 0.9000 after")
    settings = read_config(path)
    recipe = dtp_tf.recipe(settings.pop("recipe"), **settings)
    trial = study.recipe(study.entries()[2].params)
    assert recipe.replace(epochs=3, seed=7, early_stopping=2) == trial
    assert recipe.epochs == dtp_tf.recipe("digits").epochs != 3


@pytest.mark.parametrize("rule", ["bp", "ldrl"])
def test_the_best_settings_belong_to_the_rule(tmp_path, rule):
    space = {"learning_rate": SPACE["learning_rate"]}
    study = study_of(tmp_path, [0.5], space, "mnist-compare", rule=rule)
    content = yaml.safe_load(best_config(study, make_rows(study)[0]))
    assert (content["recipe"], content["rule"]) == ("mnist-compare", rule)
    assert set(content) == {"recipe", "rule", "learning_rate"}  # epochs and angles are left out


def test_a_recipe_without_a_name_is_written_whole(tmp_path):
    study = study_of(tmp_path, [0.5], recipe=Recipe(units=(8, 8)))
    text = best_config(study, make_rows(study)[0])
    assert Recipe.from_dict(yaml.safe_load(text)) == study.recipe(study.entries()[1].params)


@pytest.mark.parametrize("accuracies", [[0.5], [0.5] * 5, [0.5, 0.6, 0.7, 0.8, 0.9, 0.95]], ids=len)
@pytest.mark.slow
def test_small_and_level_searches_are_drawn(tmp_path, accuracies):
    study = study_of(tmp_path, accuracies)
    prune(study, len(accuracies) + 1)
    content = write_report(study, len(accuracies) + 1, make_console(quiet=True))
    assert content["complete"]
    assert (content["importances"] is None) == (len(set(accuracies)) == 1)
    for name in ("history.png", "importance.png", "parallel.png"):
        with Image.open(tmp_path / name) as picture:
            picture.load()
            assert min(picture.size) > 200


@pytest.mark.slow
def test_one_parameter_is_enough_for_the_pictures(tmp_path):
    study = study_of(tmp_path, [0.5, 0.6, 0.7, 0.8], {"noise": {"low": 0.1, "high": 0.5}})
    content = write_report(study, 4, make_console(quiet=True))
    assert content["importances"] == {"noise": 1.0}
    assert (tmp_path / "parallel.png").stat().st_size > 1000


@pytest.mark.slow
def test_the_recipes_own_settings_are_held_against_the_best(tmp_path, capsys):
    study = study_of(tmp_path, [0.5, 0.6], {"noise": {"low": 0.1, "high": 0.5}})
    write_report(study, 2, make_console())
    said = capsys.readouterr().out
    assert "1 (recipe)" in said
    assert (
        "validation accuracy 60.00% (trial 2); the recipe's own settings 50.00% (trial 1)" in said
    )


def test_a_search_without_trials_has_nothing_to_write(tmp_path):
    study = SharedStudy.create(tmp_path, *make_search("digits", SPACE))
    content = write_report(study, 3, make_console(quiet=True))
    assert content["trials"] == [] and not content["complete"]
    assert not (tmp_path / "trials.csv").exists()
