"""From a Keras model to a network of pairs with the same forward function."""

import keras
from keras import layers

from dtp_tf.errors import SettingError
from dtp_tf.network.convertible import graph_of
from dtp_tf.network.expressed import as_conv, as_dense, dense_settings
from dtp_tf.network.segments import Segment, parts_of
from dtp_tf.pairs.block import BlockPair
from dtp_tf.pairs.graph import Graph
from dtp_tf.pairs.mirrors import KINKED


def convert(network_class, model, rule=None, cuts=None, inverse_blocks=None, **kwargs):
    """Return a network of a Keras model; see `DTPNetwork.from_keras`."""
    graph = _named_once(graph_of(model), model.name)
    parts = parts_of(graph, cuts)
    inverse_blocks = dict(inverse_blocks or {})
    names, copies = {}, _Copies()
    pairs = [_pair(part, graph, inverse_blocks, names, copies) for part in parts.hidden]
    _check_all_used(inverse_blocks, parts)
    front = copies.model(parts.front, graph, "preprocessing") if parts.front else None
    names |= {"output_forward": parts.output.name}
    if parts.flatten is not None:
        names["output_flatten"] = parts.flatten.name
    if parts.softmax is not None:
        names["probabilities"] = parts.softmax.name
    network = network_class(
        pairs,
        parts.output.units,
        rule=rule,
        preprocessing=front,
        output_initializer=parts.output.kernel_initializer,
        output_activation=parts.activation,
        output_settings=dense_settings(parts.output),
        layer_names=names,
        **kwargs,
    )
    network.build(graph.shape(graph.input))
    for pair, part in zip(pairs, parts.hidden, strict=True):
        if not isinstance(pair, BlockPair):
            learning = [step.layer for step in part.steps if step.layer.weights]
            pair.forward_layer.set_weights(learning[0].get_weights())
    network.output_pair.forward_layer.set_weights(parts.output.get_weights())
    return network


def _pair(part, graph, inverse_blocks, names, copies):
    """Return the pair of a part, and add to `names` how its stock layers are called."""
    dropout = part.dropped.only if part.dropped else None
    inverse = inverse_blocks.pop(part.name, None)
    pair = None
    if inverse is None:
        pair = as_dense(part, graph, names) or as_conv(part, graph, names)
    if pair is None:
        block = copies.model(part.segments, graph, f"{part.name}_block", split=inverse is None)
        pair = BlockPair(block, inverse, name=part.name, dropout=dropout.rate if dropout else 0.0)
    if dropout is not None:
        names[f"{pair.name}_dropout"] = dropout.name
    return pair


def _check_all_used(left, parts):
    if left:
        known = ", ".join(part.name for part in parts.hidden)
        raise SettingError(
            f"`inverse_blocks` has {next(iter(left))!r}, which is no pair; the pairs are {known}."
        )


def _named_once(graph, name):
    """Return a graph in which no two layers have the same name, as layers of models that were made
    apart and put together may have."""
    layers_by_id = {id(step.layer): step.layer for step in graph.steps}
    names = [layer.name for layer in layers_by_id.values()]
    if len(set(names)) == len(names):
        return graph
    return Graph(_Copies().model([Segment(graph.steps, graph.input, graph.output)], graph, name))


class _Copies:
    """Copies layers; one that is called several times, which then has no weights, each time."""

    def __init__(self):
        self._names = set()

    def model(self, segments, graph, name, split=False):
        """Return a functional model of copies of the layers in neighbouring segments, with their
        weights.

        Args:
            segments, graph: what to copy.
            name: of the model.
            split: whether activations inside other layers become layers of their own, where the
                mirror of the layer needs to see what they get.
        """
        first = graph.tensors[segments[0].before]
        inputs = outputs = keras.Input(first.shape[1:], dtype=first.dtype)
        weights = []

        def call(step, args, kwargs):
            copy = self._copy(step.layer)
            alone = split and _hides_its_argument(step.layer)
            if alone:
                copy.activation = keras.activations.linear
            result = copy(*args, **kwargs)
            if isinstance(copy, keras.Layer) and copy.variables:
                weights.append((copy, step.layer))
            if not alone:
                return result
            return layers.Activation(step.layer.activation, name=f"{copy.name}_activation")(result)

        for segment in segments:
            outputs = graph.run(outputs, call, segment)[segment.after]
        model = keras.Model(inputs, outputs, name=name)
        for copy, layer in weights:
            copy.set_weights(layer.get_weights())
            if hasattr(copy, "finalize_state"):  # Normalization works with what it makes of them
                copy.finalize_state()
        return model

    def _copy(self, layer):
        name, count = layer.name, 1
        while name in self._names:
            count += 1
            name = f"{layer.name}_{count}"
        self._names.add(name)
        return type(layer).from_config({**layer.get_config(), "name": name})


def _hides_its_argument(layer):
    """Whether a layer has weights and an activation whose slope its values do not tell."""
    if not isinstance(layer, keras.Layer) or not layer.weights:
        return False
    activation = getattr(layer, "activation", None)
    name = getattr(activation, "__name__", None)
    return name is not None and name not in ("linear", *KINKED)
