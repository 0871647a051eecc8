"""Inverses derived from blocks: the block's graph mirrored, from its output to its input.

Where a tensor goes to several layers, what these send back is added up; an `Add` sends the same to
all that it adds. So the mirror of a residual block is a residual block. `dtp_tf.pairs.mirrors` has
the mirrors of single layers.
"""

import collections

import keras

from dtp_tf.errors import SettingError
from dtp_tf.pairs.mirrors import NoMirror, Place, mirror_of, points_of


def derive_inverse(block, graph):
    """Return a Keras model from a block's outputs to its inputs.

    Its first input is what comes from above; the others, which may be None, are the values that
    the tensors `noted_tensors(graph)` have in the forward pass.

    Args:
        block: what the inverse is of, for its name.
        graph: its `Graph`.

    Raises:
        SettingError: a layer whose mirror is not known.
    """
    above = keras.Input(graph.shape(graph.output)[1:], name="above")
    noted = {
        number: keras.Input(
            graph.shape(number)[1:], dtype=graph.tensors[number].dtype, optional=True,
            name=f"noted_{position}",
        )
        for position, number in enumerate(noted_tensors(graph))
    }  # fmt: skip
    names = _Names()
    arriving = collections.defaultdict(list)
    arriving[graph.output].append(above)
    for step in reversed(graph.steps):
        name = names(f"{step.layer.name}_back")
        upstream = _sum(arriving[step.output], names)
        points = [noted[number] for number in points_of(step)]
        backs = _mirrored(Place(step, graph, upstream, name, points), block)
        for number, back in zip(step.inputs, backs, strict=True):
            arriving[number].append(back)
    below = _sum(arriving[graph.input], names)
    return keras.Model([above, *noted.values()], below, name=f"{block.name}_inverse")


def noted_tensors(graph):
    """Return the numbers of the tensors of the forward pass that a derived inverse asks for."""
    return list(dict.fromkeys(number for step in graph.steps for number in points_of(step)))


def _mirrored(place, block):
    layer, mirror = place.layer, mirror_of(place.layer)
    reason = f"is a {type(layer).__name__}"
    if len(keras.tree.flatten(place.step.args)) != len(place.step.inputs):
        reason += " of tensors and numbers"
    elif getattr(layer, "data_format", None) == "channels_first":
        reason += " with channels first"
    elif mirror is not None:
        try:
            return mirror(place)
        except NoMirror as error:
            reason += f" of which {error}"
    raise SettingError(
        f"the inverse of {block.name!r} cannot be derived, for its layer {layer.name!r} {reason}; "
        "give `inverse_block`."
    )


def _sum(tensors, names):
    """The mirror of a fork."""
    return tensors[0] if len(tensors) == 1 else keras.layers.Add(name=names("joined"))(tensors)


class _Names:
    """Gives every layer a name of its own."""

    def __init__(self):
        self._given = collections.Counter()

    def __call__(self, name):
        self._given[name] += 1
        return name if self._given[name] == 1 else f"{name}_{self._given[name]}"
