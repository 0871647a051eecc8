"""Processes that begin with TensorFlow imported are processes as any other."""

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from forking import FRESH
from helpers import environment, python

TELL = """
import json, os, sys
facts = {"pid": os.getpid(), "parent": os.getppid(), "argv": sys.argv, "first": sys.path[:2],
         "here": os.getcwd(), "said": sys.stdin.read(), "x": os.environ.get("X"),
         "session": os.getsid(0), "main": __name__, "tensorflow": "tensorflow" in sys.modules}
print(json.dumps(facts))
"""


def told(*words, cwd, interpreter=(sys.executable,), env=(), **more):
    """What a process tells of itself, and its process."""
    process = subprocess.Popen(
        [*interpreter, *map(str, words)], cwd=cwd, env={**environment(), **dict(env)}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more,
    )  # fmt: skip
    said, errors = process.communicate("hello")
    assert (process.returncode, errors) == (0, "")
    return json.loads(said), process


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["code", "file", "module"])
def test_a_fork_is_what_a_process_of_these_words_is(tmp_path, kind):
    (tmp_path / "tell.py").write_text(TELL)
    words = {"code": ("-c", TELL), "file": (tmp_path / "tell.py",), "module": ("-m", "tell")}[kind]
    (fork, process), (fresh, _) = (
        told(*words, "a", cwd=tmp_path, interpreter=one, env={"X": "1"}, start_new_session=True)
        for one in ([sys.executable], FRESH)
    )
    assert fork["tensorflow"] and not fresh["tensorflow"]
    assert fork["pid"] == fork["session"] == process.pid
    assert fork["parent"] == os.getpid()
    for name in fork.keys() - {"pid", "session", "tensorflow"}:
        assert fork[name] == fresh[name], name


@pytest.mark.slow
def test_a_fork_ends_as_a_process_does(tmp_path):
    def ended(code):
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment(), capture_output=True, text=True
        )
        return done.returncode, done.stderr.strip().splitlines()[-1:]

    assert ended("import sys; assert 'tensorflow' in sys.modules; sys.exit(3)") == (3, [])
    assert ended("import sys; sys.exit('a sentence')") == (1, ["a sentence"])
    assert ended("raise ValueError('x')") == (1, ["ValueError: x"])
    assert ended("import os; os.kill(os.getpid(), 9)") == (-signal.SIGKILL, [])


@pytest.mark.slow
def test_what_is_read_early_or_another_package_makes_a_start_from_nothing(tmp_path):
    code = "import sys; print('tensorflow' in sys.modules)"
    assert python("-c", code, cwd=tmp_path) == "True\n"
    for change in ({"PYTHONHASHSEED": "1"}, {"XLA_FLAGS": ""}, {"PYTHONPATH": "/"}):
        assert python("-c", code, cwd=tmp_path, env={**environment(), **change}) == "False\n"
    assert python("-B", "-c", code, cwd=tmp_path) == "False\n"
    assert python("-c", code, cwd=tmp_path, fresh=True) == "False\n"
    words = [sys.executable, "-c", code]
    said = subprocess.run(words, env=environment(), preexec_fn=os.setsid, capture_output=True)
    assert said.stdout == b"False\n"


PARENT = """
import os, psutil, subprocess, sys
subprocess.run([sys.executable, "-c", sys.argv[1]])
print(os.getpid(), *(one.pid for one in psutil.Process().children()))
"""


@pytest.mark.slow
def test_what_a_fork_starts_is_a_fork_and_its_template_ends_with_it(tmp_path):
    code = "import os, sys; print('tensorflow' in sys.modules, os.getppid())"
    # The last word is that of a command which starts processes.
    told, names = python("-c", PARENT, code, "launch", cwd=tmp_path).splitlines()
    parent, template = map(int, names.split())
    assert told == f"True {parent}"
    end = time.monotonic() + 60
    while psutil.pid_exists(template) and psutil.Process(template).status() != "zombie":
        assert time.monotonic() < end
        time.sleep(0.01)
