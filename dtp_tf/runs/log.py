"""The logs of a run's epochs, as `log.csv` has them."""

import csv
import io

from dtp_tf.files import read_bytes
from dtp_tf.runs.folder import ROW
from dtp_tf.schema import DamagedError, check, check_plain, decoded, listed


def read_log(path):
    """Return the logs in a run's `log.csv`, one dict per epoch; None where nothing was measured.

    Raises:
        UserError: it is damaged.
    """
    if not path.is_file():
        return []
    try:
        text = decoded(read_bytes(path))
        logs = [
            {name: float("".join(value)) if value else None for name, value in row.items()}
            for row in csv.DictReader(io.StringIO(text, newline=""), restkey="")
        ]
    except (ValueError, csv.Error) as error:
        raise DamagedError(path, str(error)) from None
    check_plain(logs, path)
    check(logs, listed(ROW), path)
    return logs
