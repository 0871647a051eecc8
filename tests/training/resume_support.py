"""What the tests of resumed runs share: a look at the log."""

from helpers import log_rows

from dtp_tf.runs.models import load_model


def check_log(run, epochs):
    """Check that log.csv has every epoch once, as in the last checkpoint."""
    rows = log_rows(run)
    assert [row["epoch"] for row in rows] == [str(i + 1) for i in range(epochs)]
    history = load_model(run / "last.keras").about["history"]
    for row, logs in zip(rows, history, strict=True):
        assert {name: float(row[name]) for name in logs} == logs
