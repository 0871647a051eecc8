"""Docstrings in Keras's style, as Griffe and Markdown read them (an extension of Griffe).

In a terminal they are to be read as they are; here the equations in them become mathematics, the
names of others links, and the examples code.
"""

import re

import griffe
from ascii_math import displayed, in_prose
from public import places

ARGUMENTS = re.compile(
    r"^    ((?:\**\w+, ?)+\**\w+):((?: .*)?(?:\n {5,}.*)*)$", re.MULTILINE
)  # "device, jit: see `Machine`"
APART = re.compile(r'(`[^`]+`|\[arXiv.*?\)|^ +\**\w+:|"[^"\n]*")', re.MULTILINE)  # no mathematics
PLACES = places()
CLASSES = {path.rpartition(".")[2]: place for path, place in PLACES.items()}


class Docstrings(griffe.Extension):
    def on_object(self, *, obj, **kwargs):
        if obj.docstring and not obj.is_alias:
            obj.docstring.value = readable(obj.docstring.value)


def readable(text):
    """Return a docstring as Markdown with the sections that Griffe knows."""
    text = ARGUMENTS.sub(_one_each, text)
    return "\n\n".join(_block(block) for block in text.split("\n\n"))


def _one_each(match):
    """Write arguments that share a text one by one."""
    return "\n".join(f"    {name}:{match[2]}" for name in re.split(", ?", match[1]))


def _block(block):
    if block.lstrip().startswith(">>>"):
        return f"```pycon\n{block}\n```"
    if block.strip() in ("Example:", "Examples:"):
        return "**Example:**"
    if block.startswith("    "):
        return displayed(block) or block
    block = _prose(block)
    if block.startswith("Returns:\n"):  # in which Griffe looks for types
        text = re.sub(r"^    ", "", block.partition("\n")[2], flags=re.MULTILINE)
        return "**Returns:**\n\n- " + text.replace("\n", "\n    ")
    if block.startswith("Call arguments:\n"):
        return re.sub(r"^    (\w+):", r"\n    - `\1`:", block, flags=re.MULTILINE)
    return block


def _prose(text):
    text = re.sub(r"arXiv (\d{4}\.\d{4,5})", r"[arXiv \1](https://arxiv.org/abs/\1)", text)
    parts = APART.split(text)
    return "".join(_linked(part) if i % 2 else in_prose(part) for i, part in enumerate(parts))


def _linked(part):
    """Make a public name, or a class's without its module, a link to its place."""
    name = part.strip("`") if part.startswith("`") else ""
    place = PLACES.get(name) or (CLASSES.get(name) if name[:1].isupper() else None)
    return f"[{part}][{place}]" if place else part
