"""Which workers train together, and which of them this process is: TF_CONFIG, or SLURM's variables.

This module does not import TensorFlow.
"""

import dataclasses
import itertools
import json
import math
import re

from dtp_tf.console.program import PROGRAM
from dtp_tf.errors import UserError
from dtp_tf.schema import TEXT, DamagedError, brief, by_name, listed, mapping, parse_json

#: The port of the first worker on each host under SLURM; the others follow.
SLURM_PORT = 8888
#: The most workers that can train together.
MAX_WORKERS = 10_000
TF_CONFIG = mapping(
    {
        "cluster": by_name(listed(TEXT)),
        "task": mapping(
            {
                "type": TEXT,
                # TensorFlow takes text too.
                "index": {"type": ["integer", "string"], "minimum": 0, "pattern": "^[0-9]{1,9}$"},
            }
        ),
    }
)


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of one training.

    Args:
        addresses: HOST:PORT of each, the chief first.
        index: the number of this process among them, from 0.
    """

    addresses: tuple
    index: int

    def tf_config(self):
        """Return the value of TF_CONFIG that says the same."""
        return json.dumps(
            {
                "cluster": {"worker": list(self.addresses)},
                "task": {"type": "worker", "index": self.index},
            }
        )


def find_cluster(environ):
    """Return the `Cluster` that environment variables describe.

    Args:
        environ: a mapping: TF_CONFIG, or else what SLURM sets in each task of a step.

    Raises:
        UserError: they describe none.
    """
    if environ.get("TF_CONFIG"):
        return _from_tf_config(environ["TF_CONFIG"])
    if "SLURM_STEP_NODELIST" in environ:
        return _from_slurm(environ)
    raise UserError(
        "`strategy` multiworker needs to know the workers, and neither TF_CONFIG nor SLURM's "
        "variables are set; set TF_CONFIG, start the tasks with srun, or try it out on this "
        f"machine: {PROGRAM} launch --workers 2 train ..."
    )


def _from_tf_config(text):
    def wrong(what):
        return UserError(
            f"TF_CONFIG {what}; it must be like "
            '{"cluster": {"worker": ["host1:8888", "host2:8888"]}, '
            '"task": {"type": "worker", "index": 0}}.'
        )

    try:
        config = parse_json(text, "TF_CONFIG", TF_CONFIG)
    except DamagedError as error:
        raise wrong(f"cannot be read ({error.reason})") from None
    jobs, task = config["cluster"], config["task"]
    kind, index = task["type"], int(task["index"])
    if not set(jobs) <= {"chief", "worker"}:
        names = ", ".join(map(brief, jobs))
        raise wrong(f"has a cluster of {names}, and only workers train together")
    workers = [(job, i) for job in ("chief", "worker") for i in range(len(jobs.get(job, ())))]
    if (kind, index) not in workers:
        raise wrong(
            f"says that this process is {brief(kind)} {index}, which is not in its cluster"
        )
    addresses = tuple(jobs[job][i] for job, i in workers)
    if not all(re.fullmatch(r"\S+:\d+", address) for address in addresses):
        raise wrong(f"has the addresses {', '.join(addresses)}, which must be HOST:PORT")
    return Cluster(addresses, workers.index((kind, index)))


def _from_slurm(environ):
    names = ("SLURM_STEP_NODELIST", "SLURM_STEP_TASKS_PER_NODE", "SLURM_PROCID")
    try:
        nodes, tasks, rank = (environ[name] for name in names)
        hosts, counts, index = expand_hosts(nodes), expand_counts(tasks), int(rank)
        pairs = list(zip(hosts, counts, strict=True))
    except (KeyError, ValueError) as error:
        found = ", ".join(f"{name}={str(environ.get(name))[:80]}" for name in names)
        raise UserError(
            f"SLURM's variables cannot be read ({found}: {error}); set TF_CONFIG instead."
        ) from None
    addresses = tuple(f"{host}:{SLURM_PORT + i}" for host, count in pairs for i in range(count))
    if not 0 <= index < len(addresses):
        raise UserError(
            f"SLURM_PROCID is {index}, but the step has {len(addresses)} tasks; set TF_CONFIG."
        )
    return Cluster(addresses, index)


def expand_hosts(text):
    """Return the names in a list of hosts as SLURM writes it.

    >>> expand_hosts("login,node[08-10,12],rack[1-2]n[1-2]")
    ['login', 'node08', 'node09', 'node10', 'node12', 'rack1n1', 'rack1n2', 'rack2n1', 'rack2n2']

    Raises:
        ValueError: it is no such list, or one of more than `MAX_WORKERS`.
    """
    names, parts = [], []  # of a name: a list of (first, last, width) or a text for each part
    for match in re.finditer(r"\[([^\[\]]*)\]|([^\[\],]+)|(,)|.", text + ",", re.DOTALL):
        ranges, literal, end = match.groups()
        if end and not parts:
            raise ValueError("a name is empty")
        if end:
            names.append(parts)
            parts = []
        elif literal is not None:
            parts.append(literal)
        elif ranges is not None:
            parts.append([_range(one) for one in ranges.split(",")])
        else:
            raise ValueError(f"{match[0]!r} is not closed, or stands in another bracket")
    _check_count(sum(math.prod(map(_count, parts)) for parts in names))
    return ["".join(one) for parts in names for one in itertools.product(*map(_texts, parts))]


def _range(text):
    """Return the first and the last number of a range, and the width that they are filled to."""
    match = re.fullmatch(r"(\d{1,15})(?:-(\d{1,15}))?", text)
    first, last = (int(number or match[1]) for number in match.groups()) if match else (1, 0)
    if first > last:
        raise ValueError(f"{text[:40]!r} is no range of numbers")
    return first, last, len(match[1])


def _count(part):
    return 1 if isinstance(part, str) else sum(last - first + 1 for first, last, _ in part)


def _texts(part):
    if isinstance(part, str):
        return [part]
    return [f"{n:0{width}d}" for first, last, width in part for n in range(first, last + 1)]


def _check_count(count):
    """Raise `ValueError` for too many, before they are listed: a few signs can mean billions."""
    if count > MAX_WORKERS:
        raise ValueError(f"{count:,} workers or hosts, which is above the limit of {MAX_WORKERS:,}")


def expand_counts(text):
    """Return the tasks of each node as SLURM writes them.

    >>> expand_counts("2(x3),1")
    [2, 2, 2, 1]

    Raises:
        ValueError: it is no such list, or one of more than `MAX_WORKERS` tasks or nodes.
    """
    pairs = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,15})(?:\(x(\d{1,15})\))?", part)
        if match is None:
            raise ValueError(f"{part[:40]!r} is no number of tasks")
        pairs.append((int(match[1]), int(match[2] or 1)))
    _check_count(sum(max(count, 1) * times for count, times in pairs))
    return [count for count, times in pairs for _ in range(times)]
