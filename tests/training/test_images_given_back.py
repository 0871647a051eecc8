"""What only a training needs is out of memory before the best network is read and exported."""

import weakref

import pytest

from dtp_tf.console.tables import make_console
from dtp_tf.data.sets import load_data
from dtp_tf.runs.folder import Run
from dtp_tf.training.train import train


def memory_of(images):
    while images.base is not None:
        images = images.base
    return weakref.ref(images)


@pytest.mark.parametrize("settings", [{}, {"diagnostics_every": 1, "weight_ema": 0.9}])
def test_the_training_images_are_given_back_before_the_best_network_is_read(
    tmp_path, monkeypatch, settings
):
    kept, seen = {}, []

    def load(*args, **kwargs):
        data = load_data(*args, **kwargs)
        for split in ("train", "test"):
            kept[split] = memory_of(getattr(data, split).images)
        return data

    def read(run, load_best=Run.load_best):
        seen.extend(kept[split]() is not None for split in ("train", "test"))
        return load_best(run)

    monkeypatch.setattr("dtp_tf.training.train.load_data", load)
    monkeypatch.setattr(Run, "load_best", read)
    words = dict(units=(4,), epochs=1, run_dir=tmp_path / "run", export_dir=None, report=False)
    _, history = train("digits", console=make_console(quiet=True), **words, **settings)
    assert seen == [False, True]
    assert history.metrics["conditions"]["data"]["training_images"] == 1150
