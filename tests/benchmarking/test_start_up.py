"""The measurement of a run's first step and memory."""

import json

import pytest
from click.testing import CliRunner

from dtp_tf.benchmarking.start_up import measure_start_up
from dtp_tf.commands.main import main
from dtp_tf.errors import UserError


@pytest.mark.slow
def test_a_run_is_measured_in_a_process_of_its_own():
    found = measure_start_up("digits")
    assert 0.5 < found["first_step_seconds"] < 300
    assert list(found["stages"]) == ["import", "data", "network", "step"]
    assert min(found["stages"].values()) > 0
    assert sum(found["stages"].values()) == pytest.approx(found["first_step_seconds"])
    memory = [*found["stages_memory_gb"].values(), found["peak_memory_gb"]]
    assert list(found["stages_memory_gb"]) == list(found["stages"])
    assert 0.1 < memory[0] and memory == sorted(memory) and memory[-1] < 16
    assert 0.01 < found["help_seconds"] < 30


@pytest.mark.slow
def test_a_run_that_fails_says_why(tmp_path):
    with pytest.raises(UserError, match="`train cifar10` failed.*is not prepared in"):
        measure_start_up("cifar10", tmp_path)


@pytest.mark.parametrize("sizes", ["", "a", "0", "128,-1", "1.5"])
def test_impossible_batch_sizes_are_refused(sizes):
    done = CliRunner().invoke(main, ["benchmark", "--batch-sizes", sizes])
    assert done.exit_code == 2
    assert f"must be whole numbers from 1 with commas between them, got '{sizes}'" in done.output


def test_the_command_prints_a_table_or_json(monkeypatch):
    one = {"images_per_second": 1234.5, "gflops": 50.0, "share_of_peak": 0.5,
           "share_of_limit": 0.75, "share_of_step": 0.98, "share_of_train": 0.71}  # fmt: skip
    found = {
        "gemm_peak_gflops": 100.0,
        "memory_gb_per_second": 20.0,
        "device": "CPU",
        "network": [3072, 10],
        "batch_sizes": {
            "128": {
                **dict.fromkeys(("step", "train", "bp_step", "bp_train", "keras_bp_fit"), one),
                "dtp_epoch_over_bp_epoch": 1.5,
                "profile": [{"operation": "MatMul", "times": 21.0, "milliseconds": 12.3}],
            }
        },
    }
    asked = {}

    def measured(**settings):
        asked.update(settings)
        return dict(found)

    monkeypatch.setattr("dtp_tf.benchmarking.throughput.measure_throughput", measured)
    command = ["benchmark", "--batch-sizes", "128, 256", "--seconds", "0.5", "--profile"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0
    for text in ("1,234", "50.0%", "1.50 times", "98.0% of", "71.0%", "12.30", "MatMul", "3072-10"):
        assert text in done.stdout
    assert (asked["batch_sizes"], asked["seconds"], asked["profile"]) == ([128, 256], 0.5, True)
    done = CliRunner().invoke(main, [*command, "--json"])
    assert json.loads(done.stdout) == {**found, "start_up": None}
    started = {"first_step_seconds": 7.5, "stages": {"import": 2.75, "step": 4.75},
               "stages_memory_gb": {"import": 0.625, "step": 1.125}, "peak_memory_gb": 1.25,
               "help_seconds": 0.1}  # fmt: skip
    measured_start = "dtp_tf.benchmarking.start_up.measure_start_up"
    monkeypatch.setattr(measured_start, lambda recipe, data_dir: started)
    done = CliRunner().invoke(main, [*command, "--start-up"])
    assert "first step 7.5 s after the start (import 2.8, step 4.8)" in done.stdout
    assert "at most 1.25 GB of memory (import 0.62, step 1.12)" in done.stdout
