"""Direct difference target propagation through a random hidden layer (Meulemans et al. 2020)."""

import keras

from dtp_tf.arguments import check_whole
from dtp_tf.rules.ddtp_linear import DDTPLinear


@keras.saving.register_keras_serializable("dtp_tf")
class DDTPRHL(DDTPLinear):
    """`DDTPLinear` with maps through one hidden layer of fixed random features.

        q_i(y) = tanh( tanh(y R + r) Q_i + q_i ),   and for the top hidden layer   tanh(y Q + q)

    R and r are random, the same for all layers, and never learn.

    Args:
        feedback_units: how many features there are, at least 1.
        target_step, noise, inverse_l2: see `DDTPLinear`.
        schedule, inverse_steps, noise_directions, noise_samples: see `DDTPLinear`.

    Raises:
        SettingError: see `SmallNoiseRule`, or `feedback_units` below 1.

    References:
        Meulemans, Carzaniga, Suykens, Sacramento, Grewe, "A Theoretical Framework for Target
        Propagation", 2020, arXiv 2006.14331, section 6 (DDTP-RHL); the top layer as
        in its code.
    """

    def __init__(
        self,
        target_step=0.0669,
        noise=0.1,
        inverse_l2=0.0,
        schedule="parallel",
        inverse_steps=1,
        noise_directions="gaussian",
        feedback_units=1024,
        noise_samples=1,
    ):
        super().__init__(
            target_step,
            noise,
            inverse_l2,
            schedule,
            inverse_steps,
            noise_directions,
            noise_samples,
        )
        check_whole("feedback_units", feedback_units)
        self.feedback_units = feedback_units

    def feedback_layers(self, layers):
        outputs, top = layers[-1].units, len(layers) - 2
        maps, first = {}, None
        for i, pair in enumerate(layers[:-1]):
            own = keras.layers.Dense(
                pair.units,
                activation="tanh",
                kernel_initializer=pair.inverse_kernel_initializer,
                name=f"direct_{i + 1}",
            )
            if i == top:
                maps[i] = own
            else:
                features = self._features(outputs, f"features_{i + 1}")
                first = first or features
                features.set_weights(first.get_weights())
                maps[i] = keras.Sequential([features, own], name=f"direct_map_{i + 1}")
            maps[i].build((None, outputs))
        return maps

    def feedback_weights(self, units, weights):
        *_, top, outputs = units
        below = units[1:-2]
        return self.feedback_units * (sum(below) + outputs * len(below)) + outputs * top

    def _features(self, outputs, name):
        limit = outputs**-0.5  # as the authors' code has it, PyTorch's default
        layer = keras.layers.Dense(
            self.feedback_units,
            activation="tanh",
            kernel_initializer=keras.initializers.RandomUniform(-limit, limit),
            bias_initializer=keras.initializers.RandomUniform(-limit, limit),
            trainable=False,
            name=name,
        )
        layer.build((None, outputs))
        return layer

    def get_config(self):
        return {**super().get_config(), "feedback_units": self.feedback_units}
