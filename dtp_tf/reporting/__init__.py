"""Pages that show a run or a preset: one HTML file each, which needs nothing else.

In: a run's folder with its network and images, or a preset. Out: `report.html`.
`training` writes them of its own accord; `comparing` and `tuning` make theirs of the same blocks.
"""

import lazy_loader

from dtp_tf.backend import require_tensorflow

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

require_tensorflow()
