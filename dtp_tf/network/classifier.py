"""The forward network alone, in stock Keras layers."""

import keras

from dtp_tf.numerics.precision import exact_copy
from dtp_tf.numerics.sampling import first_sampled, stock_sampling


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
    for layer in _preprocessing_layers(network.preprocessing):
        # Said here, for augmentation takes a call that does not say for one in training.
        outputs = layer(outputs, training=False)
    for layer in layers:
        outputs = layer(outputs)
    shared = keras.Model(inputs, outputs, name=name)
    copy = keras.models.clone_model(shared, clone_function=exact_copy)
    copy.set_weights(shared.get_weights())
    return copy


def _preprocessing_layers(preprocessing):
    if preprocessing is None:
        return []
    if isinstance(preprocessing, keras.Sequential):
        return list(preprocessing.layers)
    return [preprocessing]
