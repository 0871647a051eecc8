"""Uses an installed dtp_tf as a stranger does: commands, presets, and Keras alone.

Run by `.ci/package` in an empty folder.
"""

import json
import os
import pathlib
import subprocess
import sys

LOADED = """
import keras, numpy as np, sys

def check(classifier):
    answers = classifier.predict(np.zeros((1, 8, 8, 1), "uint8"), verbose=0)
    assert answers.shape == (1, 10) and abs(answers.sum() - 1) < 1e-5, answers

check(keras.saving.load_model("my run/classifier.keras"))
assert "dtp_tf" not in sys.modules
import dtp_tf
check(dtp_tf.pretrained_classifier("digits_mlp_dtp"))
assert dtp_tf.DTPNetwork.from_preset("digits_mlp_dtp").example_shape == (8, 8, 1)
assert keras.saving.load_model("my run/best.keras").example_shape == (8, 8, 1)
"""


def ran(*words):
    """Run a command that must end well without a warning, and return what it printed."""
    print("$", *words, flush=True)
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Warning" not in done.stderr, done.stderr
    return done.stdout


def main():
    assert not pathlib.Path("dtp_tf").exists()
    where = ran(sys.executable, "-c", "import dtp_tf; print(dtp_tf.__file__)")
    assert where.startswith(sys.prefix), where
    ran("dtp-tf", "--help")
    ran("dtp-tf", "train", "--epochs", "1", "--run-dir", "my run")
    (answer,) = json.loads(ran("dtp-tf", "predict", "my run", make_image(), "--json"))
    assert len(answer["classes"]) == 3, answer
    ran("dtp-tf", "export", "digits_mlp_dtp", "--name", "mine")
    assert pathlib.Path("exported_models/mine/1/saved_model.pb").is_file()
    ran(sys.executable, "-c", LOADED)


def make_image():
    import numpy as np
    from PIL import Image

    Image.fromarray(np.arange(64, dtype="uint8").reshape(8, 8)).save("seven.png")
    return "seven.png"


if __name__ == "__main__":
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    main()
