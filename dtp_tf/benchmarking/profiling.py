"""Where the time of a training step goes: TensorFlow's operations by their time."""

import bisect
import collections
import pathlib
import re
import tempfile

import tensorflow as tf

# How the profiler names an operation: the place in the graph, and the kernel that ran.
OPERATION = re.compile(r"(?P<place>[^:]+):(?P<kernel>\w+)$")
XLA = "CpuExecutable::ExecuteAsyncOnStream"  # a program that XLA compiled
PROGRAM = re.compile(r"a_inference_+(?P<function>\w+?)_\d+_")
#: The functions of which XLA makes programs in a step.
PROGRAMS = {"apply": "optimizer updates", "apart": "pooling"}


def profile_step(step, steps=10):
    """Return the milliseconds that a step spends in each kind of operation, the longest first.

    Operations run side by side, so that the sum may be more than what the step takes.

    Args:
        step: a function without arguments that runs one compiled step to its end.
        steps: how many to run; the result is their mean.

    Returns:
        A list of dicts: "operation", "times" (calls per step) and "milliseconds" (per step).
    """
    step()
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        for _ in range(steps):
            step()
        tf.profiler.experimental.stop()
        (file,) = pathlib.Path(folder).rglob("*.xplane.pb")
        content = file.read_bytes()
    milliseconds, times = collections.Counter(), collections.Counter()
    for name, duration in _host_events(content):
        match = OPERATION.match(name)
        if name in PROGRAMS.values():
            kind = f"{name} (XLA)"
        elif match is not None:
            kind = match["kernel"].removeprefix("_MklNative").removeprefix("_Mkl")
        else:
            continue
        milliseconds[kind] += duration / steps
        times[kind] += 1 / steps
    return [
        {"operation": kind, "times": round(times[kind], 1), "milliseconds": duration}
        for kind, duration in milliseconds.most_common()
    ]


def _host_events(content):
    """Yield (name, milliseconds) of everything that the profiler saw on the host; the name of a
    program of XLA's is what it is for."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace()
    space.ParseFromString(content)
    for plane in space.planes:
        if "CPU" in plane.name:
            names = {key: entry.name for key, entry in plane.event_metadata.items()}
            told = {key: entry.name for key, entry in plane.stat_metadata.items()}
            programs = sorted(
                (line.timestamp_ns * 1000 + event.offset_ps, program)
                for line in plane.lines
                for event in line.events
                if (program := _program(event, told)) is not None
            )
            for line in plane.lines:
                for event in line.events:
                    name = names[event.metadata_id]
                    if name == XLA:
                        start = line.timestamp_ns * 1000 + event.offset_ps
                        name = _first_after(programs, start)
                    yield name, event.duration_ps / 1e9


def _program(event, told):
    """Return what the program of XLA's is for that an event is a part of, or None."""
    for stat in event.stats:
        if told[stat.metadata_id] == "hlo_module":
            match = PROGRAM.match(stat.str_value or told.get(stat.ref_value, ""))
            return None if match is None else PROGRAMS.get(match["function"])
    return None


def _first_after(programs, start):
    """Return the program whose first part begins soonest after the program does."""
    place = bisect.bisect_left(programs, (start, ""))
    return programs[min(place, len(programs) - 1)][1] if programs else PROGRAMS["apply"]
