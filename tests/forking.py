"""Processes that begin with TensorFlow imported, which else takes each of them five seconds.

A template has imported TensorFlow and done nothing else. After `install()`, what a test or the
library starts in this process as

    PYTHON SCRIPT ...    PYTHON -c CODE ...    PYTHON -m MODULE ...

is a fork of it, with a process id, streams, an environment, a folder and a parent as any process
has them. Everything else is started as ever: with options of Python's own, with a Python path that
does not begin with this clone, or with other variables that are read early (see `EARLY`). Where the
start itself is what a test is about, `FRESH` in the place of `sys.executable` says so.
"""

import array
import atexit
import ctypes
import gc
import json
import os
import pathlib
import random
import runpy
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import types

REPO = pathlib.Path(__file__).resolve().parents[1]
FRESH = (sys.executable, "-u")
TEMPLATE = "template"  # of such a process, in lists of processes
# These are read before a process does anything, unless it does so later: these may differ.
EARLY = ("PYTHON", "LC_", "LANG", "TF_", "XLA_", "KERAS", "OMP_", "MPL", "CUDA", "LD_", "TFDS_")
LATE = {"PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONIOENCODING"}
LATE |= {"TF_CONFIG", "TF_NUM_INTRAOP_THREADS", "TF_CPP_MIN_LOG_LEVEL"}
STARTERS = {"compare", "launch", "tune"}  # the commands that start processes
SET_NAME, SET_SUBREAPER = 15, 36  # of prctl(2)


class Template:
    """A process that has only imported TensorFlow, seen from its parent.

    Args:
        begin: called with the socket on which the template shall listen, and with the other end,
            which no other process may keep; starts it, and returns the process.
    """

    def __init__(self, begin):
        self._ours, theirs = socket.socketpair()
        self._process = begin(theirs, self._ours)
        theirs.close()
        atexit.register(self.close)

    def close(self):
        """End it."""
        self._ours.close()
        if self._process is not None:
            self._process.wait()

    def fork(self, job, streams):
        """Start a job in a fork that is a child of this process, and return its process id."""
        text = json.dumps({**job, "parent": os.getpid()}).encode()
        rights = array.array("i", streams)
        # Its parent, a fork of the template, ends at once; then it becomes ours.
        _prctl(SET_SUBREAPER, 1)
        try:
            size = len(text).to_bytes(8, "big")
            self._ours.sendmsg([size], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
            self._ours.sendall(text)
            return int.from_bytes(_received(self._ours, 8), "big")
        finally:
            _prctl(SET_SUBREAPER, 0)


def install(template=None):
    """Let the processes that this one starts be forks of a template, where they can."""
    module, name = (
        (subprocess, "_fork_exec")
        if hasattr(subprocess, "_fork_exec")
        else (subprocess._posixsubprocess, "fork_exec")  # Python 3.10
    )
    really = getattr(module, name)

    def fork_exec(args, executables, close, keep, cwd, env, *rest):
        nonlocal template
        environment = dict(os.environ) if env is None else _decoded(env)
        words = [os.fsdecode(word) for word in args]
        plain = close and len(keep) == 1 and not any(map(callable, rest))  # without a `preexec_fn`
        if not (plain and _is_job(words) and _is_late(environment)):
            return really(args, executables, close, keep, cwd, env, *rest)
        template = template or Template(_start)
        stdin, stdout, stderr = rest[0], rest[3], rest[5]
        streams = [own if one == -1 else one for own, one in enumerate((stdin, stdout, stderr))]
        job = {
            "words": words[1:], "cwd": os.fsdecode(cwd or os.getcwd()), "env": environment,
            "session": bool(rest[9]),
        }  # fmt: skip
        return template.fork(job, streams)

    setattr(module, name, fork_exec)


def _decoded(env):
    pairs = (os.fsdecode(line).split("=", 1) for line in env)
    return {name: value for name, value in pairs}


def _is_job(words):
    return (
        words[0] == sys.executable
        and len(words) > 1
        and (words[1] in ("-c", "-m") or words[1].endswith(".py"))
        and "ipykernel_launcher" not in words  # which says before its import how matplotlib draws
    )


def _is_late(env):
    def early(variables):
        names = [name for name in variables if name.startswith(EARLY) and name not in LATE]
        return {name: variables[name] for name in names}

    paths = env.get("PYTHONPATH", "").split(os.pathsep)
    return early(env) == early(os.environ) and paths[0] == str(REPO)


def _start(theirs, ours):
    """Start the first template, with a folder for what its forks compile."""
    compiled = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, compiled, ignore_errors=True)
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    with open(os.devnull, "r+b") as nowhere:
        return subprocess.Popen(
            [*FRESH, __file__, str(theirs.fileno()), compiled], env=env, pass_fds=[theirs.fileno()],
            stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True,
        )  # fmt: skip


def _received(channel, size):
    parts = b""
    while len(parts) < size:
        part = channel.recv(size - len(parts))
        if not part:
            raise EOFError("the template has ended; `python tests/forking.py 0 /tmp` says why")
        parts += part
    return parts


def _prctl(option, value):
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


# -- the template itself ---------------------------------------------------------------------------


def serve(channel):
    """Fork for each job that arrives; return (job, streams) in the fork, and never in itself."""
    _prctl(SET_NAME, TEMPLATE.encode())
    while True:
        rights = array.array("i")
        size, more, _, _ = channel.recvmsg(8, socket.CMSG_SPACE(3 * rights.itemsize))
        if not size:
            os._exit(0)  # nobody asks any more
        rights.frombytes(more[0][2])
        job = json.loads(_received(channel, int.from_bytes(size, "big")))
        ours, theirs = os.pipe()
        middle = os.fork()
        if not middle:
            child = os.fork()
            if child:
                os.write(theirs, child.to_bytes(8, "big"))
                os._exit(0)
            for one in (ours, theirs, channel.detach()):
                os.close(one)
            return job, list(rights)
        os.waitpid(middle, 0)
        os.close(theirs)
        channel.sendall(os.read(ours, 8))
        for one in (ours, *rights):
            os.close(one)


def become(job, streams):
    """Make this fork the process that a job asks for, up to its first line."""
    _prctl(SET_NAME, b"python")
    if job["session"]:
        os.setsid()
    while os.getppid() != job["parent"]:
        time.sleep(0.001)
    os.environ.clear()
    os.environ.update(job["env"])
    os.chdir(job["cwd"])
    for number, one in enumerate(streams):
        os.dup2(one, number)
        os.close(one)
    lines = "PYTHONUNBUFFERED" in job["env"]
    encoding = job["env"].get("PYTHONIOENCODING")
    sys.stdin, sys.stdout, sys.stderr = (
        open(number, "w" if number else "r", encoding=encoding or now.encoding, closefd=False,
             errors="strict" if encoding and number < 2 else now.errors,
             buffering=1 if lines and number or number == 2 else -1)
        for number, now in enumerate((sys.__stdin__, sys.__stdout__, sys.__stderr__))
    )  # fmt: skip
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()


def run(words):
    """Do what Python does with its arguments."""
    kind, *rest = words
    first = {"-c": "", "-m": os.getcwd()}.get(kind, os.path.dirname(kind))
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:1] = [first, *filter(None, paths)]
    if kind == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        sys.argv = ["-c", *rest[1:]]
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(compile(rest[0], "<string>", "exec"), main.__dict__)
    else:
        sys.argv = words
        runpy.run_path(kind, run_name="__main__")


def _fork_template(theirs, ours):
    """Make a fork of this process, before it has done anything, its template."""
    if not os.fork():
        ours.close()
        for number in range(3):
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, number)
            os.close(nowhere)
        os.setsid()
        work(theirs)
        raise SystemExit


def work(channel):
    """Serve as a template, and in its forks do the jobs."""
    job, streams = serve(channel)
    become(job, streams)
    if STARTERS & set(job["words"]):
        install(Template(_fork_template))
    run(job["words"])


if __name__ == "__main__":
    import keras  # noqa: F401
    import matplotlib.figure  # noqa: F401
    import sklearn.datasets  # noqa: F401
    import sklearn.metrics  # noqa: F401
    import tensorflow  # noqa: F401
    import tensorflow_datasets  # noqa: F401

    gc.freeze()
    if sys.dont_write_bytecode:  # each fork would compile the package again
        sys.dont_write_bytecode, sys.pycache_prefix = False, sys.argv[2]
    work(socket.socket(fileno=int(sys.argv[1])))
