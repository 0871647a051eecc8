"""The page of whatever a folder holds: `dtp_tf.report`."""

import pathlib

from dtp_tf.reporting.run_page import write_run_page
from dtp_tf.runs.folder import Run


def report(path, out=None, *, rule=None, data_dir=None, in_memory="auto"):
    """Write an HTML page on a run: what it is, how well it does, what it looks like inside.

    The page is one file that needs no network and has less than 5 MB. What cannot be shown is said
    in its place; images are shown only if they are those that the network was trained beside.

    Args:
        path: the folder of a run.
        out: the file; by default `report.html` in the folder.
        rule: FILE.py:CLASS, the user's own rule that the network was trained by. Its file is run.
        data_dir: the folder of TensorFlow Datasets.
        in_memory: see `dtp_tf.load_data`.

    Returns:
        The path of the page.

    Raises:
        UserError: there is no run, its files are damaged, or the page cannot be written.
        SettingError: a rule that cannot be loaded.

    Example:

        dtp_tf.report("runs/20261123-120000-digits")
    """
    out = None if out is None else pathlib.Path(out)
    return write_run_page(Run.open(path), out, rule=rule, data_dir=data_dir, in_memory=in_memory)
