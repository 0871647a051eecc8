"""Published weights: folders of plain files, some of which come with the package.

In: a preset's name or folder, or a network and its facts. Out: networks, facts, cards, folders.
For `DTPNetwork.from_preset` and all above; a run becomes a preset in `sharing`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
