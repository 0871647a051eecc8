"""The gallery: the comparisons, searches and presets that the repository holds, and their reports.

There is a report of each, and one of every rule's first seed in a comparison. They take half a
minute together: `mkdocs serve` is to be quick and leaves them out.
"""

import json
import pathlib
import tempfile

import repository
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File
from repository import ROOT

import dtp_tf

PAGE = "gallery.md"
PRESETS = "dtp_tf/presets/pretrained"
_state = {"build": False, "uris": ()}


def reported():
    """Return the folders that have a report: comparisons, runs in them, searches and presets."""
    comparisons = [path.parent for path in ROOT.glob("docs/comparisons/*/comparison.json")]
    runs = [path.parent for path in ROOT.glob("docs/comparisons/*/*-0/config.json")]
    searches = [path.parent for path in ROOT.glob("docs/tunings/*/trials.csv")]
    presets = [path.parent for path in ROOT.glob(f"{PRESETS}/*/config.json")]
    return sorted([*comparisons, *runs, *searches, *presets])


def report_uri(folder):
    """Return the address of a folder's report, as "gallery/comparisons-cifar10-cnn-bp-0.html"."""
    return f"gallery/{'-'.join(folder.relative_to(ROOT).parts[1:])}.html"


def on_startup(command, dirty):
    _state["build"] = command == "build"


def on_files(files, config):
    with tempfile.TemporaryDirectory() as temporary:
        page = pathlib.Path(temporary, "report.html")
        for folder in reported() if _state["build"] else ():
            text = dtp_tf.report(folder, page).read_text(encoding="utf-8")
            files.append(File.generated(config, report_uri(folder), content=text))
    _state["uris"] = set(files.src_uris)
    return files


def link(words, folder):
    """Return words that lead to a folder's report, where the site has it."""
    uri = report_uri(folder)
    return f"[{words}]({uri})" if uri in _state["uris"] else words


def on_page_markdown(markdown, page, config, files):
    if page.file.src_uri != PAGE:
        return markdown
    for kind, section in SECTIONS.items():
        folders = sorted(path for path in ROOT.glob(f"docs/{kind}/*") if path.is_dir())
        markdown = markdown.replace(f"<!-- {kind} -->", "\n\n".join(map(section, folders)))
    return markdown.replace("<!-- presets -->", presets())


def presets():
    """Return a list of the presets that come with the package."""
    return "\n".join(
        f"- {link(f'`{folder.name}`', folder)}" for folder in reported() if PRESETS in str(folder)
    )


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
    return (
        f"| `{row['rule']}` | {row['seeds']} | {accuracy} | {percent('validation_accuracy')} "
        f"| {best} | {link('report', run) if run in reported() else ''} |"
    )


def search(folder):
    """Return the section of a search's folder: its pictures."""
    place = folder.relative_to(ROOT).as_posix()
    pictures = (f"![{path.stem}]({place}/{path.name})" for path in sorted(folder.glob("*.png")))
    return "\n\n".join((f"### {folder.name}", _of_search(folder), *pictures))


def _of_search(folder):
    return f"A search, {told(folder)}."


def reproduction(folder):
    """Return the section of a paper's table that was trained again: its picture and its rows."""
    place = folder.relative_to(ROOT).as_posix()
    return (
        f"### {folder.name}\n\nPublished beside measured, told in [docs/reproduction.md]"
        f"(docs/reproduction.md); every row with its conditions is in the [table]({place}/"
        f"reproduction.csv).\n\n![published beside measured]({place}/reproduction.png)"
    )


def told(folder):
    """Return the words that lead to the page on which a folder of `docs/` is named."""
    name = folder.relative_to(ROOT / "docs").as_posix()
    pages = [page for page in repository.repository_pages() if page.endswith(".md")]
    page = next((p for p in pages if name in (ROOT / p).read_text(encoding="utf-8")), None)
    if page is None:
        raise PluginError(f"no page tells of docs/{name}: name it on the page that it belongs to.")
    return f"told in [{page}]({page}), and shown in {link('its report', folder)}"


SECTIONS = {"comparisons": comparison, "reproductions": reproduction, "tunings": search}
