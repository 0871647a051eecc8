"""Whether a measured figure is better than a published one, level with it, or worse.

Figures are test errors or accuracies in percent. A published figure is taken as it stands; papers
seldom say how far it may be off.
"""

import math
import statistics

BETTER, LEVEL, WORSE = "better", "level", "worse"
#: What the words mean, for whoever reads a table.
MEANING = (
    "level: within one standard error of the published figure. The standard error is that of the "
    "test set, sqrt(p (1 - p) / n) for an error p on n images; with several seeds, whose test set "
    "is one and the same, the larger of it and deviation / sqrt(seeds)."
)
_ROUNDING = 1e-9  # percent; a figure right at the edge is level


def standard_error(percents, images):
    """Return the standard error of the mean of a figure, in percent.

    Args:
        percents: the figure of each seed, error or accuracy.
        images: of the test set.
    """
    share = statistics.fmean(percents) / 100
    of_images = 100 * math.sqrt(share * (1 - share) / images)
    if len(percents) == 1:
        return of_images
    return max(of_images, statistics.stdev(percents) / math.sqrt(len(percents)))


def verdict(measured, published, error, measure):
    """Return `BETTER`, `LEVEL` or `WORSE`.

    Args:
        measured, published: in percent.
        error: the standard error of `measured`.
        measure: "error", which is better below, or "accuracy", which is better above.
    """
    ahead = published - measured if measure == "error" else measured - published
    if abs(ahead) <= error + _ROUNDING:
        return LEVEL
    return BETTER if ahead > 0 else WORSE
