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
import copy
import gc
import io
import json
import os
import pathlib
import random
import re
import shutil
import signal
import time
import traceback
import zipfile

SLOW = 10  # seconds
STOP = 3  # after which a training is stopped
TINY = "--units 4 --batch-size 64 --epochs 1 --learning-rate 0.03".split()

# -- changes ---------------------------------------------------------------------------------------

ODD = (
    None, True, False, 0, 1, -1, 2, 3.5, -0.0, 1e300, -1e300, 1e-320, 2**31, 2**63, 2**64, 10**30,
    "", " ", "x", "0", "3", "nan", "1e300", "None", "ü漢", "a\0b", "\ud800", "\x1b[31mred",
    "[/red]", "../../x", "/etc/passwd", "$\\foo$", "a" * 5000, ":cat:", "dtp", "mine.py:Mine",
    "digits", [], {}, [[]], [None], [1, 2, 3], {"a": 1}, {"": None}, ["x"] * 300, [[1, 2], [3]],
)  # fmt: skip
RAW = (
    "NaN", "Infinity", "-Infinity", "1e400", "9" * 5000, "010", "1_000", "0x10", "'x'", "undefined",
    "{" * 5000, "[" * 5000 + "]" * 5000, '{"a":' * 5000 + "1" + "}" * 5000, "\\ud800", "\0", "\x85",
)  # fmt: skip
YAML = (
    "!!int ''", "!!bool x", "!!float x", "!!binary ä", "!!timestamp x", "!!set {a, b}", "!x 3",
    "!!python/object/apply:os.getcwd []", "1:20", "010", "0x10", "1_000", "1e-3", "yes", "no", "on",
    "~", "2020-01-01", "&a [*a]", "*none", ".nan", ".inf", "-.inf", "1e400", "9" * 5000, "|", ">",
    '"\\uD800"', '"\\0"', "{a: 1, a: 2}", "[1, [2, [3]]]", "? x", "- 3", "\t3", "%x", "@x", "`x",
    "<<", "[" * 3000, "{low: 1, high: 2}", "{choices: [1, 2]}", "{low: 2, high: 1, log: 3}",
    "[{low: 0}]",
)  # fmt: skip
MARK = "⁂⁂"  # stands in a text for what no writer of JSON would write


def places(content, place=()):
    """Return the places of all nodes in JSON types."""
    found = [place]
    if isinstance(content, (dict, list)):
        children = content.items() if isinstance(content, dict) else enumerate(content)
        for key, value in children:
            found += places(value, (*place, key))
    return found


def changed_json(text, draw):
    """Return JSON with one node, or some, changed."""
    content = json.loads(text)
    raw = None
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        nodes = places(content)
        place = draw.choice(nodes)
        if not place:
            content = copy.deepcopy(draw.choice(ODD))
            break
        parent = content
        for key in place[:-1]:
            parent = parent[key]
        key, kind = place[-1], draw.randrange(10)
        if kind == 0:
            del parent[key]
        elif kind == 1 and isinstance(parent, dict):
            parent[draw.choice(("", "x", "\ud800", f"{key}s", "class_name"))] = parent.pop(key)
        elif kind == 2:
            parent[key] = [parent[key]]
        elif kind == 3:
            other = content
            for step in draw.choice(nodes):
                other = other[step]
            parent[key] = copy.deepcopy(other)
        elif kind == 4:
            parent[key], raw = MARK, draw.choice(RAW)
        elif kind == 5 and isinstance(parent[key], (int, float)):
            parent[key] = parent[key] * draw.choice((-1, 0, 0.5, 2, 1000))
        elif kind == 6 and isinstance(parent[key], list) and parent[key]:
            parent[key] = parent[key] * 2 if draw.random() < 0.5 else parent[key][:-1]
        else:
            parent[key] = copy.deepcopy(draw.choice(ODD))
    made = json.dumps(content)
    if raw is not None:
        made = made.replace(json.dumps(MARK), raw)
    if draw.random() < 0.05:  # a name that is there twice
        made = re.sub(r'"(\w+)": ([^,{}\[\]]+),', r'"\1": \2, "\1": \2,', made, count=1)
    return made


def changed_bytes(data, draw):
    """Return bytes that are damaged as disks, editors and attackers do it."""
    kind, at = draw.randrange(10), draw.randrange(len(data) + 1)
    if kind < 3:
        made = bytearray(data)
        for _ in range(draw.choice((1, 1, 2, 5, 20)) if data else 0):
            made[draw.randrange(len(made))] ^= 1 << draw.randrange(8)
        return bytes(made)
    end = min(len(data), at + draw.choice((1, 3, 10, 100)))
    return {
        3: lambda: data[:at],
        4: lambda: data[:at] + data[end:],
        5: lambda: data[:at] + data[at:end] * 2 + data[end:],
        6: lambda: data[:at] + draw.randbytes(draw.choice((1, 4, 40))) + data[at:],
        7: lambda: data[:at] + draw.choice(RAW).encode("utf-8", "surrogatepass") + data[at:],
        8: lambda: draw.choice((b"", b"\0" * 100, b"\xef\xbb\xbf" + data, b" \n", data * 2)),
        9: lambda: data.decode("latin-1").encode(draw.choice(("utf-8-sig", "utf-16", "utf-32"))),
    }[kind]()


def changed_yaml(text, draw):
    """Return YAML with a value, a name or a line changed."""
    lines = text.splitlines()
    for _ in range(draw.choice((1, 1, 2))):
        at = draw.randrange(len(lines))
        name, _, value = lines[at].partition(":")
        odd = draw.choice(YAML)
        lines[at] = draw.choice(
            (f"{name}: {odd}", f"{name}: {odd}", f"{name}: {odd}", f"{odd}: {value}", odd,
             f"{name}: {odd} {value}", f"  {lines[at]}", f"{lines[at]}\n{lines[at]}",
             f"---\n{lines[at]}", f"{name}: &a {value}\nseed: *a", f"<<: {{{lines[at]}}}",
             f"? {lines[at]}", f"{name}:{value}  # {odd}")
        )  # fmt: skip
    return "\n".join(lines)


def changed_csv(text, draw):
    """Return CSV with cells changed."""
    rows = [line.split(",") for line in text.splitlines()]
    for _ in range(draw.choice((1, 1, 3))):
        row = draw.choice(rows)
        if row:
            at = draw.randrange(len(row))
            odd = str(draw.choice((*ODD[:30], *RAW, '"', '"a,b', "1,2", "1\n2")))
            row[at] = draw.choice((odd, odd, "", f"{row[at]},{odd}"))
    return "\n".join(map(",".join, rows))


def changed(path, draw):
    """Change a file as its kind allows, or as bytes."""
    data = path.read_bytes()
    if path.suffix == ".keras":
        return path.write_bytes(changed_keras(data, draw))
    change = {
        ".json": changed_json, ".log": changed_journal, ".yaml": changed_yaml, ".csv": changed_csv
    }.get(path.suffix)  # fmt: skip
    if change is None or draw.random() < 0.25:
        return path.write_bytes(changed_bytes(data, draw))
    return path.write_bytes(change(data.decode(), draw).encode("utf-8", "surrogatepass"))


def changed_journal(text, draw):
    """Return a journal with records changed, taken out, repeated or in another order."""
    lines = text.splitlines()
    for _ in range(draw.choice((1, 1, 2))):
        if not lines:
            break
        at, kind = draw.randrange(len(lines)), draw.randrange(8)
        if kind == 0:
            del lines[at]
        elif kind == 1:
            lines.insert(at, draw.choice(lines))
        elif kind == 2:
            lines[at : at + 2] = lines[at : at + 2][::-1]
        else:
            lines[at] = changed_json(lines[at], draw)
    return "\n".join(lines) + "\n"


def changed_keras(data, draw):
    """Return a .keras file with an entry changed, taken out or repeated, or damaged as a whole."""
    kind = draw.randrange(10)
    if kind == 0:
        return changed_bytes(data, draw)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    name = draw.choice((*entries, "dtp_tf.json", "dtp_tf.json", "config.json"))
    if kind == 1:
        entries.pop(name, None)
    elif name.endswith(".json") and kind < 9 and name in entries:
        made = changed_json(entries[name].decode(), draw)
        entries[name] = made.encode("utf-8", "surrogatepass")
    elif name in entries:
        entries[name] = changed_bytes(entries[name], draw)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for one, content in entries.items():
            archive.writestr(one, content)
    return file.getvalue()


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
    done.touch()


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
    values = (*ODD, *YAML, "1e9", "1e18", "-1", "1,2", "1,,2", "1" + ",1" * 200, "inf", "٣", "0,5")
    value = str(draw.choice(values)).replace("\0", "").encode("utf-8", "surrogatepass")
    return f"--{name.replace('_', '-')}={value.decode('utf-8', 'surrogateescape')}"


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
