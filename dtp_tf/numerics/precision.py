"""Which numbers a layer pair computes with.

With the policy "mixed_bfloat16" the products of the forward layers, and the products of their
gradients, take bfloat16 numbers. All else is float32: weights, activations, targets and losses. An
inverse is used at two points close to each other, h and its target t, and bfloat16, whose numbers
differ by a part in 256, cannot tell them apart. Of a dense or convolutional inverse r(t) V + c two
products take bfloat16 numbers all the same: (r(t) - r(h)) V, for the difference is taken in
float32 and loses a part in 256 of itself only, and r(t) V in the loss that V learns from.

It is a way of training: what is left for others, the forward network alone, is float32 throughout,
for not every runtime has products of bfloat16.
"""

import keras

from dtp_tf.errors import SettingError


def is_mixed(policy):
    """Whether a Keras dtype policy computes in other numbers than those of its weights."""
    return policy.compute_dtype != policy.variable_dtype


def check_one_type(variables):
    """Raise `SettingError` if weights that learn are of another type than losses and metrics, which
    Keras computes in `keras.config.floatx()`."""
    wanted = keras.config.floatx()
    for variable in variables:
        if variable.dtype != wanted:
            raise SettingError(
                f"weights that learn must be {wanted}, as losses and metrics are, got "
                f"{variable.dtype} in {variable.path}; leave `dtype` out, and call "
                "keras.config.set_floatx and set_dtype_policy with one type before layers are made."
            )
    if wanted not in ("float32", "float64"):
        raise SettingError(
            f"a network learns in float32 or float64, got keras.config.floatx() {wanted}, which "
            "would round its targets away; use float32 and pairs of dtype mixed_bfloat16."
        )


def exact(policy):
    """Return the policy of what must not be rounded in a pair with this policy: its inverse."""
    return keras.DTypePolicy(policy.variable_dtype) if is_mixed(policy) else policy


def exact_copy(layer, name=None):
    """Return a new layer (or operation) of the same configuration that computes with exact
    numbers, of another name if there is one."""
    if isinstance(layer, keras.Model):
        return keras.models.clone_model(layer, clone_function=exact_copy)
    config = {**layer.get_config(), "name": name or layer.name}
    if isinstance(layer, keras.Layer) and is_mixed(layer.dtype_policy):
        config["dtype"] = exact(layer.dtype_policy).name
    return type(layer).from_config(config)


def exact_config(config):
    """Return a Keras configuration in which all dtype policies are of exact numbers."""
    if isinstance(config, (list, tuple)):
        return type(config)(map(exact_config, config))
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == "DTypePolicy":
        return keras.saving.serialize_keras_object(
            exact(keras.saving.deserialize_keras_object(config))
        )
    return {name: exact_config(one) for name, one in config.items()}


def dtype_policy(precision):
    """Return the name of the Keras dtype policy of a recipe's `precision`."""
    return "mixed_bfloat16" if precision == "mixed_bfloat16" else "float32"
