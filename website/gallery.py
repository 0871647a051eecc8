"""The gallery: every comparison and search that the repository holds, from its own files.

Each rule of a comparison has the report of its first seed, a second's work each: `mkdocs serve` is
to be quick and leaves them out.
"""

import json
import pathlib
import tempfile

import repository
from mkdocs.structure.files import File
from repository import ROOT

import dtp_tf

PAGE = "gallery.md"
_building = {"reports": False}


def on_startup(command, dirty):
    _building["reports"] = command == "build"


def on_files(files, config):
    """Make the reports of the first seeds."""
    runs = sorted(path.parent for path in ROOT.glob("docs/comparisons/*/*-0/config.json"))
    with tempfile.TemporaryDirectory() as folder:
        page = pathlib.Path(folder, "report.html")
        for run in runs if _building["reports"] else ():
            text = dtp_tf.report(run, page).read_text(encoding="utf-8")
            files.append(File.generated(config, report_uri(run), content=text))
    return files


def report_uri(run):
    return f"gallery/{run.parent.name}-{run.name}.html"


def on_page_markdown(markdown, page, config, files):
    if page.file.src_uri != PAGE:
        return markdown
    _building["uris"] = set(files.src_uris)
    for kind, section in (("comparisons", comparison), ("tunings", search)):
        folders = sorted(path for path in ROOT.glob(f"docs/{kind}/*") if path.is_dir())
        markdown = markdown.replace(f"<!-- {kind} -->", "\n\n".join(map(section, folders)))
    return markdown


def comparison(folder):
    """Return the section of a comparison's folder: what each rule came to, and its curves."""
    content = json.loads((folder / "comparison.json").read_text())
    rows = sorted(content["summary"], key=lambda row: -(row["test_accuracy"] or 0))
    shared, place = content["held_equal"], folder.relative_to(ROOT).as_posix()
    epochs = f"{shared['epochs']} epochs, batches of {shared['batch_size']}"
    lines = [
        f"### {folder.name}",
        "",
        f"Data: {shared['dataset']}. {epochs}; {told(folder)}.",
        "",
        "| rule | seeds | test accuracy, % | validation accuracy, % | best epoch | |",
        "|---|---|---|---|---|---|",
        *(_row(row, folder / f"{row['rule']}-0") for row in rows),
        "",
        f"![learning curves of {folder.name}]({place}/comparison.png)",
    ]
    return "\n".join(lines)


def _row(row, run):
    def percent(name):
        value = row[name]
        return "-" if value is None else f"{100 * value:.2f}"

    spread = percent("test_accuracy_std")
    accuracy = percent("test_accuracy") + (f" ± {spread}" if spread != "-" else "")
    best = "-" if row["best_epoch"] is None else f"{row['best_epoch']:.0f}"
    uri = report_uri(run)
    report = f"[report]({uri})" if uri in _building.get("uris", ()) else ""
    return (
        f"| `{row['rule']}` | {row['seeds']} | {accuracy} | {percent('validation_accuracy')} "
        f"| {best} | {report} |"
    )


def search(folder):
    """Return the section of a search's folder: its pictures."""
    place = folder.relative_to(ROOT).as_posix()
    pictures = (f"![{path.stem}]({place}/{path.name})" for path in sorted(folder.glob("*.png")))
    return "\n\n".join((f"### {folder.name}", f"A search {told(folder)}.", *pictures))


def told(folder):
    """Return the words that lead to the page on which a folder of `docs/` is named."""
    name = folder.relative_to(ROOT / "docs").as_posix()
    pages = [page for page in repository.repository_pages() if page.endswith(".md")]
    page = next(page for page in pages if name in (ROOT / page).read_text(encoding="utf-8"))
    return f"told in [{page}]({page})"
