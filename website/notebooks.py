"""Notebooks of `examples/` as pages, with the outputs that are stored in them; none is run."""

import base64
import pathlib

import nbformat
from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).resolve().parents[1]


def on_files(files, config):
    for path in sorted(ROOT.glob("examples/*.ipynb")):
        uri = path.relative_to(ROOT).as_posix()
        text, pictures = page(nbformat.read(path, as_version=4), path.stem)
        file = File.generated(config, uri, content=text)
        file.is_documentation_page = lambda: True  # though its name does not end in .md
        file.dest_uri = uri.replace(".ipynb", ".html")
        files.append(file)
        for name, content in pictures.items():
            files.append(File.generated(config, f"examples/{name}", content=content))
    return files


def page(notebook, name):
    """Return a notebook as Markdown, and its pictures, {file name: PNG}."""
    blocks, pictures = [], {}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            blocks.append(cell.source)
            continue
        blocks.append(f"```python\n{cell.source}\n```")
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "image/png" in data:
                picture = f"{name}-{len(pictures) + 1}.png"
                pictures[picture] = base64.b64decode(data["image/png"])
                blocks.append(f"![{_told(cell)}]({picture})")
            else:
                text = output.get("text") or data["text/plain"]
                blocks.append(f"``` {{.text .output}}\n{text.rstrip()}\n```")
    return "\n\n".join(blocks) + "\n", pictures


def _told(cell):
    """Return a picture's text for those who do not see it: the title that the cell gives it."""
    titles = [line.split('"')[1] for line in cell.source.splitlines() if 'title("' in line]
    return titles[-1].replace("]", "") if titles else "what the cell above draws"
