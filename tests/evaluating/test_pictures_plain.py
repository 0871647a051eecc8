"""Pictures draw names as plain text: no formula, no warning, room for the picture."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from dtp_tf.comparing import results
from dtp_tf.evaluating.evaluation import draw_confusion_matrix, report
from dtp_tf.evaluating.pictures import PLAIN, drawable, plain_legend, save_figure

NAMES = [
    r"$\foo$", "a$b", "$", r"\$", "$x^2$", "日本語", "\U0001f600", "नमस्ते", "שלום", "x" * 255,
    "_private", "a{b", "%", "\x1b[31m",
]  # fmt: skip


@pytest.mark.parametrize("count", [14, 28])  # few and many classes are drawn in two ways
@pytest.mark.slow
def test_a_confusion_matrix_has_any_names(tmp_path, count, monkeypatch):
    drawn = []

    def keep(figure, path):
        drawn.append(figure)
        save_figure(figure, path)

    monkeypatch.setattr("dtp_tf.evaluating.evaluation.save_figure", keep)
    names = (NAMES + [f"{name}2" for name in NAMES])[:count]
    scores = np.eye(count, dtype=np.float32)
    draw_confusion_matrix(report(scores, np.arange(count), names), tmp_path / "a.png")
    axes = drawn[0].axes[0]
    for ticks in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [tick.get_text() for tick in ticks] == [drawable(name) for name in names]
        assert not any(tick.get_parse_math() for tick in ticks)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert axes.get_position().width > 0.2


def test_a_title_and_a_legend_have_any_names(tmp_path):
    figure = Figure(layout="constrained")
    axes = figure.subplots()
    for name in NAMES:
        axes.plot([1, 2], label=drawable(name))
    legend = axes.legend()
    plain_legend(legend)
    axes.set_title(drawable(r"$\foo$"), **PLAIN)
    save_figure(figure, tmp_path / "a.png")
    assert len(legend.get_texts()) == len(NAMES)  # matplotlib would leave out what begins with _


def test_long_names_are_cut_and_hidden_signs_are_escapes():
    assert drawable("x" * 40) == "x" * 40
    assert drawable("x" * 41) == "x" * 37 + "..."
    assert drawable("a\nb\x1b") == r"a\nb\x1b"


def test_a_comparison_has_rules_and_folders_of_any_name(tmp_path):
    class Run:
        diverged = False
        history = [{"val_accuracy": 0.5, "loss": 1.0}, {"val_accuracy": 0.6, "loss": 0.9}]

        def __init__(self, rule):
            self.recipe = type("Recipe", (), {
                "rule": rule, "recipe": r"$\foo$", "source": r"a/$\bar$",
                "units": (8,), "layers": None,
            })  # fmt: skip

    rules = ["dtp", "_mine.py:Rule", r"$\foo$.py:Rule"]
    results.draw_comparison([Run(rule) for rule in rules], tmp_path / "a.png")
    assert (tmp_path / "a.png").is_file()


def test_a_confusion_matrix_shows_percent_of_each_true_class(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(
        "dtp_tf.evaluating.evaluation.save_figure", lambda figure, path: figures.append(figure)
    )
    scores = np.eye(2)[[0, 0, 0, 1, 1]]  # the answers, to true classes 0 0 0 0 1
    draw_confusion_matrix(report(scores, np.array([0, 0, 0, 0, 1]), ["a", "b"]), tmp_path / "a.png")
    axes, _ = figures[0].axes
    assert [text.get_text() for text in axes.texts] == ["75", "25", "0", "100"]
