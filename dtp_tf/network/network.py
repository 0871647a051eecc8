"""`DTPNetwork`: a stack of layer pairs, an output layer and a learning rule."""

import itertools

import keras
import tensorflow as tf

from dtp_tf import activations  # noqa: F401  (registers them with Keras)
from dtp_tf.batch import Batch, global_batch_size
from dtp_tf.errors import SettingError
from dtp_tf.noise import gaussian, orthogonal, uniform
from dtp_tf.pairs import DensePair
from dtp_tf.precision import exact_copy, is_mixed
from dtp_tf.presets import shipped_presets
from dtp_tf.rules import DTP, Rule, TargetRule
from dtp_tf.rules.base import FORWARD, INVERSE, as_list, inner_product, squared_error
from dtp_tf.sampling import bernoulli, first_sampled, sampled_passes, stock_sampling
from dtp_tf.updates import Updates


class _Presets:
    """Reads the table of shipped presets when it is looked at."""

    def __get__(self, instance, owner):
        return shipped_presets()


@keras.saving.register_keras_serializable("dtp_tf")
class DTPNetwork(keras.Model):
    """A classifier whose hidden layers learn from local targets instead of backpropagation.

    With h_0 the preprocessed input, h_i = f_i(h_{i-1}) the activations of the pairs i = 1 .. M-1
    and C the loss of the output layer f_M, the learning rule gives every hidden layer a target t_i,
    and one step descends

        C                        with respect to the output layer only
        mean_B || h_i - t_i ||^2     with respect to f_i only
        the rule's inverse loss      with respect to g_i only

    Losses are per example (summed over a layer's units), then averaged over the batch.

    Args:
        pairs: the hidden layers, from the input on: a list of `dtp_tf.DensePair`.
        classes: number of classes, at least 2.
        rule: a `dtp_tf.rules.Rule`; difference target propagation by default.
        preprocessing: a Keras layer that is applied to the input first and does not learn.
        output_initializer: of the output layer's weights.
        output_transmission: what the top hidden layer sends to the output layer: "continuous", or
            "sample"; see `DensePair`.
        seed: of the noise and the samples; 0 .. 2^31 - 1.
        **kwargs: `name` and the other arguments of `keras.Model`.

    Attributes:
        presets: the shipped presets, {name: its facts in short}; `from_preset` takes the names.

    Call arguments:
        inputs: a batch of examples.

    Input shape:
        What `preprocessing` takes; without it `(batch, features)`.

    Output shape:
        `(batch, classes)`: class probabilities (softmax).

    Raises:
        SettingError: no pairs, `classes` below 2, or a rule that is none.

    Example:

    >>> import keras, numpy as np, dtp_tf
    >>> model = dtp_tf.DTPNetwork([dtp_tf.DensePair(8), dtp_tf.DensePair(8)], classes=3)
    >>> model.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3))
    >>> x, y = np.random.rand(20, 5), np.arange(20) % 3
    >>> history = model.fit(x, y, epochs=1, verbose=0)
    >>> model.predict(x, verbose=0).shape
    (20, 3)
    """

    presets = _Presets()

    def __init__(
        self,
        pairs,
        classes,
        rule=None,
        preprocessing=None,
        output_initializer="orthogonal",
        output_transmission="continuous",
        seed=0,
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
        if isinstance(classes, bool) or not isinstance(classes, int) or classes < 2:
            raise SettingError(f"`classes` must be a whole number of at least 2, got {classes!r}.")
        rule = DTP() if rule is None else rule
        if not isinstance(rule, Rule):
            raise SettingError(
                f"`rule` must be a dtp_tf.rules.Rule such as dtp_tf.rules.DTP(), got {rule!r}."
            )
        self.pairs = pairs
        self.classes = classes
        self.rule = rule
        self.preprocessing = preprocessing
        self.output_initializer = keras.initializers.get(output_initializer)
        self.output_transmission = output_transmission
        self.seed = seed
        # An activation that comes first in g answers to that of f, and the logits have none.
        first = pairs[-1].inverse_first
        self.output_pair = DensePair(
            classes,
            activation="linear",
            inverse_activation="linear" if first else pairs[-1].inverse_activation,
            inverse_first=first,
            kernel_initializer=self.output_initializer,
            inverse_kernel_initializer=pairs[-1].inverse_kernel_initializer,
            transmission=output_transmission,
            dtype=pairs[-1].dtype_policy,
            name="output",
        )
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
        self.inverse_optimizer = None
        self.jit_updates = True  # whether XLA compiles the optimizers' updates, where it can
        self._phase = rule.passes[0]

    def build(self, input_shape):
        if self.built:
            return
        shape = tuple(input_shape)
        self.example_shape = shape[1:]
        if self.preprocessing is not None:
            if not self.preprocessing.built:
                self.preprocessing.build(shape)
            shape = self.preprocessing.compute_output_shape(shape)
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
            self.layers_up[i].inverse_layer.trainable = rule.trains_feedback
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

    def call(self, inputs):
        return self.answer(self.activations(inputs))

    def activations(self, inputs):
        """Return [h_0, .., h_M]: the preprocessed input, the hidden activations, the logits.

        Layers that send samples in training send the probabilities themselves here.
        """
        h = [inputs if self.preprocessing is None else self.preprocessing(inputs)]
        for layer in self.layers_up:
            h.append(layer(h[-1]))
        return h

    def _forward(self, inputs):
        """Return `activations(inputs)`, and the layers' auxiliaries where they have inverses."""
        h, aux = [inputs if self.preprocessing is None else self.preprocessing(inputs)], []
        for i, layer in enumerate(self.layers_up):
            above, of_layer = (layer(h[-1]), None) if i not in self.inverted else layer.tell(h[-1])
            h.append(above)
            aux.append(of_layer)
        return h, aux

    def answer(self, h):
        """Return the class probabilities for activations: a mean over passes if layers sample."""
        first = first_sampled(self.layers_up)
        if first is None:
            return self.probabilities(h[-1])
        logits = sampled_passes(h[first], self.layers_up, first, self.seed)
        return tf.reduce_mean(self.probabilities(logits), axis=1)

    @staticmethod
    def probabilities(logits):
        """Return softmax(logits), the answer."""
        return keras.activations.softmax(logits)

    # -- training ---------------------------------------------------------------------------------

    def compile(
        self,
        optimizer="adam",
        inverse_optimizer="adam",
        loss="sparse_categorical_crossentropy",
        metrics=("accuracy",),
        jit_compile=False,
        **kwargs,
    ):
        """Configure training.

        Args:
            optimizer: of the forward layers: a Keras optimizer or its name.
            inverse_optimizer: of the inverses or other feedback weights; one of its own, or a list
                with one for each trained feedback layer, from the input on.
            loss: C, of the class probabilities.
            metrics: as in `keras.Model.compile`.
            jit_compile: whether XLA compiles the whole step. By default it compiles the optimizer
                updates only: on a CPU its matrix products are slower than TensorFlow's.
            **kwargs: the other arguments of `keras.Model.compile`.

        Raises:
            SettingError: one optimizer object used twice, a list that has not one for each trained
                feedback layer, or a loss that is no mean over the batch: the targets move along
                the gradient of each example's own loss.
        """
        many = isinstance(inverse_optimizer, (list, tuple))
        if many:
            inverse_optimizer = [keras.optimizers.get(one) for one in inverse_optimizer]
        else:
            inverse_optimizer = keras.optimizers.get(inverse_optimizer)
        every = [optimizer, *as_list(inverse_optimizer)]
        if len({id(one) for one in every if not isinstance(one, str)}) < len(
            [one for one in every if not isinstance(one, str)]
        ):
            raise SettingError(
                "`optimizer` and `inverse_optimizer` must be different objects, got one twice."
            )
        if getattr(loss, "reduction", "mean") in ("sum", "none", None):
            raise SettingError(
                f"`loss` must be a mean over the batch, got reduction {loss.reduction!r}; use "
                'reduction="sum_over_batch_size".'
            )
        super().compile(
            optimizer=optimizer,
            loss=loss,
            metrics=None if metrics is None else list(metrics),
            jit_compile=jit_compile,
            **kwargs,
        )
        self.inverse_optimizer = inverse_optimizer
        self._updates = Updates()
        self._build_optimizers()

    def build_metrics(self, x, y):
        """Make the variables of the metrics, in the scope of a `tf.distribute` strategy.

        Keras makes them when they are first used; in a step on several replicas it is too late.

        Args:
            x, y: a batch, of which only shapes and types count.
        """
        self._symbolic_build(data_batch=(x, y))

    def get_compile_config(self):
        if not self.compiled:
            return {}
        return {
            **super().get_compile_config(),
            "inverse_optimizer": keras.saving.serialize_keras_object(self.inverse_optimizer),
        }

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))

    def train_step(self, data):
        """One update on a batch: activations, targets, local losses, gradients, updates.

        Args:
            data: `(x, y)` or `(x, y, sample_weight)`.

        Returns:
            The metrics so far in this epoch, by name.
        """
        x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
        if not self.built:
            self(x)
        rule = self.rule
        batch = Batch(self, x, y, weights)
        if INVERSE in self._phase and rule.schedule == "inverse-first":
            for k in range(max(as_list(rule.inverse_steps))):
                self._update_feedback(batch, weights, k)
        gradients = []
        if FORWARD in self._phase:
            gradients, local_losses = self.forward_gradients(batch, weights)
        if INVERSE in self._phase and rule.schedule != "inverse-first":
            self._update_feedback(batch, weights, 0, after=gradients)
        if FORWARD in self._phase:
            self._apply([(self.optimizer, gradients, self.forward_variables)])
        self.step.assign_add(1)

        self._track_scores(x, y, batch.scores, batch.loss, weights)
        metrics = self._score_metrics()
        if FORWARD in self._phase:
            if self._local_losses:
                for metric, loss in zip(self._local_losses, local_losses, strict=True):
                    metric.update_state(loss)
            metrics += self._local_losses
        if INVERSE in self._phase:
            metrics += self._inverse_losses
        return _results(metrics)

    def forward_gradients(self, batch, weights=None, rule=None):
        """Return what a rule descends, for each of `forward_variables`, and its local losses.

        Each layer's input is held constant, so a local loss moves its own layer's weights only.
        `rule` is the network's own by default.
        """
        rule = rule or self.rule
        taught = [tf.stop_gradient(one) for one in rule.teach(self, batch)]
        with batch.tape:
            losses = rule.local_losses(self, batch, taught)
            total = tf.add_n([batch.loss, *(_mean(loss, weights) for loss in losses)])
        return batch.tape.gradient(total, self.forward_variables), losses

    def test_step(self, data):
        x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
        h, aux = self._forward(x)
        scores = self.answer(h)
        self._track_scores(x, y, scores, self.compute_loss(x, y, scores, weights), weights)
        for i, metric in zip(self.inverted, self._reconstruction_errors, strict=True):
            metric.update_state(self.reconstruction_error(i, h, aux[i]))
        return _results([*self._score_metrics(), *self._reconstruction_errors])

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        *args,
        **kwargs,
    ):
        """As `keras.Model.fit`. With the alternating schedule, whose epoch has two passes over the
        data, a Keras epoch is one pass: the first updates the inverses, the second the forward
        layers, and so on."""
        if not self.built and hasattr(x, "shape"):
            # Under a `tf.distribute` strategy Keras would build the optimizers for all weights.
            self.build((None, *x.shape[1:]))
        if len(self.rule.passes) > 1:
            given = callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]
            callbacks = [_Alternation(), *(one for one in given if one is not None)]
        return super().fit(x, y, batch_size, epochs, verbose, callbacks, *args, **kwargs)

    def set_phase(self, phase):
        """Choose what `train_step` updates: one of `rule.passes`. A step traced before keeps its
        phase."""
        self._phase = phase

    # -- the parts of a step ----------------------------------------------------------------------

    def reconstruction_error(self, layer, h, aux=None):
        """|| g(f(h)) - h ||^2 / || h ||^2 of each example, for the inverse of layer `layer`, whose
        auxiliary is `aux`."""
        above = h[layer + 1]
        if layer == len(self.pairs) and self.rule.inverts_probabilities:
            above = self.probabilities(above)
        error = squared_error(self.layers_up[layer](above, reverse=True, aux=aux), h[layer])
        return error / (inner_product(h[layer], h[layer]) + 1e-12)

    def _update_feedback(self, batch, weights, k, after=()):
        """One update of the feedback with fresh noise; `k` counts the updates on this batch.

        It waits for the tensors `after`, which were computed with the feedback as it was.
        """
        layers = [
            layer
            for position, layer in enumerate(self.trained_feedback)
            if k < self.rule.steps(position)
        ]
        if not layers:
            return
        with tf.GradientTape() as tape:
            losses = [
                self.rule.inverse_loss(self, batch, layer, self.noise(layer, k))
                for layer in layers
            ]
            total = tf.add_n([_mean(loss, weights) for loss in losses])
        variables = [self.feedback_variables(layer) for layer in layers]
        gradients = [
            _filled(one, layer, own)
            for one, layer, own in zip(
                tape.gradient(total, variables), layers, variables, strict=True
            )
        ]
        if isinstance(self.inverse_optimizer, (list, tuple)):
            positions = [self.trained_feedback.index(layer) for layer in layers]
            optimizers = [self.inverse_optimizer[position] for position in positions]
            self._apply(list(zip(optimizers, gradients, variables, strict=True)), after)
        else:
            flat = [list(itertools.chain.from_iterable(many)) for many in (gradients, variables)]
            self._apply([(self.inverse_optimizer, *flat)], after)
        for layer, loss in zip(layers, losses, strict=True):
            self._inverse_losses[self.trained_feedback.index(layer)].update_state(loss)

    def sent(self, layer, h):
        """Return what layer `layer` (0 .. M-1) gets for the activations below it in this step."""
        if self.layers_up[layer].transmission != "sample":
            return h
        return bernoulli(h, uniform(h, self.seed, self.step, layer))

    def noise(self, layer, k):
        """Return a function of a tensor that gives standard normal numbers of its shape, or what
        the rule takes in their place.

        They depend on the seed, the training step, the layer, k, and on how often it was called.
        """
        draws, position = itertools.count(), self.trained_feedback.index(layer)

        def noise(like):
            key = (layer, k, next(draws))
            if self.rule.directions(position) == "orthogonal":
                return orthogonal(like, self.seed, self.step, self.rule.steps(position), *key)
            return gaussian(like, self.seed, self.step, *key)

        return noise

    def _apply(self, updates, after=()):
        compiled = self.jit_updates and not self.run_eagerly
        self._updates.apply(updates, after, compiled)

    def _build_optimizers(self):
        if not (self.compiled and self.built):
            return
        self.optimizer.build(self.forward_variables)
        if not isinstance(self.inverse_optimizer, (list, tuple)):
            steps = {self.rule.steps(i) for i in range(len(self.trained_feedback))}
            if len(steps) > 1:
                raise SettingError(
                    "`inverse_steps` differ from layer to layer, so each needs an optimizer of its "
                    "own: give `inverse_optimizer` as a list, one for each trained feedback layer."
                )
            self.inverse_optimizer.build(self.inverse_variables)
            return
        if len(self.inverse_optimizer) != len(self.trained_feedback):
            raise SettingError(
                f"`inverse_optimizer` has {len(self.inverse_optimizer)} optimizers, but "
                f"{type(self.rule).__name__} trains the feedback of {len(self.trained_feedback)} "
                "layers; give one for all, or one for each."
            )
        for optimizer, layer in zip(self.inverse_optimizer, self.trained_feedback, strict=True):
            optimizer.build(self.feedback_variables(layer))

    def _track_scores(self, x, y, scores, loss, weights):
        self.compute_metrics(x, y, scores, sample_weight=weights)
        replicas, count = tf.distribute.get_strategy().num_replicas_in_sync, tf.shape(scores)[0]
        # A replica may have no example of the last batch. The mean over none is not a number, or to
        # Keras, where it knows the size, an empty tensor.
        loss = tf.reduce_sum(tf.where(count > 0, loss * replicas, 0.0))
        self._score_metrics()[0].update_state(loss, sample_weight=count)

    def _score_metrics(self):
        """The loss and the metrics given to `compile`."""
        own = {
            id(metric)
            for metrics in (
                self._local_losses,
                self._inverse_losses,
                self._reconstruction_errors,
            )
            for metric in metrics
        }
        return [metric for metric in self.metrics if id(metric) not in own]

    # -- presets ----------------------------------------------------------------------------------

    @classmethod
    def from_preset(cls, name_or_folder, load_weights=True):
        """Return a network with published weights.

        It is compiled with the optimizers of its recipe, which have not begun: `fit` goes on from
        its weights, and `compile` may come before.

        Args:
            name_or_folder: one of `DTPNetwork.presets`, or the folder of a preset.
            load_weights: whether to load its weights; otherwise the same network with weights
                drawn afresh.

        Raises:
            UserError: there is no such preset, or it is damaged, foreign or of a newer version.

        Example:

        >>> import dtp_tf
        >>> network = dtp_tf.DTPNetwork.from_preset("digits_mlp_dtp")
        >>> network.example_shape
        (8, 8, 1)
        """
        from dtp_tf.preset_models import load_preset  # it knows this class

        return load_preset(name_or_folder, load_weights).model

    # -- views ------------------------------------------------------------------------------------

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

        It gives the same class probabilities (in float32, whatever the pairs' dtype), has its own
        copy of the weights, and loads without `dtp_tf`. Preprocessing is inside.

        Args:
            dtype: of its input; "uint8" for images.
            name: of the model.

        Raises:
            ValueError: a network that is not built.
        """
        if not self.built:
            raise ValueError("build the network first: call it, or `fit` it, on some data.")
        layers = [] if self.preprocessing is None else self._preprocessing_layers()
        first = first_sampled(self.layers_up)
        for i, pair in enumerate(self.layers_up):
            if pair.transmission == "sample":
                units = pair.forward_layer.kernel.shape[0]
                layers += stock_sampling(units, i, self.seed, repeat=i == first)
            layers += pair.stock_layers()
        layers.append(keras.layers.Softmax(name="probabilities"))
        if first is not None:
            layers.append(keras.layers.GlobalAveragePooling1D(name="mean_over_passes"))
        inputs = outputs = keras.Input(self.example_shape, dtype=dtype, name="inputs")
        for layer in layers:
            outputs = layer(outputs)
        shared = keras.Model(inputs, outputs, name=name)
        copy = keras.models.clone_model(shared, clone_function=exact_copy)
        copy.set_weights(shared.get_weights())
        return copy

    def _preprocessing_layers(self):
        if isinstance(self.preprocessing, keras.Sequential):
            return list(self.preprocessing.layers)
        return [self.preprocessing]

    def get_build_config(self):
        return {"input_shape": (None, *self.example_shape)} if self.built else None

    def build_from_config(self, config):
        self.build(tuple(config["input_shape"]))

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "pairs": [serialize(pair) for pair in self.pairs],
            "classes": self.classes,
            "rule": serialize(self.rule),
            "preprocessing": serialize(self.preprocessing),
            "output_initializer": serialize(self.output_initializer),
            "output_transmission": self.output_transmission,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**keras.saving.deserialize_keras_object(config))


class _Alternation(keras.callbacks.Callback):
    """Gives each Keras epoch its pass of the rule's schedule."""

    def __init__(self):
        super().__init__()
        self._functions = {}

    def on_epoch_begin(self, epoch, logs=None):
        passes = self.model.rule.passes
        phase = passes[epoch % len(passes)]
        self.model.set_phase(phase)
        if phase not in self._functions:
            self.model.make_train_function(force=True)
            self._functions[phase] = self.model.train_function
        self.model.train_function = self._functions[phase]


def _filled(gradients, layer, variables):
    """Return the gradients of a layer's feedback with 0 for a weight that its loss leaves out.

    A bias cancels in differences of g.
    """
    if variables and all(gradient is None for gradient in gradients):
        raise SettingError(
            f"the inverse loss of layer {layer + 1} does not depend on the layer's feedback "
            "weights, so they cannot learn; compute it with the layer's inverse."
        )
    return [
        tf.zeros_like(variable) if gradient is None else gradient
        for gradient, variable in zip(gradients, variables, strict=True)
    ]


def _mean(losses, weights):
    """Mean over the global batch of one loss per example; Keras sums the replicas' gradients."""
    if weights is not None:
        losses = losses * tf.cast(tf.reshape(weights, (-1,)), losses.dtype)
    return tf.reduce_sum(losses) / global_batch_size(losses)


def _results(metrics):
    results = {}
    for metric in metrics:
        result = metric.result()
        results.update(result if isinstance(result, dict) else {metric.name: result})
    return results
