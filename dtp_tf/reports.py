"""The page of whatever a folder holds: `dtp_tf.report`."""

import pathlib

from dtp_tf.comparing.comparison_page import NAME as COMPARISON
from dtp_tf.comparing.comparison_page import write_comparison_page
from dtp_tf.errors import UserError
from dtp_tf.presets.folder import is_preset
from dtp_tf.reporting.preset_page import write_preset_page
from dtp_tf.reporting.run_page import write_run_page
from dtp_tf.runs.folder import Run
from dtp_tf.tuning.tuning import require_optuna

STUDY, TRIALS = "study.json", "trials.csv"  # of a search


def report(path, out=None, *, rule=None, data_dir=None, in_memory="auto"):
    """Write an HTML page on a run, a comparison, a search or a preset.

    The page is one file that needs no network and has less than 5 MB. What cannot be shown is said
    in its place; images are shown only if they are those that the network was trained beside.

    Args:
        path: the folder of one of these, or a shipped preset's name.
        out: the file; by default `report.html` in the folder, of a shipped preset `NAME.html` in
            the current one.
        rule: FILE.py:CLASS, the user's own rule that the network was trained by. Its file is run.
        data_dir: the folder of TensorFlow Datasets.
        in_memory: see `dtp_tf.load_data`.

    Returns:
        The path of the page.

    Raises:
        UserError: there is none of these, its files are damaged, or the page cannot be written.
        SettingError: a rule that cannot be loaded.

    Example:

        dtp_tf.report("runs/20261123-120000-digits")
    """
    out = None if out is None else pathlib.Path(out)
    if is_preset(path):
        return write_preset_page(path, out, data_dir=data_dir, in_memory=in_memory)
    path = pathlib.Path(path)
    if (path / COMPARISON).is_file():
        return write_comparison_page(path, out)
    if any((path / name).is_file() for name in (STUDY, TRIALS)):
        require_optuna()
        from dtp_tf.tuning.search_page import write_search_page

        return write_search_page(path, out)
    if not (path / "config.json").is_file():
        raise UserError(
            f"{path} is neither a run nor a comparison, a search or a preset: give a folder that "
            "train, compare, tune or save-preset has left, or the name of a shipped preset."
        )
    return write_run_page(Run.open(path), out, rule=rule, data_dir=data_dir, in_memory=in_memory)
