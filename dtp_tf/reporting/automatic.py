"""The report at the end of a work that is done: it never takes that away."""

from dtp_tf.console.plain import quoted
from dtp_tf.console.program import PROGRAM


def report_at_the_end(write, folder, console):
    """Write a page and say where it is; if that fails, say why, and how to make it later.

    Args:
        write: makes the page and returns its path.
        folder: what the page is on.
        console: where a person reads.
    """
    try:
        path = write()
    except Exception as error:  # whatever it is, the training is finished
        reason = " ".join(str(error).split()) or type(error).__name__
        console.print(
            f"warning: the report could not be made ({reason.rstrip('.')}); {PROGRAM} report "
            f"{quoted(folder)} tries it again", markup=False,
        )
        return
    console.print(f"report     {path}", markup=False)
