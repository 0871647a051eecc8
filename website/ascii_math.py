"""Equations as docstrings and pages write them, `t_{i-1} = h_{i-1} - eta dC/dh_i`, in LaTeX."""

import re

GREEK = ("alpha", "beta", "delta", "eps", "eta", "gamma", "lambda", "sigma")
FUNCTIONS = ("BN", "log", "mean", "pool", "sign", "signal", "softmax", "sum", "tanh", "unpool")
SUBSCRIPT = r"_(?:\{(?:[^{}]|\{[^{}]*\})*\}|[A-Za-z0-9])(?![A-Za-z0-9])"
QUANTITY = rf"[A-Za-z](?:{SUBSCRIPT})?"
TOKENS = re.compile(
    "|".join(
        (
            rf"(?P<slope>d{QUANTITY} ?/ ?d(?:{QUANTITY}(?![A-Za-z])|logits))",
            r"(?P<code>`[^`]+`|[A-Za-z]{2,}(?:_[a-z]{2,})+)",
            rf"(?P<change>d(?=[A-Zxy](?![A-Za-z])){QUANTITY})",
            rf"(?P<greek>(?:{'|'.join(GREEK)})(?![A-Za-z])(?:{SUBSCRIPT})?)",
            rf"(?P<function>(?:{'|'.join(FUNCTIONS)})(?:{SUBSCRIPT}|(?=\()))",
            r"(?P<operator>(?:log|sign|softmax|sum|tanh)(?= \w+\())",
            r"(?P<own>'s(?![A-Za-z]))",
            r"(?P<word>[A-Za-z]{2,}(?:['-][A-Za-z]+)*)",
            r"(?P<number>\d+(?:[.,]\d+)*(?:e-?\d+)?)",
            rf"(?P<tilde>[A-Za-z]~)|(?P<hat>[A-Za-z]\^{SUBSCRIPT})|(?P<quantity>{QUANTITY})",
            r"(?P<norm>\|\|)|(?P<transposed>\*\^T)|(?P<power>\^-?(?:\d+|[A-Za-z]))",
            r"(?P<gap> {3,})|(?P<dots>\.\.)|(?P<other>(?s:.))",
        )
    )
)
# What a formula in running text is made of, and what makes sure that it is one.
INSIDE = (
    "slope change greek function operator number tilde hat quantity norm transposed power".split()
)
NUMBER = re.compile(r" [0-9.,e-]+")
SIGNS = " =+-*/()[]<>,'"
CERTAIN = re.compile(rf"_|~|\^|/ ?d[A-Za-z]|\b(?:{'|'.join(GREEK)})\b")


def latex(line, inline=False):
    """Return a line of ASCII mathematics, with words where there are some, in LaTeX.

    Fractions are written out, but for those `inline`, which would be too small to read.
    """
    angles = line.count("<") == line.count(">") == 1
    out, norms, words = [], 0, ""
    for token in [*TOKENS.finditer(line.strip()), None]:
        kind, text = (token.lastgroup, token.group()) if token else (None, "")
        if kind in ("word", "own") or (words and text == " "):
            words += text
            continue
        if words:
            out.append(rf"\text{{ {words.strip()} }}")
            words = ""
        if kind == "norm":
            text, norms = (r"\lVert ", r"\rVert ")[norms % 2], norms + 1
        elif angles and text in ("<", ">"):
            text = {"<": r"\langle ", ">": r"\rangle "}[text]
        written = WRITTEN.get(kind) if not (inline and kind == "slope") else None
        out.append(written(text) if written else text)
    return "".join(out).strip()


def displayed(block):
    """Return an indented block as equations between dollars, or None if it is something else."""
    if not re.search(r" = |\|\|", block) or not (CERTAIN.search(block) or "||" in block):
        return None
    return "\n\n".join(f"$$\n{latex(line)}\n$$" for line in block.splitlines())


def in_prose(text):
    """Return running text with its formulas, such as h_i = f_i(h_{i-1}), between dollars.

    A formula has something that words do not have: a subscript, a tilde, a power, a Greek name.
    """
    out, run = [], []
    for token in [*TOKENS.finditer(text), None]:
        if token and (token.lastgroup in INSIDE or token.group() in SIGNS):
            run.append(token.group())
        else:
            out += [_formula(run), token.group() if token else ""]
            run = []
    return "".join(out)


def _formula(run):
    """Mark the part of some tokens that is a formula: nothing hangs over at its ends."""
    low, high = 0, len(run)
    while low < high and (
        run[low] in " =+-*/)]>,'" or run[low : low + 2] in (["a", " "], ["A", " "])
    ):
        low += 1
    while low < high and _hangs_over(run[low:high]):
        high -= 1
    while low < high and run[low] in "([" and _open(run[low:high]) > 0:
        low += 1
    while low < high and run[high - 1] in ")]" and _open(run[low:high]) < 0:
        high -= 1
    if run[low : low + 1] and run[low] in GREEK and NUMBER.fullmatch("".join(run[low + 1 : high])):
        high = low + 1  # "eta 0.1" is no product in running text
    formula = "".join(run[low:high])
    if not CERTAIN.search(formula) or _open(run[low:high]) or formula.count("||") % 2:
        return "".join(run)
    return "".join(run[:low]) + f"${latex(formula, inline=True)}$" + "".join(run[high:])


def _hangs_over(run):
    """Whether the last token is a sign, or all after the last comma, as in "h_i, a"."""
    last = "".join(run).rpartition(",")[2]
    alone = "," in run and _open(run) == 0 and not re.search(rf"=|{CERTAIN.pattern}", last)
    return run[-1] in " =+-*/([<," or (alone and _open(list(last)) == 0)


def _open(texts):
    return sum((text in ("(", "[")) - (text in (")", "]")) for text in texts)


def _greek(text):
    name, _, below = text.partition("_")
    name = r"\varepsilon" if name == "eps" else rf"\{name}"
    return f"{name}_{below}" if below else f"{name} "


def _function(text):
    name, _, below = text.partition("_")
    return rf"\operatorname{{{name}}}" + (f"_{below}" if below else "")


def _slope(text):
    above, below = (part.strip() for part in text.split("/"))
    return rf"\frac{{{above}}}{{{below.replace('logits', ' logits')}}}"


WRITTEN = {
    "slope": _slope,
    "greek": _greek,
    "function": _function,
    "operator": _function,
    "code": lambda text: rf"\mathtt{{{text.strip('`')}}}".replace("_", r"\_"),
    "change": lambda text: rf"\mathrm{{d}}{text[1:]}",
    "tilde": lambda text: rf"\tilde{{{text[0]}}}",
    "hat": lambda text: rf"\hat{{{text[0]}}}{text[2:]}",
    "transposed": lambda text: r"*^{\top}",
    "power": lambda text: r"^{\top}" if text == "^T" else f"^{{{text[1:]}}}",
    "gap": lambda text: r"\qquad ",
    "dots": lambda text: r"\dots ",
}
