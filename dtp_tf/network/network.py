"""`DTPNetwork`: a stack of layer pairs, an output layer and a learning rule."""

import functools
import itertools

import keras
import tensorflow as tf

from dtp_tf.errors import SettingError
from dtp_tf.network.classifier import stock_classifier
from dtp_tf.network.inputs import (
    build_preprocessing,
    check_shape,
    check_single,
    check_unmasked,
)
from dtp_tf.network.outputs import ACTIVATIONS, check_output
from dtp_tf.network.saved import Saved
from dtp_tf.network.sources import Sources
from dtp_tf.network.trainer import LocalTrainer
from dtp_tf.numerics.noise import gaussian, step_seed, uniform
from dtp_tf.numerics.precision import is_mixed
from dtp_tf.numerics.sampling import bernoulli, first_sampled, sampled_passes
from dtp_tf.pairs.dense import DensePair
from dtp_tf.rules.base import Rule, TargetRule, at_least_zero
from dtp_tf.rules.dtp import DTP


@keras.saving.register_keras_serializable("dtp_tf")
class DTPNetwork(Sources, LocalTrainer, Saved, keras.Model):
    """A network whose hidden layers learn from local targets instead of backpropagation.

    With h_0 the preprocessed input, h_i = f_i(h_{i-1}) the activations of the pairs i = 1 .. M-1
    and C the loss of the output layer f_M, the learning rule gives every hidden layer a target t_i,
    and one step descends

        C                        with respect to the output layer only
        mean_B || h_i - t_i ||^2     with respect to f_i only
        the rule's inverse loss      with respect to g_i only

    Losses are per example (summed over a layer's units), then averaged over the batch.

    Args:
        pairs: the hidden layers, from the input on: a list of `dtp_tf.DensePair`.
        units: width of the output: the number of classes with softmax, then at least 2.
        rule: a `dtp_tf.rules.Rule`; difference target propagation by default.
        preprocessing: a Keras layer that is applied to the input first and does not learn.
        output_initializer: of the output layer's weights.
        output_transmission: what the top hidden layer sends to the output layer: "continuous", or
            "sample"; see `DensePair`.
        seed: of the noise and the samples; 0 .. 2^31 - 1.
        output_activation: "softmax" for classes that exclude each other; "sigmoid" for two classes
            (one unit) or several labels at once; "linear" for any numbers, or logits.
        classes: another name of `units`.
        output_settings: other arguments of `keras.layers.Dense` for the output layer, a dict.
        layer_names: other names of layers in `classifier()`, a dict; as of a converted model.
        input_noise: standard deviation, at least 0, of the normal noise that training steps add to
            h_0, the preprocessed input.
        **kwargs: `name` and the other arguments of `keras.Model`.

    Attributes:
        presets: the shipped presets, {name: its facts in short}; `from_preset` takes the names.

    Call arguments:
        inputs: a batch of examples.

    Input shape:
        What `preprocessing` takes; without it `(batch, features)`.

    Output shape:
        `(batch, units)`: class probabilities with softmax, the probability of each unit's label
        with sigmoid, and what the output layer computes with linear.

    Raises:
        SettingError: no pairs, an output that cannot be, or a rule that is none.

    Example:

    >>> import keras, numpy as np, dtp_tf
    >>> model = dtp_tf.DTPNetwork([dtp_tf.DensePair(8), dtp_tf.DensePair(8)], classes=3)
    >>> model.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3))
    >>> x, y = np.random.rand(20, 5), np.arange(20) % 3
    >>> history = model.fit(x, y, epochs=1, verbose=0)
    >>> model.predict(x, verbose=0).shape
    (20, 3)
    """

    def __init__(
        self,
        pairs,
        units=None,
        rule=None,
        preprocessing=None,
        output_initializer="orthogonal",
        output_transmission="continuous",
        seed=0,
        output_activation="softmax",
        classes=None,
        output_settings=None,
        layer_names=None,
        input_noise=0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if is_mixed(self.dtype_policy):
            raise SettingError(
                f"a network cannot have the dtype policy {self.dtype_policy.name}, which would "
                "round its targets; give it to the pairs, DensePair(..., "
                f"dtype={self.dtype_policy.name!r}), and leave Keras's global policy at float32."
            )
        pairs = list(pairs)
        if not pairs:
            raise SettingError("`pairs` needs at least one layer pair, got an empty list.")
        if units is not None and classes is not None:
            raise SettingError(
                f"`units` and `classes` both say how wide the output is, got {units!r} and "
                f"{classes!r}: give one of them."
            )
        units = classes if units is None else units
        check_output(units, output_activation)
        rule = DTP() if rule is None else rule
        if not isinstance(rule, Rule):
            raise SettingError(
                f"`rule` must be a dtp_tf.rules.Rule such as dtp_tf.rules.DTP(), got {rule!r}."
            )
        self.pairs = pairs
        self.units = units
        self.output_activation = output_activation
        self.rule = rule
        self.preprocessing = preprocessing
        self.output_initializer = keras.initializers.get(output_initializer)
        self.output_transmission = output_transmission
        self.output_settings = output_settings
        self.layer_names = layer_names
        self.input_noise = at_least_zero("input_noise", input_noise)
        self.seed = seed
        # An activation that comes first in g answers to that of f, and the logits have none.
        first = pairs[-1].inverse_first
        self.output_pair = DensePair(
            units,
            activation="linear",
            inverse_activation="linear" if first else pairs[-1].inverse_activation,
            inverse_first=first,
            kernel_initializer=self.output_initializer,
            inverse_kernel_initializer=pairs[-1].inverse_kernel_initializer,
            transmission=output_transmission,
            settings=output_settings,
            dtype=pairs[-1].dtype_policy,
            name="output",
        )
        _check_dropout(self.layers_up)
        rule.check(self.layers_up)
        self.inverted = [i for i in range(len(pairs) + 1) if rule.uses_inverse(i, len(pairs) + 1)]
        for i, pair in enumerate(self.layers_up):
            if i not in self.inverted and not pair.built:
                pair.inverse = False
            elif i in self.inverted and not pair.inverse:
                raise SettingError(
                    f"pair {i + 1} has no inverse (`inverse=False`), but {type(rule).__name__} "
                    "needs it; leave the argument out."
                )
        self.set_phase(rule.passes[0])

    def build(self, input_shape):
        if self.built:
            return
        check_shape(input_shape)
        self.example_shape = tuple(input_shape)[1:]
        shape = build_preprocessing(self.preprocessing, tuple(input_shape))
        for pair in self.pairs:
            if not pair.built:
                pair.build(shape)
            shape = pair.compute_output_shape(shape)
        if not self.output_pair.built:
            self.output_pair.build(shape)
        self._build_feedback()
        # Counts training steps; the noise depends on nothing else but the seed, so that a resumed
        # run draws the very numbers of the uninterrupted one.
        self.step = self.add_weight(
            name="step",
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
        for number, layer in enumerate(self.layers_up):
            layer.randomness = functools.partial(step_seed, self.seed, self.step, number)
        self.built = True
        self._build_optimizers()

    def _build_feedback(self):
        """Make the rule's feedback weights, and a metric for each loss that a rule has."""
        rule = self.rule
        rule.check_built(self.layers_up)
        feedback = rule.feedback_layers(self.layers_up)
        self.feedback_layers = list(feedback.values())
        self.feedback = dict(zip(feedback, self.feedback_layers, strict=True))
        for i in self.inverted:
            pair = self.layers_up[i]
            pair.inverse_layer.trainable = rule.trains_feedback and pair.trainable
        own = sorted({*self.inverted, *feedback}) if rule.trains_feedback else []
        self.trained_feedback = own
        if own:
            rule.check_lists(len(own))
        layers = range(len(self.pairs)) if isinstance(rule, TargetRule) else ()
        self._local_losses = [keras.metrics.Mean(name=f"local_loss_{i + 1}") for i in layers]
        self._inverse_losses = [keras.metrics.Mean(name=f"inverse_loss_{i + 1}") for i in own]
        self._reconstruction_errors = [
            keras.metrics.Mean(name=f"reconstruction_error_{i + 1}") for i in self.inverted
        ]

    def call(self, inputs, training=False):
        return self.answer(self.activations(inputs, training))

    def preprocessed(self, inputs, training=False):
        """Return h_0, what the first layer gets, as in training or not."""
        check_single(inputs)
        if self.preprocessing is None:
            return inputs
        h = self.preprocessing(inputs, training=training)
        check_unmasked(h)
        return h

    def noisy(self, h):
        """Return h_0 as a training step has it, with its `input_noise`."""
        if not self.input_noise:
            return h
        # A key of one number is also that of samples, which the first layer does not get.
        return h + self.input_noise * gaussian(h, self.seed, self.step, 0)

    def activations(self, inputs, training=False):
        """Return [h_0, .., h_M]: the preprocessed input, the hidden activations, the logits.

        Layers that send samples in training send the probabilities themselves here.
        """
        h = [self.preprocessed(inputs, training)]
        for layer in self.layers_up:
            h.append(layer(h[-1]))
        return h

    def _forward(self, inputs):
        """Return `activations(inputs)`, and the layers' auxiliaries where they have inverses."""
        h, aux = [self.preprocessed(inputs)], []
        for i, layer in enumerate(self.layers_up):
            above, of_layer = (layer(h[-1]), None) if i not in self.inverted else layer.tell(h[-1])
            h.append(above)
            aux.append(of_layer)
        return h, aux

    def reconstructions(self, inputs):
        """Return what each layer with an inverse, or another decoder, gives back of what it got.

        Args:
            inputs: a batch of examples.

        Returns:
            `{layer: (h, g(f(h)))}`, layers from 0 on, both `(batch, *pair.below)`.
        """
        h, aux = self._forward(inputs)
        inverses = {i: (h[i], self._given_back(i, h, aux[i])) for i in self.inverted}
        return {**inverses, **self.rule.reconstructions(self, h)}

    def answer(self, h):
        """Return the answers for activations: a mean over passes if layers sample."""
        first = first_sampled(self.layers_up)
        if first is None:
            return self.activate_output(h[-1])
        logits = sampled_passes(h[first], self.layers_up, first, self.seed)
        return tf.reduce_mean(self.activate_output(logits), axis=1)

    def activate_output(self, logits):
        """Return the output activation of logits, the answers: `(batch, units)`."""
        return ACTIVATIONS[self.output_activation](logits)

    def probabilities(self, logits):
        """`activate_output`, by the name that fits class probabilities."""
        return self.activate_output(logits)

    def sent(self, layer, h):
        """Return what layer `layer` (0 .. M-1) gets for the activations below it in this step."""
        if self.layers_up[layer].transmission != "sample":
            return h
        return bernoulli(h, uniform(h, self.seed, self.step, layer))

    # -- views ------------------------------------------------------------------------------------

    @property
    def classes(self):
        """The number of classes of a network that classifies (softmax); None for another."""
        return self.units if self.output_activation == "softmax" else None

    @property
    def layers_up(self):
        """The layers f_1 .. f_M: the pairs and the output layer."""
        return [*self.pairs, self.output_pair]

    @property
    def forward_variables(self):
        """The trainable variables of f_1 .. f_M, from the input on."""
        return [variable for pair in self.layers_up for variable in pair.forward_variables]

    @property
    def inverse_variables(self):
        """The trainable variables of the inverses, or other feedback weights, of the rule."""
        return [v for layer in self.trained_feedback for v in self.feedback_variables(layer)]

    def feedback_variables(self, layer):
        """The trainable variables among `feedback_weights(layer)`."""
        return [weight for weight in self.feedback_weights(layer) if weight.trainable]

    def feedback_weights(self, layer):
        """All weights of the feedback of layer `layer`: of its inverse, or of what the rule has in
        its place; empty where there is none."""
        pair = self.layers_up[layer]
        if layer in self.feedback:
            return self.feedback[layer].weights
        return pair.inverse_layer.weights if pair.inverse else []

    def classifier(self, dtype="float32", name="classifier"):
        """Return the forward network alone as a Keras functional model of stock layers.

        It gives the same answers (in float32, whatever the pairs' dtype), has its own
        copy of the weights, and loads without `dtp_tf`. Preprocessing is inside.

        Args:
            dtype: of its input; "uint8" for images.
            name: of the model.

        Raises:
            ValueError: a network that is not built.
        """
        return stock_classifier(self, dtype, name)

    def get_build_config(self):
        return {"input_shape": (None, *self.example_shape)} if self.built else None

    def build_from_config(self, config):
        self.build(tuple(config["input_shape"]))

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "pairs": [serialize(pair) for pair in self.pairs],
            "units": self.units,
            "output_activation": self.output_activation,
            "rule": serialize(self.rule),
            "preprocessing": serialize(self.preprocessing),
            "output_initializer": serialize(self.output_initializer),
            "output_transmission": self.output_transmission,
            "seed": self.seed,
            "output_settings": serialize(self.output_settings),
            "layer_names": self.layer_names,
            "input_noise": self.input_noise,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**keras.saving.deserialize_keras_object(config))


def _check_dropout(layers):
    """Raise `SettingError` for dropout below a layer to which 0 is a value like any other."""
    for number, (layer, above) in enumerate(itertools.pairwise(layers), start=1):
        if layer.dropout and above.transmission != "continuous":
            raise SettingError(
                f"`dropout` of layer {number} would change its signs or probabilities, which "
                f"transmission {above.transmission!r} sends on; use \"continuous\", or no dropout."
            )
