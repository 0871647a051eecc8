"""Names of recipes and rules in the pictures of a search are plain text."""

from dtp_tf.tuning.pictures import draw_history


def test_a_history_has_a_title_of_any_name(tmp_path):
    row = {
        "trial": 1, "status": "finished", "validation_accuracy": 0.5, "is_recipe": True,
        "recipe": r"$\foo$", "rule": r"日\$.py:_Rule", "epochs_asked": 2,
    }  # fmt: skip
    draw_history([row, {**row, "trial": 2, "status": "pruned", "is_recipe": False}],
                 tmp_path / "a.png")  # fmt: skip
    assert (tmp_path / "a.png").is_file()
