"""Reports as tests read them: their parts, and runs on data with names of strangers."""

import functools
import html.parser
import json
import pathlib
import shutil

from helpers import _folder, train, trained
from photos_support import photo, save

import dtp_tf
from dtp_tf.comparing.results import Result

# Folders may have any names but for "/".
NAMES = (
    "<img src=x onerror=alert(1)>", 'a" onload="alert(1)', "{{ 7 * 7 }} &amp; ]]>", "שלום עולם",
    "back\u202eward", "日本語", "w" * 200, "'$\\foo$'",
)  # fmt: skip


class Parts(html.parser.HTMLParser):
    """The tags, attributes, words and pictures of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text, self.sources, self.alts = [], [], [], [], []
        self.feed(text)
        self.close()
        self.words = " ".join(" ".join(self.text).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        given = dict(attrs)
        if tag == "img":
            self.sources.append(given["src"])
            self.alts.append(given["alt"])
        if tag == "svg":
            self.alts.append(given["aria-label"])

    def handle_data(self, data):
        self.text.append(data)


def parts_of(path):
    return Parts(pathlib.Path(path).read_text(encoding="utf-8"))


@functools.cache
def run_page():
    """The page of the shared run on the digits."""
    return dtp_tf.report(trained()[0], _folder() / "run.html")


@functools.cache
def strange_run():
    """A run on photos whose classes have strange names: (its folder, that of the photos)."""
    home = _folder()
    photos = home / "photos"
    for label, name in enumerate(NAMES):
        for n, split in enumerate(("train", "train", "val", "test", "test")):
            save(photos / split / name / f"{n}.bmp", photo(100 * label + n, label % 3))
    train(home / "run", image_folder=str(photos), units=(6, 5), epochs=1, batch_size=8, crop=0)
    return home / "run", photos


@functools.cache
def strange_page():
    return dtp_tf.report(strange_run()[0], _folder() / "strange.html")


def copy_of(run, path):
    return pathlib.Path(shutil.copytree(run, path))


@functools.cache
def comparison():
    """A comparison of two rules with two seeds each, as `compare` leaves it but for its table."""
    home = _folder()
    for rule in ("bp", "dtp"):
        for seed in (0, 1):
            train(home / f"{rule}-{seed}", rule=rule, seed=seed, epochs=2, units=(6, 5),
                  diagnostics_every=1 if rule == "dtp" else None, diagnostics_images=4)
    runs = [Result.of(path).row() for path in sorted(home.iterdir())]
    (home / "comparison.json").write_text(json.dumps({"complete": True, "runs": runs}))
    return home


@functools.cache
def comparison_page():
    return dtp_tf.report(comparison(), _folder() / "comparison.html")


@functools.cache
def preset_page():
    return dtp_tf.report("digits_mlp_dtp", _folder() / "preset.html")
