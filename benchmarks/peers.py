"""Time a training step beside what users would pick instead, in one run, pair by pair in turn.

    pip install -e '.[torch]'
    python benchmarks/peers.py --out docs/benchmarks

The same network, batch, optimizer (Adam) and float32, on all cores, a batch in memory:

    source-128, source-1024   3072-1000-1000-1000-10 tanh: `dtp` (parallel) and `bp`
    lenet-128                 the network that Ernoult et al. call LeNet: `bp`, and `ldrl` with one
                              and four updates of the inverses; "analytic" and "transposed" have
                              that `jacobian_norm`, and random signs as noise
    wide-128                  3072-1024-1024-1024-10 tanh: `ldrl` with two updates of the inverses
                              and orthogonal noise, sampled and analytic

`ldrl` has no peer, and is measured beside our own `bp`.

Peers are PyTorch as an expert writes it (fused Adam, targets without a graph, convolutions with
channels last), the same through torch.compile, and Keras's `fit`. Each contestant has a process of
its own, which sleeps while others are measured; a ratio is taken within a turn. Without PyTorch its
rows are left out, and it is said. The table gives the median over the turns and the spread; GFLOP/s
by the products that the equations of the rule need, and their share of what the contestant's own
library reaches in a product of two square matrices, in its process before the first turn.
"""

import contextlib
import csv
import importlib.util
import itertools
import json
import pathlib
import statistics
import subprocess
import sys
import time

import click

ETA, SIGMA, RATE = 0.0033, 0.3, 1e-3
SIDE, PRODUCTS = 2048, 50  # of the matrices whose product is a peak; the fastest counts
WIDTHS, WIDE = (3072, 1000, 1000, 1000, 10), (3072, 1024, 1024, 1024, 10)
TORCH, COMPILED, FIT, OURS = "PyTorch", "PyTorch, compiled", "Keras's fit", "dtp_tf"
OURS_BP = "dtp_tf, bp"
#: (network, batch, rule): who is measured.
ROWS = {
    ("source", 128, "dtp"): (OURS, TORCH, COMPILED),
    ("source", 128, "bp"): (OURS, TORCH, COMPILED, FIT),
    ("source", 1024, "dtp"): (OURS, TORCH, COMPILED),
    ("source", 1024, "bp"): (OURS, TORCH, COMPILED, FIT),
    ("lenet", 128, "bp"): (OURS, TORCH, COMPILED, FIT),
    ("lenet", 128, "ldrl"): (OURS, OURS_BP),
    ("lenet", 128, "ldrl-4"): (OURS, OURS_BP),
    ("lenet", 128, "ldrl-1-analytic"): (OURS, OURS_BP),
    ("lenet", 128, "ldrl-4-analytic"): (OURS, OURS_BP),
    ("lenet", 128, "ldrl-1-transposed"): (OURS, OURS_BP),
    ("wide", 128, "ldrl-2"): (OURS, OURS_BP),
    ("wide", 128, "ldrl-2-analytic"): (OURS, OURS_BP),
}
COLUMNS = ("network", "batch", "rule", "library", "images_per_second", "spread", "ours_over_it",
           "ratio_spread", "gflops", "peak_gflops", "of_peak")  # fmt: skip


def dense(widths):
    return tuple(below * above for below, above in itertools.pairwise(widths))


#: Multiply-adds of a forward pass of an example, layer by layer: a kernel's weights times places.
FORWARD = {
    "source": dense(WIDTHS),
    "wide": dense(WIDE),
    "lenet": (75 * 32 * 1024, 800 * 64 * 256, *dense((4096, 512, 10))),
}
#: Products of an update of the inverses by ldrl, each as large as a forward pass above the first
#: layer.
OF_UPDATE = {"sampled": 4, "transposed": 3, "analytic": 2}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--turns", default=7, show_default=True, help="Of every contestant.")
@click.option("--seconds", default=2.0, show_default=True, help="Length of a window.")
@click.option("--rows", default=None, help="Only these, NETWORK-BATCH-RULE with commas.")
@click.option("--out", type=click.Path(path_type=pathlib.Path), help="Folder of peers.csv, .json.")
@click.option("--contestant", nargs=4, hidden=True)
def main(turns, seconds, rows, out, contestant):
    """Time training steps beside those of PyTorch and Keras."""
    if contestant:
        library, network, batch, rule = contestant
        return compete(library, network, int(batch), rule, seconds)
    known = {"-".join(map(str, row)): row for row in ROWS}
    chosen = [name.strip() for name in rows.split(",")] if rows else list(known)
    if unknown := [name for name in chosen if name not in known]:
        raise click.UsageError(f"`--rows` {unknown[0]!r} is none of {', '.join(known)}.")
    without = importlib.util.find_spec("torch") is None
    if without:
        click.echo("PyTorch is missing: its rows are left out; pip install -e '.[torch]'", err=True)
    table = []
    for name in chosen:
        row = known[name]
        libraries = [one for one in ROWS[row] if not (without and one.startswith(TORCH))]
        rates, peaks = measure(row, libraries, turns, seconds)
        table += lines(row, rates, peaks)
        if OURS_BP in rates:
            turns_of_both = zip(rates[OURS], rates[OURS_BP], strict=True)
            times = statistics.median(bp / own for own, bp in turns_of_both)
            click.echo(f"{name}: a step takes {times:.2f} times one of bp")
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        with open(out / "peers.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(table)
        (out / "peers.json").write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


def measure(row, libraries, turns, seconds):
    """Return the images per second of each library in each turn, and each one's peak."""
    with contextlib.ExitStack() as processes:  # which closes their input, and so ends them
        started, peaks = {}, {}
        for library in libraries:
            process = processes.enter_context(start(library, row, seconds))
            word, _, peak = process.stdout.readline().partition(" ")
            if word == "ready":
                started[library], peaks[library] = process, float(peak)
                continue
            last = [line for line in process.stderr.read().splitlines() if line][-1:]
            reason = f"{library} cannot be measured: {' '.join(last)}"
            if library == OURS:
                raise click.ClickException(reason)
            click.echo(reason, err=True)
        rates = {library: [] for library in started}
        for _ in range(turns):
            for library, process in started.items():
                process.stdin.write("go\n")
                process.stdin.flush()
                rates[library].append(float(process.stdout.readline()))
    return rates, peaks


def start(library, row, seconds):
    words = [sys.executable, __file__, "--seconds", str(seconds), "--contestant", library]
    streams = {name: subprocess.PIPE for name in ("stdin", "stdout", "stderr")}
    return subprocess.Popen([*words, *map(str, row)], text=True, **streams)


def lines(row, rates, peaks):
    """Print and return the lines of a row: medians over the turns, half the range as spread."""
    found, (network, _, rule) = [], row
    for library, own in rates.items():
        ratios = [ours / one for ours, one in zip(rates[OURS], own, strict=True)]
        line = dict(zip(COLUMNS, (*row, library), strict=False))
        line |= {"images_per_second": round(statistics.median(own)), "spread": round(spread(own))}
        line |= {"ours_over_it": round(statistics.median(ratios), 3)}
        line |= {"ratio_spread": round(spread(ratios), 3)}
        of_library = "bp" if library == OURS_BP else rule
        gflops = 2e-9 * multiply_adds(network, of_library) * statistics.median(own)
        line |= {"gflops": round(gflops, 1), "peak_gflops": round(peaks[library], 1)}
        line |= {"of_peak": round(gflops / peaks[library], 3)}
        found.append(line)
        click.echo("  ".join(f"{value!s:>9}" for value in line.values()))
    return found


def spread(values):
    return (max(values) - min(values)) / 2


def multiply_adds(network, rule):
    """Return those of a step for an example, in the products that the rule's equations need."""
    name, steps, norm = words_of(rule)
    layers = FORWARD[network]
    every, above = sum(layers), sum(layers[1:])
    if name == "dtp":  # the output has no inverse
        return 2 * every + 5 * sum(layers[1:-1])
    by_bp = 2 * every + above  # ldrl takes its targets down by as many
    return by_bp if name == "bp" else by_bp + steps * OF_UPDATE[norm] * above


def words_of(rule):
    """Return the rule's name, updates of the inverses a batch, and `jacobian_norm`."""
    name, steps, norm = (*rule.split("-"), "", "")[:3]
    return name, int(steps or 1), norm or "sampled"


# -- in the process of one contestant --------------------------------------------------------------


def compete(library, network, batch, rule, seconds):
    """Say "ready" and the library's peak in GFLOP/s, and for each line on standard input the images
    per second of a window."""
    step, images = CONTESTANTS[library](network, batch, rule)
    peak = torch_peak() if library.startswith(TORCH) else tensorflow_peak()
    for _ in range(3):
        step()
    begun = time.perf_counter()
    step()
    count = max(1, round(seconds / (time.perf_counter() - begun)))
    print("ready", peak, flush=True)
    for _ in sys.stdin:
        begun = time.perf_counter()
        for _ in range(count):
            step()
        print(count * images / (time.perf_counter() - begun), flush=True)


def tensorflow_peak():
    from dtp_tf.benchmarking.throughput import gemm_peak

    return gemm_peak(seconds=0.5)


def torch_peak():
    """The same as `gemm_peak`, without TensorFlow and its threads in the process."""
    import torch

    a = torch.randn(SIDE, SIDE)
    times = []
    for _ in range(PRODUCTS):
        begun = time.perf_counter()
        torch.mm(a, a)
        times.append(time.perf_counter() - begun)
    return 2e-9 * SIDE**3 / min(times)


def recipe_of(network, batch, rule):
    from dtp_tf.recipes import recipe

    name, steps, norm = words_of(rule)
    name_of = {"lenet": "cifar10-lenet"}.get(network, "cifar10")
    settings = {"rule": name, "batch_size": batch, "optimizer": "adam", "learning_rate": RATE}
    if name != "bp":
        settings |= {"inverse_optimizer": "adam", "inverse_learning_rate": RATE}
        settings |= {"schedule": "parallel" if name == "dtp" else "inverse-first"}
        settings |= {"inverse_steps": steps}
    if name == "dtp":
        settings |= {"noise_directions": "gaussian"}  # as PyTorch draws it here
    if name == "ldrl":
        drawn = "gaussian" if norm == "sampled" else "rademacher"
        settings |= {"noise_directions": "orthogonal" if network == "wide" else drawn}
        settings |= {"jacobian_norm": norm}
    if network == "wide":
        settings |= {"units": WIDE[1:-1]}
    return recipe(name_of, **settings)


def ours(network, batch, rule):
    from dtp_tf.benchmarking.throughput import compiled_step, random_images

    return compiled_step(recipe_of(network, batch, rule), random_images(batch)), batch


def keras_fit(network, batch, rule):
    """Keras's own loop, an epoch as one step: long enough for what begins and ends it."""
    import keras
    import tensorflow as tf

    from dtp_tf.benchmarking.throughput import random_images
    from dtp_tf.data.splits import untuned
    from dtp_tf.training.building import build_network

    data = random_images(batch)
    model = build_network(recipe_of(network, batch, rule), data).classifier(dtype="uint8")
    model.compile(keras.optimizers.Adam(RATE), "sparse_categorical_crossentropy")
    count = len(data.train) // batch * batch
    whole = data.train.images[:count], data.train.labels[:count]
    batches = tf.data.Dataset.from_tensor_slices(whole).batch(batch).cache()
    # Else an epoch may take as long as tf.data's tuning sleeps, and not as long as Keras needs.
    batches = batches.prefetch(1).with_options(untuned())
    return lambda: model.fit(batches, epochs=1, shuffle=False, verbose=0), count


def torch_step(compiled):
    def made(network, batch, rule):
        import torch

        torch.manual_seed(0)
        make = {"dtp": torch_dtp, "bp": torch_bp}[rule]
        step, x = make(torch, network, batch)
        labels = torch.randint(0, 10, (batch,))
        if compiled:
            step = torch.compile(step)
        return lambda: step(x, labels), batch

    return made


def torch_pixels(torch, batch, flat):
    shape = (batch, 3072) if flat else (batch, 3, 32, 32)
    x = torch.randint(0, 256, shape, dtype=torch.uint8)
    return x if flat else x.to(memory_format=torch.channels_last)


def torch_bp(torch, network, batch):
    """Backpropagation in PyTorch, as its tutorials have it, with what is known to be fast."""
    nn = torch.nn
    if network == "source":
        sizes = zip(WIDTHS, WIDTHS[1:], strict=False)
        linear = [nn.Linear(below, above) for below, above in sizes]
        hidden = [part for one in linear[:-1] for part in (one, nn.Tanh())]
        model = nn.Sequential(*hidden, linear[-1])
    else:
        model = nn.Sequential(
            nn.Conv2d(3, 32, 5, padding=2), nn.ELU(), nn.MaxPool2d(3, 2, 1),
            nn.Conv2d(32, 64, 5, padding=2), nn.ELU(), nn.MaxPool2d(3, 2, 1),
            nn.Flatten(), nn.Linear(8 * 8 * 64, 512), nn.ELU(), nn.Linear(512, 10),
        ).to(memory_format=torch.channels_last)  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), RATE, fused=True)

    def step(x, labels):
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(model(x.float() / 255 - 0.5), labels).backward()
        optimizer.step()

    return step, torch_pixels(torch, batch, network == "source")


def torch_dtp(torch, network, batch):
    """Difference target propagation, parallel, in PyTorch: the same equations as `rules.DTP` with
    g(t) = tanh(t) V + c, targets taken down as one product of differences, one optimizer call."""
    nn, normal = torch.nn, torch.randn_like
    f = [nn.Linear(below, above) for below, above in zip(WIDTHS, WIDTHS[1:], strict=False)]
    g = {i: nn.Linear(WIDTHS[i + 1], WIDTHS[i]) for i in (1, 2)}
    parts = [*f, *g.values()]
    weights = [one for part in parts for one in part.parameters()]
    optimizer = torch.optim.Adam(weights, RATE, fused=True)

    def step(x, labels):
        optimizer.zero_grad(set_to_none=True)
        h = [x.float() / 255 - 0.5]
        for layer in f[:-1]:
            h.append(torch.tanh(layer(h[-1].detach())))
        logits = f[-1](h[3].detach())
        total = nn.functional.cross_entropy(logits, labels)
        with torch.no_grad():
            error = torch.softmax(logits, 1)
            error[torch.arange(batch), labels] -= 1
            targets = {3: h[3] - ETA * (error @ f[-1].weight)}
            for i in (2, 1):
                slope = torch.tanh(targets[i + 1]) - torch.tanh(h[i + 1])
                targets[i] = h[i] + slope @ g[i].weight.T
            noisy = {i: h[i] + SIGMA * normal(h[i]) for i in g}
            above = {i: torch.tanh(torch.tanh(f[i](noisy[i]))) for i in g}
        for i, target in targets.items():
            total = total + (h[i] - target).square().sum(1).mean()
        for i in g:
            total = total + (g[i](above[i]) - noisy[i]).square().sum(1).mean()
        total.backward()
        optimizer.step()

    return step, torch_pixels(torch, batch, True)


def ours_by_bp(network, batch, rule):
    return ours(network, batch, "bp")


CONTESTANTS = {
    OURS: ours, OURS_BP: ours_by_bp, FIT: keras_fit,
    TORCH: torch_step(False), COMPILED: torch_step(True),
}  # fmt: skip


if __name__ == "__main__":
    main()
