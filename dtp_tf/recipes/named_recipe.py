"""What a named recipe consists of. This module does not import TensorFlow."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class NamedRecipe:
    """A recipe in the table.

    Args:
        summary: what it is for.
        settings: all but the rules' own.
        rules: the settings of its own that a rule has here beside its defaults; the first rule is
            the recipe's.
        published: what its paper reports, and under which conditions; empty where there is none.
    """

    summary: str
    settings: dict
    rules: dict
    published: str = ""
