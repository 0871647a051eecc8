"""A search whose trials have made-up accuracies."""

import functools

from helpers import _folder

import dtp_tf
from dtp_tf.tuning.search_space import make_search
from dtp_tf.tuning.shared_study import SharedStudy

SPACE = {
    "noise": {"low": 0.1, "high": 0.5},
    "units": {"choices": [[512, 512, 512], [16, 8]]},
    "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
}
KNOWN = {
    "data": {"name": "digits", "training_images": 1150, "validation_images": 287,
             "test_images": None},
    "versions": {"device": "CPU", "dtp_tf": "1", "keras": "2", "tensorflow": "3", "python": "4"},
    "best_epoch": 2, "epochs": 3, "seconds": 1.5, "validation_loss": 0.5,
}  # fmt: skip
ACCURACIES = [0.5, 0.62, 0.71, 0.66, 0.8, 0.55, 0.78]


@functools.cache
def search():
    """The folder of a search: seven trials finished, one pruned, one diverged."""
    folder = _folder() / "search"
    study = SharedStudy.create(folder, *make_search("digits", SPACE, epochs=3, seed=7))
    for accuracy in ACCURACIES:
        trial = study.take(20)
        trial.report(accuracy=accuracy, epoch=1)
        trial.finish(accuracy, {**KNOWN, "validation_accuracy": accuracy})
    for more in ({}, {"diverged": "training diverged in epoch 2."}):
        trial = study.take(20)
        trial.report(accuracy=0.2, epoch=1)
        trial.prune({**KNOWN, "validation_accuracy": 0.2, **more})
    return folder


@functools.cache
def search_page():
    return dtp_tf.report(search(), _folder() / "search.html")
