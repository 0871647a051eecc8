"""A page as one HTML file, made by Jinja2."""

import functools
import importlib.resources

import jinja2
from markupsafe import Markup

from dtp_tf.console.plain import printable
from dtp_tf.errors import UserError
from dtp_tf.files import write_text
from dtp_tf.reporting.blocks import Page as Page

MOST_BYTES = 5_000_000  # of a page, so that it can be sent


def render(page):
    """Return the HTML of a `Page`."""
    parts = [section for section in page.sections if section.blocks]
    return _environment().get_template("page.html").render(page=page, sections=parts)


def write_page(page, path):
    """Write a page in one step.

    Raises:
        UserError: it cannot be written, or is too large to be sent to anybody.
    """
    text = render(page)
    size = len(text.encode("utf-8", "backslashreplace"))
    if size > MOST_BYTES:
        raise UserError(
            f"{path} would have {size:,} bytes, which is above the limit of {MOST_BYTES:,} of a "
            "report; this is a fault of dtp_tf: report it with the run's config.json."
        )
    write_text(path, text)


@functools.cache
def _environment():
    folder = importlib.resources.files(__package__) / "templates"
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (folder / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _shown(value):
    """Return what is put into a page: of a text, control characters are written as escapes."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return printable(value)
    return value
