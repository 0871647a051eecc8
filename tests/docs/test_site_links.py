"""The finished site is looked through: what leads nowhere, or is elsewhere, is told."""

import pathlib
import re

from links import Page, faults, missing_names
from public import places


def site(folder, **pages):
    """Write pages and return what the check says of them."""
    for name, body in pages.items():
        (folder / f"{name}.html").write_text(f"<html><body>{body}</body></html>")
    found = {path: Page(path) for path in sorted(folder.glob("*.html"))}
    return list(faults(found, folder))


def test_a_whole_site_has_no_faults(tmp_path):
    (tmp_path / "a picture.png").write_bytes(b"")
    assert not site(
        tmp_path,
        one='<h1 id="top">1</h1><a href="#top">top</a><a href="two.html#part">part</a>'
        '<img src="a%20picture.png"><img src="data:image/png;base64,AA==">',
        two='<a name="part"></a><a href="https://example.org/elsewhere">paper</a>',
    )


def test_links_without_a_file_or_an_anchor_are_told(tmp_path):
    told = site(tmp_path, one='<a href="no.html">x</a><a href="#no">y</a><img src="no.png">')
    assert sorted(re.findall(r"links to (\S+?)[,:]", " ".join(told))) == [
        "#no",
        "no.html",
        "no.png",
    ]


def test_what_a_browser_would_load_from_elsewhere_is_told(tmp_path):
    (told,) = site(tmp_path, one='<script src="https://example.org/x.js"></script>')
    assert told.startswith("one.html loads https://example.org/x.js")


def test_a_public_name_without_a_place_is_told(tmp_path):
    names = sorted(places())
    anchors = "".join(f'<a id="{name}"></a>' for name in names[1:])
    path = pathlib.Path(tmp_path / "reference.html")
    path.write_text(anchors)
    assert list(missing_names({path: Page(path)})) == [
        f"the public name {names[0]} is missing from the reference."
    ]
