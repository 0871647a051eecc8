"""What goes into a network: one array of examples, preprocessed."""

import keras

from dtp_tf.errors import SettingError


def build_preprocessing(layer, shape):
    """Build the preprocessing, if there is some, for inputs of a shape; return its outputs' shape.
    """
    if layer is None:
        return shape
    if not layer.built:
        layer.build(shape)
    # By its `call`: a layer of one's own need not have `compute_output_shape`.
    return tuple(layer.compute_output_spec(keras.KerasTensor(shape)).shape)


def check_shape(shape):
    """Raise `SettingError` if the shape of a batch is that of several arrays."""
    if isinstance(shape, dict) or not all(one is None or isinstance(one, int) for one in shape):
        raise _several(shape)


def check_single(inputs):
    """Raise `SettingError` if a batch has several arrays."""
    if isinstance(inputs, (dict, list, tuple)):
        raise _several(inputs)


def check_fixed(preprocessing):
    """Raise `SettingError` if the preprocessing has weights that would have to learn."""
    learning = [] if preprocessing is None else preprocessing.trainable_variables
    if learning:
        raise SettingError(
            f"`preprocessing` does not learn, and {preprocessing.name!r} has weights that would, "
            f"such as {learning[0].path}; set `trainable` of it to False, or make it a pair."
        )


def check_unmasked(h):
    """Raise `SettingError` if the preprocessing gave a mask beside its output."""
    if getattr(h, "_keras_mask", None) is not None:  # where Keras keeps it
        raise SettingError(
            "`preprocessing` gives a mask, which neither pairs nor local losses heed; leave the "
            "mask out, and give examples that are not to count a `sample_weight` of 0."
        )


def _several(given):
    return SettingError(
        f"a network takes one array of examples as `x`, got a {type(given).__name__}; join what "
        "belongs to an example in one array."
    )
