"""The forward network alone, in stock Keras layers."""

import collections

import keras

from dtp_tf.numerics.precision import exact_copy
from dtp_tf.numerics.sampling import first_sampled, stock_sampling
from dtp_tf.pairs.graph import Graph, is_functional


def stock_classifier(network, dtype="float32", name="classifier"):
    """Return a network's forward layers as a Keras model; see `DTPNetwork.classifier`."""
    if not network.built:
        raise ValueError("build the network first: call it, or `fit` it, on some data.")
    layers, first = [], first_sampled(network.layers_up)
    for i, pair in enumerate(network.layers_up):
        if pair.transmission == "sample":
            units = pair.forward_layer.kernel.shape[0]
            layers += stock_sampling(units, i, network.seed, repeat=i == first)
        layers += pair.stock_layers()
        if pair.dropout:
            layers.append(keras.layers.Dropout(pair.dropout, name=f"{pair.name}_dropout"))
    if network.output_activation == "softmax":
        layers.append(keras.layers.Softmax(name="probabilities"))
    elif network.output_activation == "sigmoid":
        layers.append(keras.layers.Activation("sigmoid", name="probabilities"))
    if first is not None:
        layers.append(keras.layers.GlobalAveragePooling1D(name="mean_over_passes"))
    inputs = outputs = keras.Input(network.example_shape, dtype=dtype, name="inputs")
    before = _preprocessing_layers(network.preprocessing)
    calls = _taken_apart([*before, *layers])
    for call in calls[: len(before)]:
        # Said here, for augmentation takes a call that does not say for one in training.
        outputs = call(outputs, training=False)
    for call in calls[len(before) :]:
        outputs = call(outputs)
    shared = keras.Model(inputs, outputs, name=name)
    names = network.layer_names or {}

    def copy_of(layer):
        return exact_copy(layer, names.get(layer.name, layer.name))

    copy = keras.models.clone_model(shared, clone_function=copy_of)
    copy.set_weights(shared.get_weights())
    return copy


def _preprocessing_layers(preprocessing):
    if preprocessing is None:
        return []
    if isinstance(preprocessing, keras.Sequential):
        return list(preprocessing.layers)
    return [preprocessing]


def _taken_apart(layers):
    """Return what to call for each of the layers: the layers in functional blocks one by one, if
    no two of all have the same name."""
    graphs = [Graph(one) if is_functional(one) else None for one in layers]
    names = collections.Counter()
    for layer, graph in zip(layers, graphs, strict=True):
        inside = [layer] if graph is None else [step.layer for step in graph.steps]
        names.update(getattr(one, "name", None) for one in inside)
    del names[None]
    if any(count > 1 for count in names.values()):
        return layers
    return [
        layer if graph is None else _running(graph)
        for layer, graph in zip(layers, graphs, strict=True)
    ]


def _running(graph):
    def run(value, **said):
        def call(step, args, kwargs):
            extra = said if isinstance(step.layer, keras.Layer) else {}
            return step.layer(*args, **{**kwargs, **extra})

        return graph.run(value, call)[graph.output]

    return run
