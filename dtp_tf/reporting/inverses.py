"""How well each inverse gives back what its layer got: images, feature maps, scatter diagrams."""

import numpy as np

from dtp_tf.reporting.blocks import Image, Images, Plots, Table, Text
from dtp_tf.reporting.images import as_images, drawn_together, gray, photo
from dtp_tf.reporting.svg import inline_svg, small_figure

EXAMPLES = 8  # images that are given back
MAPS = 8  # feature maps
POINTS = 600  # of a scatter diagram


def inverses(network, images):
    """Return blocks on the inverses of a network.

    Args:
        network: a built `DTPNetwork`.
        images: what it gets, `(n, ...)`, a few.
    """
    given_back = network.reconstructions(images)
    if not given_back:
        return [Text(
            f"Not shown: the rule {type(network.rule).__name__} uses no inverse g in this network.",
            "note",
        )]
    numbers, blocks, plots = [], [], []
    for layer, (h, back) in given_back.items():
        h, back = np.asarray(h, "float64"), np.asarray(back, "float64")
        name = "output layer" if layer == len(network.pairs) else f"layer {layer + 1}"
        numbers.append([name, "x".join(map(str, h.shape[1:])), *_numbers(h, back)])
        if not np.isfinite(back).all():
            blocks.append(Text(f"Not shown: what {name} gives back is not finite.", "note"))
            continue
        pixels = as_images(h, network.example_shape) if layer == 0 else None
        if pixels is not None:
            blocks.append(_images(pixels, back.reshape(pixels.shape), name))
        elif h.ndim == 4:
            blocks.append(_maps(h[0], back[0], name))
        if h.ndim == 2:
            plots.append(_scatter(h, back, name))
    head = ["inverse of", "gives back", "relative error", "correlation"]
    table = Table(
        f"g(f(h)) beside h for {len(images)} test images; the relative error is the mean of "
        "|g(f(h)) - h|^2 / |h|^2. Rules that correct targets by differences need inverses that are "
        "right for small changes, not ones that give h back.", head, numbers, (2, 3),
    )
    return [table, *blocks, *([Plots(plots)] if plots else [])]


def _numbers(h, back):
    if not np.isfinite(back).all():
        return ["not finite", "-"]
    h, back = h.reshape(len(h), -1), back.reshape(len(back), -1)
    error = np.square(back - h).sum(axis=1) / (np.square(h).sum(axis=1) + 1e-12)
    deviations = h.std(), back.std()
    correlation = np.mean((h - h.mean()) * (back - back.mean())) / np.prod(deviations) if all(
        deviations) else float("nan")
    return [f"{error.mean():.3g}", f"{correlation:.3f}" if np.isfinite(correlation) else "-"]


def _images(h, back, name):
    shown = []
    for number, (one, other) in enumerate(zip(h[:EXAMPLES], back, strict=False), start=1):
        before, after = drawn_together([one, other])
        shown.append(Image([
            (photo(before), f"image {number} as {name} gets it"),
            (photo(after), f"image {number} as the inverse of {name} gives it back"),
        ]))
    return Images(f"Images as {name} gets them, and beside each what its inverse gives back.",
                  shown, "middle")


def _maps(h, back, name):
    """The feature maps of one image that differ most within themselves."""
    best = np.argsort(-h.std(axis=(0, 1)), kind="stable")[:MAPS]
    shown = []
    for channel in best:
        low, high = h[..., channel].min(), h[..., channel].max()
        shown.append(Image([
            (gray(h[..., channel], low, high), f"feature map {channel + 1} below {name}"),
            (gray(back[..., channel], low, high),
             f"feature map {channel + 1} as the inverse of {name} gives it back"),
        ], f"map {channel + 1}"))
    return Images(
        f"Feature maps of one image that {name} gets, and beside each, on the same scale, what its "
        f"inverse gives back: {len(best)} of {h.shape[-1]}, those with the strongest contrast.",
        shown, "middle",
    )


def _scatter(h, back, name):
    figure, axes = small_figure()
    x, y = h.ravel(), back.ravel()
    if len(x) > POINTS:
        chosen = np.random.default_rng(0).choice(len(x), POINTS, replace=False)
        x, y = x[chosen], y[chosen]
    ends = [min(x.min(), y.min()), max(x.max(), y.max())]
    axes.plot(ends, ends, color="black", linewidth=0.8, linestyle=":")
    axes.plot(x, y, ".", color="#1f77b4", markersize=3.5, alpha=0.6, markeredgewidth=0)
    axes.set(xlabel="h", ylabel="g(f(h))", title=f"inverse of {name}")
    axes.title.set_fontsize(10)
    axes.grid(alpha=0.3)
    error, correlation = _numbers(h, back)
    alt = (
        f"scatter diagram of {len(x):,} numbers: what the inverse of {name} gives back over what "
        f"the layer got; relative error {error}, correlation {correlation}"
    )
    return inline_svg(figure, alt), ""
