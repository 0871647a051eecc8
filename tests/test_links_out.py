"""Links that lead out of a folder: nothing is read, written or deleted through them."""

import os
import shutil

import pytest
from helpers import TINY, invoke, refusal, succeeded, train, trained

from dtp_tf.comparing.comparison import compare
from dtp_tf.errors import UserError
from dtp_tf.export.publishing import publish
from dtp_tf.files import refuse_links_out, remove_half_written
from dtp_tf.presets.folder import SHIPPED
from dtp_tf.recipes.recipe import recipe
from dtp_tf.runs.folder import Run
from dtp_tf.sharing.opening import open_model
from dtp_tf.training.scalars import tensorboard


@pytest.fixture
def outside(tmp_path):
    """A folder of somebody else's, and a function that tells whether it is as it was."""
    folder = tmp_path / "outside"
    shutil.copytree(trained()[0], folder)
    (folder / "deeper").mkdir()
    (folder / "deeper" / "letter.txt").write_text("dear")

    def content():
        return {
            str(path): path.read_bytes() if path.is_file() else None
            for path in sorted(folder.rglob("*"))
        }

    before = content()
    return folder, lambda: content() == before


@pytest.fixture
def run(tmp_path):
    return shutil.copytree(trained()[0], tmp_path / "run")


@pytest.mark.parametrize(
    "name", "best.keras config.json last.keras metrics.json tensorboard versions.json".split()
)
def test_a_run_with_a_link_out_of_it_is_not_resumed(name, run, outside):
    folder, unchanged = outside
    path = run / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    path.symlink_to(folder / name)
    for words in (("train", "--resume", run), ("evaluate", run), ("export", run)):
        text = refusal(invoke(*words), 1)
        assert f"{path} is a link that leads out of {run}; " in text
    assert unchanged() and path.is_symlink()


def test_a_link_to_a_folder_deep_in_a_run_is_found_too(run, outside):
    (run / "tensorboard" / "more").mkdir(exist_ok=True)
    (run / "tensorboard" / "more" / "deep").symlink_to(outside[0] / "deeper")
    with pytest.raises(UserError, match="deep is a link that leads out"):
        train(None, resume=run)
    assert outside[1]()


@pytest.mark.parametrize("target", ["/", "..", "../outside", "missing/../../outside"])
def test_relative_links_and_links_to_what_is_missing_count(target, run, outside):
    (run / "a").symlink_to(target)
    with pytest.raises(UserError, match="a link that leads out"):
        refuse_links_out(run)


def test_a_circle_of_links_is_refused_and_not_followed(run):
    (run / "a").symlink_to("b")
    (run / "b").symlink_to("a")
    with pytest.raises(UserError, match="a link that leads out|is a link"):
        refuse_links_out(run)


def test_links_within_a_folder_and_a_link_to_the_folder_are_fine(run, tmp_path):
    (run / "newest.keras").symlink_to("last.keras")
    (tmp_path / "link").symlink_to(run)
    succeeded(invoke("evaluate", tmp_path / "link"))


def test_what_becomes_a_link_after_the_run_was_opened_is_not_followed_either(run, outside):
    link = run / "tensorboard" / "deeper"
    history = [{"loss": 1.0}]
    link.symlink_to(outside[0] / "deeper")
    with tensorboard(Run(run), history):
        assert not link.is_symlink()
    shutil.rmtree(run / "tensorboard")
    (run / "tensorboard").symlink_to(outside[0] / "deeper")
    with pytest.raises(UserError, match="tensorboard is a link that leads out"):
        with tensorboard(Run(run), history):
            pass
    assert outside[1]()


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5", "metadata.json"])
def test_a_preset_with_a_link_out_of_it_is_not_opened(name, tmp_path):
    copy = shutil.copytree(SHIPPED / "digits_mlp_dtp", tmp_path / "preset")
    (copy / name).rename(tmp_path / name)
    (copy / name).symlink_to(tmp_path / name)
    with pytest.raises(UserError, match=f"{name} is a link that leads out of"):
        open_model(copy)


@pytest.mark.parametrize("rule", ["bp", "dtp"])
def test_a_comparison_neither_trains_nor_reads_a_run_through_a_link(rule, tmp_path, outside):
    """Be it a run that is asked for, or one that would join the table."""
    folder = tmp_path / "comparison"
    shutil.copytree(trained()[0], folder / "dtp-0")
    (folder / "bp-0").symlink_to(outside[0])
    with pytest.raises(UserError, match="bp-0 is a link that leads out of"):
        compare(recipe("digits", **TINY), [rule], 1, out=folder)
    assert outside[1]()


@pytest.mark.parametrize("name", ["trials", "locks", "study.json", "journal.log"])
def test_a_study_with_a_link_out_of_it_is_not_searched(name, tmp_path):
    from dtp_tf.tuning.search_space import make_search
    from dtp_tf.tuning.shared_study import SharedStudy

    base, space = make_search("digits")
    SharedStudy.create(tmp_path / "study", base, space)
    path = tmp_path / "study" / name
    if path.exists():
        path.rename(tmp_path / name)
    path.symlink_to(tmp_path / name)
    before = os.stat(tmp_path / name).st_mtime_ns if path.exists() else None
    with pytest.raises(UserError, match=f"{name} is a link that leads out of"):
        SharedStudy.create(tmp_path / "study", base, space)
    assert before is None or os.stat(tmp_path / name).st_mtime_ns == before


def test_an_export_is_not_published_through_a_link(tmp_path, outside):
    home = tmp_path / "exported" / "digits"
    home.parent.mkdir()
    home.symlink_to(outside[0])
    with pytest.raises(UserError, match="digits is a link that leads out of"):
        publish(home, lambda path: path.mkdir(), keep=1)
    assert outside[1]()


@pytest.mark.parametrize("name", [".removing-0123abcd", ".writing-0123abcd", "1"])
def test_publishing_deletes_nothing_through_links(name, tmp_path, outside, monkeypatch):
    from dtp_tf.export import publishing

    monkeypatch.setattr(publishing, "ABANDONED", -1e12)
    home = tmp_path / "exported"
    home.mkdir()
    (home / name).symlink_to(outside[0])
    publish(home, lambda path: path.mkdir(), keep=1)
    assert outside[1]()


def test_cleaning_up_removes_a_link_and_not_what_it_leads_to(tmp_path, outside):
    (tmp_path / ".run-0123abcd").symlink_to(outside[0])
    remove_half_written(tmp_path)
    assert not (tmp_path / ".run-0123abcd").is_symlink()
    assert outside[1]()
