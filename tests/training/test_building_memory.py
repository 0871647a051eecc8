"""A network that cannot be trained in the memory here is refused before it is built."""

import pytest
from helpers import invoke, refusal, succeeded


@pytest.mark.parametrize(
    "settings",
    [
        ("--units", "100000,100000"),
        ("--layers", "conv 100000 64 max 2,conv 100000 64"),
        ("--units", "100000," * 9 + "100000"),
    ],
)
def test_too_large_a_network_is_refused_with_its_size(tmp_path, settings):
    words = ("train", "digits", *settings, "--run-dir", tmp_path / "run")
    error = refusal(invoke(*words), 2)
    assert "weights and" in error and "GB of memory" in error and "take fewer `units`" in error
    assert not (tmp_path / "run").exists()


def test_images_enlarged_beyond_memory_are_refused(tmp_path):
    words = ("train", "digits", "--image-size", "4096,4096", "--run-dir", tmp_path / "run")
    assert "choose a smaller `image_size`" in refusal(invoke(*words), 1)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "settings",
    [
        ("--batch-size", "1000000"),
        ("--diagnostics-images", "1000000", "--diagnostics-every", "1"),
        ("--early-stopping", "1000000"), ("--layers", "conv 2 9 p4"),
        ("--inverse-learning-rate", "1e-320"), ("--noise-decay-epochs", "1e-320"),
    ],
)  # fmt: skip
def test_what_is_within_the_bounds_is_trained(tmp_path, settings):
    small = () if "--layers" in settings else ("--units", "4")
    words = ("--epochs", "1", "--no-export", "--run-dir", tmp_path / "run")
    succeeded(invoke("train", "digits", *small, *settings, *words))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("setting", ["learning-rate", "target-step", "noise"])
def test_the_largest_numbers_end_in_a_sentence_or_a_run(tmp_path, setting):
    words = ("--units", "4", "--epochs", "1", "--no-export", "--run-dir", tmp_path / "run")
    result = invoke("train", "digits", *words, f"--{setting}", "1e30")
    if result.exit_code:
        assert "training diverged in epoch 1" in refusal(result, 1)
