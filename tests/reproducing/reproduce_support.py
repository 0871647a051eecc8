"""A table of the digits with tiny networks; its runs are trained inside this process."""

import json
import os

import pytest
from helpers import jobs_by

from dtp_tf.comparing import comparison
from dtp_tf.comparing.run_job import run_job

TABLE = {
    "title": "Nobody 2026: a table",
    "seeds": 1,
    "defaults": {
        "recipe": "digits",
        "settings": {"units": [12], "epochs": 2, "batch_size": 128},
        "quick": {"epochs": 1},
        "network": "64-12-10",
    },
    "rows": {
        "dtp": {
            "rule": "dtp",
            "published": {"error": 99.0, "from_memory": True},
            "conditions": {"epochs": 100, "chosen_by": "best test error", "training_images": 1150},
            "ours": {"settings": {"units": [12], "epochs": 2, "batch_size": 64}},
        },
        "bp": {"rule": "bp", "published": {"accuracy": 99.0}},
        "codes": {"rule": "autoencoder", "measure": "accuracy"},
        "classifier": {"rule": "dtp", "begins_with": "codes", "published": {"error": 1.0}},
    },
}


def write_table(folder, table=TABLE, **rows):
    """Write a table into a folder, `rows` changed in it, and return its path."""
    changed = {name: {**table["rows"].get(name, {}), **row} for name, row in rows.items()}
    path = folder / "tiny.json"
    path.write_text(json.dumps({**table, "rows": {**table["rows"], **changed}}))
    return path


@pytest.fixture(name="runs", autouse=True)
def fixture_runs(monkeypatch):
    """The folders of the runs that were trained, in order; they train in this process."""
    trained = []

    def run_here(job, stop):
        trained.append(os.path.basename(job["run_dir"]))
        return run_job(job)

    monkeypatch.setattr(comparison, "run_jobs", jobs_by(run_here))
    return trained
