"""Damaged and foreign files in great number: every command ends with 0, or with one sentence.

    python benchmarks/fuzz.py --inputs 20000 --seed 0 --out /tmp/fuzz

Each input is a file that the program wrote, changed at random, and the command that reads it, in
this process; or a flag with an odd value. It must end with exit code 0, or with 1 or 2 and one line
`Error: ...`, within 10 seconds. Trainings that begin all the same are stopped, as by Ctrl-C.

`results.jsonl` in --out has a line for each input, so that a run that was stopped, or that a crash
ended, goes on with the next; input number N of a seed is the same each time (`--only N`).
`--part 1/2` and `--part 2/2` share the inputs between two processes.
"""

import argparse
import collections
import contextlib
import gc
import json
import os
import pathlib
import random
import re
import shutil
import signal
import time
import traceback

from fuzz_changes import ODD, YAML, changed

SLOW = 10  # seconds
STOP = 3  # after which a training is stopped
TINY = "--units 4 --batch-size 64 --epochs 1 --learning-rate 0.03".split()

# -- what reads them -------------------------------------------------------------------------------


def make_templates(home):
    """Leave one of each kind of folder and file in `home`, all of tiny networks."""
    done = home / "done"
    if done.exists():
        return
    home.mkdir(parents=True, exist_ok=True)
    small = [*TINY, "--seed", "0"]
    _ok("train", "digits", *small, "--no-export", "--run-dir", home / "run")
    _ok("save-preset", home / "run", home / "preset")
    for rule in ("bp", "dtp"):
        run = home / f"comparison/{rule}-0"
        _ok("train", "digits", "--rule", rule, *small, "--no-export", "--run-dir", run)
    _ok(*"compare digits --rules bp,dtp --seeds 1".split(), *TINY, "--out", home / "comparison")
    _ok("tune", "digits", *small, "--trials", "2", "--out", home / "study")
    (home / "study" / "study.lock").unlink(missing_ok=True)
    search = _run("tune", "digits", "--show-search", "--rule", "ldrl").stdout
    (home / "search.yaml").write_text(search)
    (home / "config.yaml").write_text((home / "study/best.yaml").read_text() + "epochs: 1\n")
    shutil.copy(home / "run/config.json", home / "config.json")
    (home / "rules.yaml").write_text("bp: {learning_rate: 0.01}\ndtp: {noise: 0.1, seed: 1}\n")
    (home / "rules.json").write_text('{"bp": {"learning_rate": 0.01}, "dtp": {"noise": 0.1}}')
    import keras
    import numpy as np
    from PIL import Image

    import dtp_tf

    dtp_tf.DTPNetwork.from_preset(home / "preset").save(home / "own.keras")
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10, "softmax")]
    )
    model.save(home / "stock.keras")
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(home / "image.png")
    cluster = {"worker": ["a:1", "b:2"], "chief": ["c:3"]}
    config = {"cluster": cluster, "task": {"type": "worker", "index": 1}}
    (home / "tf_config.json").write_text(json.dumps(config))
    write_records(home / "records.tfrecord")
    leave_unfinished(home / "unfinished")
    done.touch()


def write_records(path):
    """Write images of three classes as a file of records."""
    import keras
    import numpy as np
    import tensorflow as tf

    def feature(**kinds):
        return tf.train.Feature(**kinds)

    with tf.io.TFRecordWriter(str(path)) as file:
        for number in range(60):
            image = np.full((4, 4, 1), number, np.uint8)
            encoded = tf.io.encode_png(image).numpy()
            features = {
                "image": feature(bytes_list=tf.train.BytesList(value=[encoded])),
                "label": feature(int64_list=tf.train.Int64List(value=[number % 3])),
            }
            file.write(
                tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
            )
    keras.utils.clear_session()


def leave_unfinished(folder):
    """Leave a run that was stopped within an epoch."""
    import keras

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 3:
                signal.raise_signal(signal.SIGINT)

    import dtp_tf
    from dtp_tf.errors import UserError

    with contextlib.suppress(UserError):  # which says that no epoch was finished
        dtp_tf.train(
            "digits", run_dir=folder, callbacks=[Stop()], units=4, batch_size=64, epochs=1, seed=0
        )
    assert (folder / "unfinished.keras").exists()


# By name: the template, which of its files are changed, the command, and how often it is drawn.
TARGETS = {
    "config json": ("config.json", ("",), "train --config {} --no-export --run-dir {}.run", 8),
    "config yaml": ("config.yaml", ("",), "train --config {} --no-export --run-dir {}.run", 10),
    "search": ("search.yaml", ("",), "tune digits --rule ldrl --search {} --show-search", 12),
    "rules yaml": ("rules.yaml", ("",), "compare --rules bp,dtp --rule-config {} --epochs 0", 6),
    "rules json": ("rules.json", ("",), "compare --rules bp,dtp --rule-config {} --epochs 0", 4),
    "flag": ("image.png", (), "tune digits --show-search", 8),
    "layers": ("image.png", (), "tune digits --show-search", 4),
    "TF_CONFIG": ("tf_config.json", ("",), "", 4),
    "resume config": ("run", ("config.json",), "train --resume {} --no-export", 5),
    "resume state": ("run", ("last.keras",), "train --resume {} --no-export", 6),
    "resume within": ("unfinished", ("unfinished.keras",), "train --resume {} --no-export", 4),
    "records": (
        "records.tfrecord", ("",), "train digits TINY --records {} --no-export --run-dir {}.run", 4,
    ),
    "resume rest": (
        "run", ("versions.json", "metrics.json", "log.csv", "best.keras"),
        "train --resume {} --no-export", 4,
    ),
    "evaluate": ("run", ("best.keras",), "evaluate {}", 6),
    "predict": ("run", ("best.keras",), "predict {} image.png", 5),
    "export": ("run", ("best.keras",), "export {} --export-dir {}/exported", 3),
    "save-preset": (
        "run", ("best.keras", "metrics.json", "config.json"), "save-preset {} {}.out", 6,
    ),
    "init": ("own.keras", ("",), "train digits TINY --init {} --no-export --run-dir {}.run", 3),
    "own keras": ("own.keras", ("",), "predict {} image.png", 5),
    "stock keras": ("stock.keras", ("",), "predict {} image.png", 5),
    "own evaluate": ("own.keras", ("",), "evaluate {}", 2),
    "own export": ("own.keras", ("",), "export {} --export-dir {}.exported", 2),
    "presets": ("preset", ("metadata.json",), "presets {}", 8),
    "presets json": ("preset", ("metadata.json",), "presets {} --json", 3),
    "preset predict": ("preset", ("config.json", "metadata.json"), "predict {} image.png", 8),
    "preset weights": ("preset", ("model.weights.h5",), "predict {} image.png", 3),
    "compare": (
        "comparison",
        ("dtp-0/metrics.json", "dtp-0/log.csv", "dtp-0/config.json", "bp-0/metrics.json",
         "comparison.json", "comparison.csv"),
        "compare digits --rules bp,dtp --seeds 1 TINY --out {}", 8,
    ),
    "tune": (
        "study", ("study.json", "journal.log", "journal.log"),
        "tune digits TINY --seed 0 --trials 2 --out {}", 10,
    ),
}  # fmt: skip


def run_input(home, seed, number, out):
    """Make and run one input; return what `results.jsonl` says of it."""
    draw = random.Random(f"{seed}/{number}")
    name = draw.choices(list(TARGETS), [target[-1] for target in TARGETS.values()])[0]
    template, files, words, _ = TARGETS[name]
    work = out / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    copied = work / template
    (shutil.copytree if (home / template).is_dir() else shutil.copy)(home / template, copied)
    file = None
    if files:
        file = copied / draw.choice(files) if copied.is_dir() else copied
        changed(file, draw)
    if template == "preset" and file.name != "metadata.json" and draw.random() < 0.8:
        _sign(copied)
    words = [
        word.replace("{}", str(copied)).replace("image.png", str(home / "image.png"))
        for part in words.split() for word in (TINY if part == "TINY" else [part])
    ]
    if name == "flag":
        words.append(_odd_flag(draw))
    if name == "layers":
        words.append(f"--layers={_odd_layers(draw)}")
    start = time.monotonic()
    if name == "TF_CONFIG":
        outcome = _cluster(copied.read_bytes())
    else:
        with _stopped_after(STOP):
            outcome = judge(_run(*words))
    seconds = time.monotonic() - start
    if outcome.startswith("ok") and seconds > SLOW:
        outcome = "slow"
    where = str(file.relative_to(work)) if file else " ".join(words[-1:])
    return {
        "input": number, "target": name, "file": where, "outcome": outcome,
        "seconds": round(seconds, 2),
    }  # fmt: skip


def judge(result):
    """Return "ok" with the exit code, or what is wrong with how a command ended."""
    error = result.exception
    if isinstance(error, RuntimeError) and "KeyboardInterrupt" in str(error):
        return "ok stopped"  # inside of TensorFlow
    if error is not None and not isinstance(error, SystemExit):
        frames = traceback.extract_tb(error.__traceback__)
        ours = [one for one in frames if "dtp_tf/" in one.filename] or frames
        place = f"{pathlib.Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "?"
        return f"traceback {type(error).__name__} {place} {' '.join(str(error).split())[:160]}"
    if result.exit_code == 0:
        return "ok 0"
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    if lines[-1:] == ["Aborted!"]:  # by `_stopped_after`
        return "ok stopped"
    said = [line for line in lines if line.startswith("Error: ")]
    if result.exit_code not in (1, 2) or said != lines[-1:] or said[0][-1] not in ".?":
        return f"no sentence {result.exit_code} {' / '.join(lines[-3:])[:300]}"
    if "Traceback" in result.stderr or re.search(r"[\x00-\x08\x0b-\x1f\x7f]", said[0]):
        return f"odd sentence {said[0][:300]!r}"
    return f"ok {result.exit_code}"


def _run(*words):
    from click.testing import CliRunner

    from dtp_tf.commands.main import main

    return CliRunner().invoke(main, [str(word) for word in words], prog_name="dtp-tf")


def _ok(*words):
    result = _run(*words)
    assert result.exit_code == 0, result.output + str(result.exception)


@contextlib.contextmanager
def _stopped_after(seconds):
    """Send Ctrl-C to this process if the block takes longer, as often as it needs."""
    signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _cluster(data):
    from dtp_tf.errors import UserError
    from dtp_tf.machines.cluster import find_cluster

    text = data.replace(b"\0", b"").decode("utf-8", "surrogateescape")
    try:
        find_cluster({"TF_CONFIG": text})
    except UserError:
        return "ok 1"
    except Exception as error:
        return f"traceback {type(error).__name__} TF_CONFIG {str(error)[:160]}"
    return "ok 0"


def _sign(folder):
    """Make a changed preset's metadata fit its files."""
    from dtp_tf.presets.folder import file_hash

    path = folder / "metadata.json"
    facts = json.loads(path.read_text())
    for name in facts["files"]:
        file = folder / name
        facts["files"][name] = {"bytes": file.stat().st_size, "sha256": file_hash(file)}
    path.write_text(json.dumps(facts))


def _odd_flag(draw):
    from dtp_tf.recipes.recipe import SETTINGS

    name = draw.choice([name for name, one in SETTINGS.items() if one.kind is not bool])
    name = "rule" if name == "recipe" else name  # which is no flag
    if name in ("optimizer", "inverse_optimizer") and draw.random() < 0.7:
        return f"--{name.replace('_', '-')}={_odd_optimizer(draw)}"
    values = (*ODD, *YAML, "1e9", "1e18", "-1", "1,2", "1,,2", "1" + ",1" * 200, "inf", "٣", "0,5")
    value = str(draw.choice(values)).replace("\0", "").encode("utf-8", "surrogatepass")
    return f"--{name.replace('_', '-')}={value.decode('utf-8', 'surrogateescape')}"


def _odd_optimizer(draw):
    words = "adam sgd lion adamw epsilon= beta_2= weight_decay= clipnorm= momentum= = 1e-4 0 -1 x"
    words = words.split()
    chosen = [draw.choice(words) for _ in range(draw.randrange(6))]
    return " ".join(one + draw.choice(("", "0.9", "1e9", "nan", "ü")) for one in chosen)


def _odd_layers(draw):
    words = "conv dense max average same valid p1 p999 5 3/2 32 1e9 0 -1 / 1/0 elu tanh x , ü"
    words = words.split()
    return " ".join(draw.choice(words) for _ in range(draw.randrange(8)))


# -- the run ---------------------------------------------------------------------------------------


def run_inputs(home, seed, numbers, out, say=None):
    """Run inputs and add a line for each to `results.jsonl` in `out`; return the bad ones."""
    import keras

    out.mkdir(parents=True, exist_ok=True)
    begun, bad = out / "begun", []
    for count, number in enumerate(numbers, start=1):
        begun.write_text(str(number))
        result = run_input(home, seed, number, out)
        with open(out / "results.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(result) + "\n")
        begun.unlink()
        if not result["outcome"].startswith("ok"):
            bad.append(result)
            if say is not None:
                say(json.dumps(result, ensure_ascii=False))
        if count % 20 == 0:  # Keras keeps what it has named
            keras.utils.clear_session()
            gc.collect()
    return bad


def summary(results):
    """Return lines that say how many inputs of each kind ended how."""
    counts = collections.Counter((one["target"], one["outcome"].split(" ")[0]) for one in results)
    codes = collections.Counter(one["outcome"] for one in results if one["outcome"][:2] == "ok")
    lines = [f"{count:6d}  {target}: {outcome}" for (target, outcome), count in counts.items()]
    bad = sum(not one["outcome"].startswith("ok") for one in results)
    return [*sorted(lines), f"{len(results)} inputs, {bad} bad; {dict(codes)}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--part", default="1/1")
    parser.add_argument("--only", type=int)
    asked = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    home = (asked.out / "templates").resolve()
    make_templates(home)
    part, parts = map(int, asked.part.split("/"))
    out = asked.out.resolve() / f"part-{part}-{parts}"
    if asked.only is not None:
        print(json.dumps(run_input(home, asked.seed, asked.only, out)))
        return
    file, results = out / "results.jsonl", []
    if file.exists():
        results = [json.loads(line) for line in file.read_text().splitlines()]
    if (out / "begun").exists():  # the process died of it
        number = int((out / "begun").read_text())
        crash = {"input": number, "target": "?", "file": "?", "outcome": "crash", "seconds": 0}
        with open(file, "a", encoding="utf-8") as log:
            log.write(json.dumps(crash) + "\n")
        results.append(crash)
        print(json.dumps(crash))
    known = {one["input"] for one in results}
    numbers = [n for n in range(part - 1, asked.inputs, parts) if n not in known]
    try:
        run_inputs(home, asked.seed, numbers, out, print)
    finally:
        results = [json.loads(line) for line in file.read_text().splitlines()]
        print("\n".join(summary(results)))


if __name__ == "__main__":
    main()
