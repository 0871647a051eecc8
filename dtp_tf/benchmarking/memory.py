"""The memory that processes had."""

import resource
import sys


def largest_memory_gb(whose=resource.RUSAGE_SELF):
    """Return the largest resident memory so far in 10^9 bytes.

    Args:
        whose: `resource.RUSAGE_SELF`, this process, or `RUSAGE_CHILDREN`, the largest of those that
            it has waited for.
    """
    unit = 1 if sys.platform == "darwin" else 1024  # Linux counts in kilobytes
    return resource.getrusage(whose).ru_maxrss * unit / 1e9
