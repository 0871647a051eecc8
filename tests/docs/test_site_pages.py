"""What the site is made of: pages of the repository, notebooks, docstrings.

Needs the extra `docs`.
"""

import base64
import xml.etree.ElementTree as ElementTree

import pytest

pytest.importorskip("mkdocs", reason="the extra docs is not installed; .ci/run installs it")
pytest.importorskip("griffe", reason="the extra docs is not installed; .ci/run installs it")

import gallery  # noqa: E402
import nbformat  # noqa: E402
from docstrings import readable  # noqa: E402
from equations import mathml, on_page_content  # noqa: E402
from notebooks import page  # noqa: E402
from repository import ROOT, repository_pages  # noqa: E402


def test_the_pages_of_the_repository_are_there_at_their_own_paths():
    pages = repository_pages()
    assert {"README.md", "CONTRIBUTING.md", "docs/rules.md", "exported_models/README.md"} <= {
        *pages
    }
    assert "docs/comparisons/mnist-compare/comparison.png" in pages
    assert all((ROOT / path).is_file() for path in pages)


def test_a_notebook_becomes_a_page_with_its_code_outputs_and_pictures():
    picture = nbformat.v4.new_output(
        "display_data", {"image/png": base64.b64encode(b"PNG").decode(), "text/plain": "<Figure>"}
    )
    printed = nbformat.v4.new_output("stream", text="98 %\n")
    code = nbformat.v4.new_code_cell('axis.set_title("Loss")', outputs=[printed, picture])
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Title"), code])
    text, pictures = page(notebook, "name")
    assert text == (
        '# Title\n\n```python\naxis.set_title("Loss")\n```\n\n``` {.text .output}\n98 %\n```\n\n'
        "![Loss](name-1.png)\n"
    )
    assert pictures == {"name-1.png": b"PNG"}


def test_equations_become_mathml_in_which_small_operators_are_tight():
    shown = on_page_content(
        r'<p><span class="arithmatex">\(h_{i-1} &lt; 1\)</span></p>', None, None, None
    )
    root = ElementTree.fromstring(shown)
    (minus,) = [mo for mo in root.iter() if mo.tag.endswith("mo") and mo.get("lspace") == "0"]
    assert minus.text == "\N{MINUS SIGN}"
    assert mathml("x", block=True).startswith('<div class="equation"><math')


def test_docstrings_become_markdown_with_links_examples_and_single_arguments():
    text = readable(
        "Take h_i, as `DTP` does; see arXiv 1412.7525.\n\n"
        "Args:\n    device, jit: see `dtp_tf.machines.Machine`.\n\n"
        "Returns:\n    A dict: what\n    it says.\n\n"
        "Example:\n\n>>> 1 + 1\n2"
    )
    assert text == (
        "Take $h_i$, as [`DTP`][dtp_tf.rules.DTP] does; see "
        "[arXiv 1412.7525](https://arxiv.org/abs/1412.7525).\n\n"
        "Args:\n    device: see [`dtp_tf.machines.Machine`][dtp_tf.machines.Machine].\n"
        "    jit: see [`dtp_tf.machines.Machine`][dtp_tf.machines.Machine].\n\n"
        "**Returns:**\n\n- A dict: what\n    it says.\n\n"
        "**Example:**\n\n```pycon\n>>> 1 + 1\n2\n```"
    )


def test_the_gallery_shows_what_a_comparison_of_the_repository_came_to():
    section = gallery.comparison(ROOT / "docs/comparisons/mnist-compare")
    assert "| `bp` | 3 | 98.77 ± 0.04 |" in section
    assert "told in [docs/comparing.md](docs/comparing.md)" in section
    assert "[" not in section.partition("![")[0].replace(
        "[docs/comparing.md]", ""
    )  # no reports yet
    assert "(docs/tunings/cifar10/history.png)" in gallery.search(ROOT / "docs/tunings/cifar10")


def test_the_gallery_leads_to_a_report_of_all_that_the_repository_holds(monkeypatch):
    folders = gallery.reported()
    held = [*ROOT.glob("docs/comparisons/*"), *ROOT.glob("docs/tunings/*")]
    held += ROOT.glob("dtp_tf/presets/pretrained/*_*")
    assert {path for path in held if path.is_dir()} <= {*folders}
    monkeypatch.setitem(gallery._state, "uris", {gallery.report_uri(one) for one in folders})
    section = gallery.comparison(ROOT / "docs/comparisons/mnist-compare")
    assert "[its report](gallery/comparisons-mnist-compare.html)" in section
    assert "| [report](gallery/comparisons-mnist-compare-bp-0.html) |" in section
    assert "[`digits_mlp_dtp`](gallery/presets-pretrained-digits_mlp_dtp.html)" in gallery.presets()
