"""Equations become MathML while the site is built: browsers show it without any script."""

import html
import pathlib
import re
import xml.etree.ElementTree as ElementTree

import matplotlib
from ascii_math import displayed, in_prose
from latex2mathml.converter import convert
from mkdocs.structure.files import File

# Fences, comments, headings, code and addresses: there is no mathematics in them.
APART = re.compile(
    r"(^```.*?^ *```$|^ +```.*?^ +```$|<!--.*?-->|^#.*?$|`[^`]+`|\]\([^)]*\))",
    re.DOTALL | re.MULTILINE,
)
INDENTED = re.compile(r"(?<=\n\n)(?: {4}.*\n)+(?=\n)")
MATH = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\s*\\(?:\(|\[)(?P<latex>.*?)\\(?:\)|\])\s*</(?P=tag)>',
    re.DOTALL,
)
SCRIPTS = {"msub": 1, "msup": 1, "msubsup": 1}  # from which child on they are small

FENCES = "\u2016\u27e8\u27e9()[]"  # as high as letters, as in the text around them


def on_files(files, config):
    """Bring a font for mathematics along, which matplotlib has; not all systems have one."""
    font = pathlib.Path(matplotlib.get_data_path(), "fonts/ttf/STIXGeneral.ttf")
    files.append(File.generated(config, f"fonts/{font.name}", abs_src_path=str(font)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Find the equations of pages, which write them as docstrings do; notebooks have LaTeX."""
    if not page.file.src_uri.endswith(".md"):
        return markdown
    parts = APART.split(markdown)
    return "".join(part if i % 2 else _page_text(part) for i, part in enumerate(parts))


def _page_text(text):
    blocks = re.split(f"({INDENTED.pattern})", text)
    return "".join(
        (displayed(block) or block).rstrip("\n") + "\n" if i % 2 else in_prose(block)
        for i, block in enumerate(blocks)
    )


def on_page_content(content, page, config, files):
    return MATH.sub(lambda match: mathml(match["latex"], match["tag"] == "div"), content)


def mathml(latex, block=False):
    """Return LaTeX as MathML, with `block` in a line of its own."""
    text = convert(html.unescape(latex).strip(), display="block" if block else "inline")
    ElementTree.register_namespace("", "http://www.w3.org/1998/Math/MathML")
    root = ElementTree.fromstring(text)
    for element in root.iter():
        if _tag(element) == "mo" and element.text in FENCES:
            element.attrib["stretchy"] = "false"
        for script in list(element)[SCRIPTS.get(_tag(element), len(element)) :]:
            for operator in script.iter():
                if _tag(operator) == "mo":  # i-1 is tight there, as TeX sets it
                    operator.attrib |= {"lspace": "0", "rspace": "0"}
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<div class="equation">{text}</div>' if block else text


def _tag(element):
    return element.tag.rpartition("}")[2]
