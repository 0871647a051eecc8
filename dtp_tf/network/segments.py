"""A model's graph in parts: preprocessing, a part for each pair, and the output layer."""

import dataclasses

import keras
from keras import layers

from dtp_tf.errors import SettingError
from dtp_tf.network.outputs import ACTIVATIONS

NORMALISING = (
    layers.BatchNormalization,
    layers.LayerNormalization,
    layers.GroupNormalization,
    layers.RMSNormalization,
)
# These prepare what comes next rather than end what was before.
_AHEAD = (
    layers.Flatten,
    layers.ZeroPadding1D,
    layers.ZeroPadding2D,
    layers.ZeroPadding3D,
)


@dataclasses.dataclass
class Segment:
    """Neighbouring steps of a graph with one tensor before and one after them.

    Attributes:
        steps: those of the graph.
        before, after: the numbers of the tensors.
    """

    steps: list
    before: int
    after: int

    @property
    def only(self):
        """The layer, if there is but one step; otherwise None."""
        return self.steps[0].layer if len(self.steps) == 1 else None

    @property
    def learns(self):
        """Whether there are weights that learn, beside those of normalisation."""
        return any(
            step.layer.trainable_weights
            for step in self.steps
            if isinstance(step.layer, keras.Layer) and not isinstance(step.layer, NORMALISING)
        )


@dataclasses.dataclass
class Part:
    """The segments of a pair, one after the other, and that of the dropout after them."""

    segments: list
    dropped: Segment | None = None

    @property
    def steps(self):
        return [step for segment in self.segments for step in segment.steps]

    @property
    def learns(self):
        return any(segment.learns for segment in self.segments)

    @property
    def name(self):
        """The name of the only layer that learns; where there are several, of the last layer."""
        learning = [step for step in self.steps if Segment([step], 0, 0).learns]
        return (learning if len(learning) == 1 else self.steps)[-1].layer.name


@dataclasses.dataclass(frozen=True)
class Parts:
    """What a network is made of.

    Attributes:
        front: the `Segment`s of preprocessing.
        hidden: a `Part` for each pair.
        output: the last Dense layer, and `activation`, the output's by name.
        softmax: the layer with that activation, None where the Dense layer has it.
        flatten: the Flatten layer just before it, or None.
    """

    front: list
    hidden: list
    output: layers.Dense
    activation: str
    softmax: object
    flatten: object


def parts_of(graph, cuts=None):
    """Return the `Parts` of a graph.

    Args:
        graph: of a model that can be converted.
        cuts: names of layers after which pairs end; by default wherever all paths meet.

    Raises:
        SettingError: no last Dense layer, nothing that learns before it, or `cuts` that are none.
    """
    chain = _chain(graph)
    chain, output, activation, softmax = _without_output(chain, graph)
    front, groups, flatten = _grouped(chain)
    if not groups:
        raise SettingError(
            f"no layer before {output.name!r} learns, so there is no hidden layer to teach; add "
            "one, or set `trainable`."
        )
    if cuts is not None:
        groups = _coarser(groups, cuts)
    return Parts(front, groups, output, activation, softmax, flatten)


def _chain(graph):
    """Return the finest segments, from the input on."""
    meeting, found, start = set(graph.cuts()), [], graph.input
    steps = []
    for step in graph.steps:
        steps.append(step)
        if step.output in meeting:
            found.append(Segment(steps, start, step.output))
            steps, start = [], step.output
    return found


def _without_output(chain, graph):
    """Return the segments below the last Dense layer, that layer, and its activation."""
    chain, softmax, activation = list(chain), None, "linear"
    while chain:
        last = chain.pop()
        layer = last.only
        if type(layer) is layers.Dense:
            break
        found = _output_activation(layer)
        if found is None or softmax is not None:
            name = last.steps[-1].layer.name
            raise SettingError(
                f"the model does not end with a Dense layer and its activation: after it comes "
                f"{name!r}, a {type(last.steps[-1].layer).__name__}; end it with Dense(units) and "
                f"{', '.join(ACTIVATIONS)}."
            )
        softmax, activation = layer, found
    else:
        raise SettingError("the model has no Dense layer to be the output; end it with one.")
    if layer.activation is not keras.activations.linear:
        if softmax is not None or layer.activation.__name__ not in ACTIVATIONS:
            raise SettingError(
                f"the output layer {layer.name!r} has the activation "
                f"{layer.activation.__name__}; it must be {', '.join(ACTIVATIONS)}."
            )
        activation = layer.activation.__name__
    shape = graph.shape(last.after)
    if len(shape) != 2:
        raise SettingError(
            f"the output layer {layer.name!r} gives {shape}, not (batch, units); put a Flatten or "
            "global pooling before it."
        )
    if not layer.trainable:
        raise SettingError(
            f"the output layer {layer.name!r} has `trainable` False, and it always learns; set it."
        )
    return chain, layer, activation, softmax


def _output_activation(layer):
    """Return the name of a last layer's activation, None if it is no such layer."""
    if isinstance(layer, layers.Softmax) and layer.axis == -1:
        return "softmax"
    if isinstance(layer, layers.Activation):
        name = getattr(layer.activation, "__name__", None)
        return name if name in ACTIVATIONS else None
    if isinstance(layer, keras.Layer) or not type(layer).__module__.startswith("keras."):
        return None
    name = type(layer).__name__.lower()  # keras.ops.softmax and sigmoid
    return name if name in ACTIVATIONS and getattr(layer, "axis", -1) == -1 else None


def _grouped(chain):
    """Return the segments before all that learns, the groups of those of each pair, and the
    Flatten layer before the output, if it is there."""
    front, groups, ahead = [], [], []
    for segment in chain:
        if segment.learns:
            if groups:
                ahead = _settled(groups[-1], ahead)
            else:
                front, ahead = _split_front(ahead)
            groups.append(Part([*ahead, segment]))
            ahead = []
        elif groups and not isinstance(segment.only, (*_AHEAD, layers.Dropout)):
            groups[-1].segments += [*ahead, segment]
            ahead = []
        else:
            ahead.append(segment)
    if not groups:
        return ahead, [], None
    ahead = _settled(groups[-1], ahead)
    if len(ahead) == 1 and isinstance(ahead[0].only, layers.Flatten):
        return front, groups, ahead[0].only
    groups[-1].segments += ahead
    return front, groups, None


def _settled(group, ahead):
    """Give a group the dropout that comes before the next one; return what is left for that."""
    dropped = [isinstance(one.only, layers.Dropout) for one in ahead]
    plain = all(
        one.only.noise_shape is None if drops else isinstance(one.only, layers.Flatten)
        for one, drops in zip(ahead, dropped, strict=True)
    )
    if sum(dropped) == 1 and plain:  # whatever is flattened, each number is dropped by itself
        group.dropped = ahead[dropped.index(True)]
        return [one for one in ahead if one is not group.dropped]
    if any(dropped):
        last = len(ahead) - dropped[::-1].index(True)
        group.segments += ahead[:last]
        return ahead[last:]
    return ahead


def _split_front(segments):
    """Return what is preprocessing, and what belongs to the first pair: all from the first weight
    that learns on (as of batch normalisation), and padding or flattening just before it."""
    first = len(segments)
    for position, segment in enumerate(segments):
        layers_here = [one.layer for one in segment.steps if isinstance(one.layer, keras.Layer)]
        if any(layer.trainable_weights for layer in layers_here):
            first = position
            break
    while first and isinstance(segments[first - 1].only, _AHEAD):
        first -= 1
    return segments[:first], segments[first:]


def _coarser(groups, cuts):
    """Return the groups joined but where `cuts` says."""
    cuts = [cuts] if isinstance(cuts, str) else list(cuts)
    ends = {
        segment.steps[-1].layer.name: (group, segment)
        for group in groups
        for segment in group.segments
    }
    for group in groups:  # after what is dropped there is no other end
        if group.dropped is not None:
            ends[group.dropped.only.name] = (group, group.segments[-1])
    wrong = [name for name in cuts if name not in ends]
    if wrong:
        raise SettingError(
            f"`cuts` has {wrong[0]!r}, which is no hidden layer after which all paths meet; there "
            f"could stand {', '.join(ends)}."
        )
    wanted = {id(ends[name][1]) for name in cuts}
    found, current = [], Part([])
    for group in groups:
        for segment in group.segments:
            current.segments.append(segment)
            if id(segment) in wanted and segment is not group.segments[-1]:
                found.append(current)
                current = Part([])
        if group is groups[-1] or id(group.segments[-1]) in wanted:
            current.dropped = group.dropped
            found.append(current)
            current = Part([])
        elif group.dropped is not None:
            current.segments.append(group.dropped)
    if len(found) > 1 and not found[-1].learns:
        last = found.pop()
        found[-1].segments += last.segments
        found[-1].dropped = last.dropped
    for group in found:
        if not group.learns:
            first, last = group.segments[0].steps[0], group.segments[-1].steps[-1]
            raise SettingError(
                f"`cuts` would make a pair of {first.layer.name!r} to {last.layer.name!r}, where "
                "nothing learns; leave one out."
            )
    return found
