"""What the scripts here share: a point measured in a process of its own, and a table of points."""

import csv
import subprocess
import sys


def measured(script, *words):
    """Run a script with these words in a process of its own and return the last line it prints."""
    command = [sys.executable, script, *map(str, words)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.splitlines()[-1]


def write_table(path, columns, rows):
    """Write rows, dicts by column, as CSV; the folder is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
