"""The pages of the repository, at the paths that they have there: links between them hold on both.

Beside its own few pages the site shows README.md and the other pages of the root, `docs/` and
`exported_models/README.md`, with the tables and pictures that they link to.
"""

import pathlib

from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).resolve().parents[1]
BESIDE = {".csv", ".png", ".svg", ".json", ".yaml"}
HOME = "docs/README.md"


def repository_pages():
    """Return the Markdown pages, and the files of `docs/` beside them, as paths from the root."""
    beside = (path for path in ROOT.glob("docs/**/*") if path.suffix in BESIDE)
    root = [*ROOT.glob("*.md"), *ROOT.glob("*.cff"), *ROOT.glob("docs/*.md")]
    paths = [*root, ROOT / "exported_models/README.md", *beside]
    return sorted(path.relative_to(ROOT).as_posix() for path in paths)


def on_config(config):
    """Put the pages of the root that the navigation does not name behind those on the project."""
    project = next(item["Project"] for item in config.nav if "Project" in item)
    named = str(config.nav)
    project.extend(path.name for path in sorted(ROOT.glob("*.md")) if path.name not in named)


def on_files(files, config):
    for path in repository_pages():
        file = File.generated(config, path, abs_src_path=str(ROOT / path))
        if file.src_uri == HOME:
            file.dest_uri = "index.html"
        elif file.src_uri == "README.md":
            file.name, file.dest_uri = "start", "start.html"
        files.append(file)
    return files
