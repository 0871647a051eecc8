"""What all pictures have in common: names are plain text, and no file is half written."""

import warnings

from dtp_tf.console.plain import printable
from dtp_tf.files import written

#: Properties of a text in which `$` and `\\` mean themselves.
PLAIN = {"parse_math": False, "usetex": False}


def drawable(name, most=40):
    """Return a name as a line of a picture, to be drawn with the properties `PLAIN`.

    Longer names are cut, or they would leave no room for the picture.
    """
    shown = printable(name, lines=False)
    shown = shown if len(shown) <= most else shown[: most - 3] + "..."
    return f" {shown}" if shown.startswith("_") else shown  # which legends would leave out


def plain_legend(legend):
    """Draw the entries of a legend as plain text."""
    for text in legend.get_texts():
        text.set(**PLAIN)


def save_figure(figure, path):
    """Write a figure in one step; a sign that the font does not have is drawn as a box."""
    with written(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        warnings.filterwarnings("ignore", "Matplotlib currently does not support", UserWarning)
        figure.savefig(temporary, dpi=110)
