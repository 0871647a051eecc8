"""Exports that are killed leave no half version, and two at once get two versions."""

import os

import numpy as np
import pytest
import tensorflow as tf
from helpers import digits, python, trained

KILLED = """
import json, os, pathlib, shutil, signal, sys

import dtp_tf.export.saved_model
from dtp_tf.export import saved_model as exporting
from dtp_tf.runs.models import load_model

model, images, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])

def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

def leave(point):  # what a kill would leave
    if not (folder / point).exists():
        shutil.copytree(folder / "whole", folder / point)

def before(point, function):
    def leave_first(*args, **kwargs):
        leave(point)
        return function(*args, **kwargs)
    return leave_first

def after(point, function):
    def then_leave(*args, **kwargs):
        function(*args, **kwargs)
        leave(point)
    return then_leave

def at(point):
    import tensorflow as tf
    if point == "half a program":
        tf.compat.v1.saved_model.signature_def_utils.MethodNameUpdater.save = die
    if point == "whole":
        exporting.write_warmup = before("without warm-up", exporting.write_warmup)
        exporting._check = after("checked", exporting._check)
        os.rename = after("published", os.rename)

def work(point):
    import numpy as np
    import tensorflow as tf
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})  # as in conftest
    at(point)
    classifier = load_model(model).model
    names = [str(i) for i in range(10)]
    print(exporting.export(classifier, names, folder / point, "digits", np.load(images)))

def fork(point):
    pid = os.fork()  # before TensorFlow has any thread
    if not pid:
        try:
            work(point)
            sys.stdout.flush()
            os._exit(0)
        finally:
            os._exit(1)
    return pid

for points in (["half a program", "whole"], ["two", "two"]):
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in map(fork, points)]
    assert codes == [0 if one in ("two", "whole") else -signal.SIGKILL for one in points], codes
"""


@pytest.mark.slow
def test_killed_exports_leave_no_half_version_and_two_at_once_get_two(tmp_path):
    np.save(tmp_path / "images.npy", digits().test.images[:40])
    model = trained()[0] / "classifier.keras"
    python("-c", KILLED, model, tmp_path / "images.npy", tmp_path, cwd=tmp_path)
    found = {}
    for home in tmp_path.glob("*/digits"):
        found[home.parent.name] = sorted(name for name in os.listdir(home) if name.isdecimal())
        left = [path for path in home.glob(".writing-*") if path.is_dir()]
        assert bool(left) == (not found[home.parent.name])
    assert found == {
        "half a program": [], "without warm-up": [], "checked": [], "published": ["1"],
        "whole": ["1"], "two": ["1", "2"],
    }  # fmt: skip
    for path in [tmp_path / "published/digits/1", *(tmp_path / "two/digits").glob("[12]")]:
        loaded = tf.saved_model.load(str(path))
        assert set(loaded.signatures) == {"serving_default", "image_bytes", "classify"}
        inside = {str(file.relative_to(path)) for file in path.glob("assets*/*")}
        assert inside == {
            "assets/labels.txt", "assets/model_card.md",
            "assets.extra/origin.json", "assets.extra/tf_serving_warmup_requests",
        }  # fmt: skip
