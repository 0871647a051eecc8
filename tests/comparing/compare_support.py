"""Runs are compared inside this process, except where one of their own is what a test is about."""

import os

import pytest
from helpers import jobs_by

from dtp_tf.comparing import comparison
from dtp_tf.comparing.run_job import run_job

SMALL = {"units": (16, 12), "batch_size": 128, "epochs": 1}


@pytest.fixture(name="runs", autouse=True)
def fixture_runs(monkeypatch):
    """The folders of the runs that were trained, in order; they train in this process."""
    trained = []

    def run_here(job, stop):
        trained.append(os.path.basename(job["run_dir"]))
        return run_job(job)

    monkeypatch.setattr(comparison, "run_jobs", jobs_by(run_here))
    return trained
