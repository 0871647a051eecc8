"""Equations of docstrings and pages become LaTeX, and words stay words."""

import pytest
from ascii_math import displayed, in_prose, latex


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("t_{i-1} = h_{i-1} - g_i(h_i) + g_i(t_i)", "t_{i-1} = h_{i-1} - g_i(h_i) + g_i(t_i)"),
        ("h_i - eta dC/dh_i", r"h_i - \eta  \frac{dC}{dh_i}"),
        ("|| h~ - y ||^2", r"\lVert  \tilde{h} - y \rVert ^{2}"),
        ("J_i^T (J_i J_i^T + lambda 1)^-1", r"J_i^{\top} (J_i J_i^{\top} + \lambda  1)^{-1}"),
        ("< s_i, h_i >", r"\langle  s_i, h_i \rangle"),
        ("rate(step) < warmup_steps", r"\text{ rate }(\text{ step }) < \mathtt{warmup\_steps}"),
        ("C    moves f_i only", r"C\qquad \text{ moves }f_i \text{ only }"),
        ("unpool(t) *^T V", r"\operatorname{unpool}(t) *^{\top} V"),
        ("2^31 - 1", "2^{31} - 1"),
    ],
)
def test_a_line_of_mathematics_becomes_latex(line, expected):
    assert latex(line) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("h_i are the activations", "$h_i$ are the activations"),
        ("With h_i = f_i(h_{i-1}), a layer", "With $h_i = f_i(h_{i-1})$, a layer"),
        ("the loss (of h_i) falls", "the loss (of $h_i$) falls"),
        ("f_i's inverse", "$f_i$'s inverse"),
        ("lambda, 0.5 by default", r"$\lambda$, 0.5 by default"),
        ("the signal dC/dh_i, once", "the signal $dC/dh_i$, once"),
        ("with eta 0.0669 for it", r"with $\eta$ 0.0669 for it"),
        ("2^12 of them", "$2^{12}$ of them"),
    ],
)
def test_formulas_in_running_text_are_found(text, expected):
    assert in_prose(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "A network (of 3 layers) has a mean loss, and/or a sum; see section 2.1.",
        "784-256x5-10 tanh, batch 100, 48,000/12,000 images, 1.43 ± 0.13 %",
        "angle_bp_i, target_step and val_accuracy are columns",
        "a log, the sign, a pool and the signal",
        'take "a", x = 3 or [1, 2]',
        "line one\nline two\n\n- a list\n",
    ],
)
def test_running_text_without_formulas_stays_as_it_is(text):
    assert in_prose(text) == text


def test_an_indented_block_is_shown_as_equations_only_if_it_is_mathematics():
    assert (
        displayed("    h_i = f_i(h)\n    t_i = h_i") == "$$\nh_i = f_i(h)\n$$\n\n$$\nt_i = h_i\n$$"
    )
    assert displayed("    result = compare(3)") is None
    assert displayed("    python cli.py train --rule my_rule.py") is None
