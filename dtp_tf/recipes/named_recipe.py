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


def adam(beta_1, beta_2, epsilon):
    """Return Adam with these arguments in a recipe's words; `epsilon` may be one for each layer."""
    many = isinstance(epsilon, (list, tuple))
    epsilon = ",".join(f"{one:.5g}" for one in epsilon) if many else epsilon
    return f"adam beta_1={beta_1} beta_2={beta_2} epsilon={epsilon}"
