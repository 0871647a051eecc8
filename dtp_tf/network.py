"""`DTPNetwork`: a stack of layer pairs, an output layer and a learning rule."""

import keras
import tensorflow as tf

from dtp_tf.errors import SettingError
from dtp_tf.pairs import DensePair  # noqa: F401  (registers it with Keras)
from dtp_tf.rules import DTP, Rule
from dtp_tf.rules.base import FORWARD, INVERSE
from dtp_tf.rules.dtp import squared_error


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
        seed: of the noise; 0 .. 2^31 - 1.
        **kwargs: `name` and the other arguments of `keras.Model`.

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

    def __init__(
        self,
        pairs,
        classes,
        rule=None,
        preprocessing=None,
        output_initializer="orthogonal",
        seed=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
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
        self.seed = seed
        self.output_layer = keras.layers.Dense(
            classes, "softmax", kernel_initializer=self.output_initializer, name="output"
        )
        self._inverted = [i for i in range(len(pairs)) if rule.uses_inverse(i, len(pairs))]
        for i, pair in enumerate(pairs):
            if i not in self._inverted and not pair.built:
                pair.inverse = False
            elif i in self._inverted and not pair.inverse:
                raise SettingError(
                    f"pair {i + 1} has no inverse (`inverse=False`), but {type(rule).__name__} "
                    "needs it; leave the argument out."
                )
        self.inverse_optimizer = None
        self._phase = rule.passes[0]
        self._local_losses = [
            keras.metrics.Mean(name=f"local_loss_{i + 1}") for i in range(len(pairs))
        ]
        self._inverse_losses = {
            str(i): keras.metrics.Mean(name=f"inverse_loss_{i + 1}") for i in self._inverted
        }
        self._reconstruction_errors = {
            str(i): keras.metrics.Mean(name=f"reconstruction_error_{i + 1}") for i in self._inverted
        }

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
        if not self.output_layer.built:
            self.output_layer.build(shape)
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

    def call(self, inputs):
        return self.output_layer(self._activations(inputs)[-1])

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
            inverse_optimizer: of the inverses; one of its own.
            loss: C, of the class probabilities.
            metrics: as in `keras.Model.compile`.
            jit_compile: whether XLA compiles the whole step. By default it compiles the optimizer
                updates only: on a CPU its matrix products are slower than TensorFlow's.
            **kwargs: the other arguments of `keras.Model.compile`.

        Raises:
            SettingError: one optimizer object for both paths, or a loss that is no mean over the
                batch: the targets move along the gradient of each example's own loss.
        """
        inverse_optimizer = keras.optimizers.get(inverse_optimizer)
        if inverse_optimizer is optimizer:
            raise SettingError(
                "`optimizer` and `inverse_optimizer` must be two objects, got one for both."
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
        self._apply_functions = {}
        self._build_optimizers()

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
        with tf.GradientTape(persistent=True) as tape:
            h = self._activations(x)
            top = tf.stop_gradient(h[-1])
            tape.watch(top)
            scores = self.output_layer(top)
            output_loss = self.compute_loss(x, y, scores, weights)
            mean_loss = output_loss if weights is None else self.compute_loss(x, y, scores)
        held = [tf.stop_gradient(activation) for activation in h]

        if INVERSE in self._phase and rule.schedule == "inverse-first":
            for k in range(rule.inverse_steps):
                self._update_inverses(held, weights, k)
        if FORWARD in self._phase:
            # `mean_loss` is a mean over the global batch; the target moves along the gradient of
            # each example's own loss.
            top_gradient = tape.gradient(mean_loss, top) * _global_batch_size(top)
            targets = rule.targets(self, held, top_gradient)
            with tape:
                local_losses = [squared_error(a, t) for a, t in zip(h[1:], targets, strict=True)]
                total = tf.add_n([output_loss, *(_mean(loss, weights) for loss in local_losses)])
            # The stop_gradients leave each loss its own layer's weights and no others.
            gradients = tape.gradient(total, self.forward_variables)
            for metric, loss in zip(self._local_losses, local_losses, strict=True):
                metric.update_state(loss)
        if INVERSE in self._phase and rule.schedule != "inverse-first":
            self._update_inverses(held, weights, 0)
        if FORWARD in self._phase:
            self._apply(self.optimizer, gradients, self.forward_variables)
        self.step.assign_add(1)

        self._track_scores(x, y, scores, output_loss, weights)
        metrics = self._score_metrics()
        if FORWARD in self._phase:
            metrics += self._local_losses
        if INVERSE in self._phase:
            metrics += self._inverse_losses.values()
        return _results(metrics)

    def test_step(self, data):
        x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
        h = self._activations(x)
        scores = self.output_layer(h[-1])
        self._track_scores(x, y, scores, self.compute_loss(x, y, scores, weights), weights)
        for i, metric in self._reconstruction_errors.items():
            below, above = h[int(i)], h[int(i) + 1]
            error = squared_error(self.pairs[int(i)](above, reverse=True), below)
            metric.update_state(error / (tf.reduce_sum(tf.square(below), axis=-1) + 1e-12))
        metrics = [*self._score_metrics(), *self._reconstruction_errors.values()]
        return _results(metrics)

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

    def _activations(self, x):
        """Return [h_0, .., h_{M-1}]; each layer's input is held constant."""
        h = [x if self.preprocessing is None else self.preprocessing(x)]
        for pair in self.pairs:
            h.append(pair(tf.stop_gradient(h[-1])))
        return h

    def _update_inverses(self, held, weights, k):
        """One update of the inverses with fresh noise; `k` counts the updates on this batch."""
        if not self.inverse_variables:
            return

        def noise(layer, like):
            return tf.cast(_normal(tf.shape(like), self.seed, self.step, layer, k), like.dtype)

        with tf.GradientTape() as tape:
            losses = self.rule.inverse_losses(self, held, noise)
            total = tf.add_n([_mean(loss, weights) for loss in losses.values()])
        gradients = tape.gradient(total, self.inverse_variables)
        self._apply(self.inverse_optimizer, gradients, self.inverse_variables)
        for layer, loss in losses.items():
            self._inverse_losses[str(layer)].update_state(loss)

    def _apply(self, optimizer, gradients, variables):
        """Apply an optimizer's update, compiled by XLA where that is possible.

        An update is dozens of element-wise operations a weight; fused, they pass over memory once.
        """
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        if self.run_eagerly or replicas > 1:
            optimizer.apply(gradients, variables)
            return
        key = id(optimizer)
        if key not in self._apply_functions:
            self._apply_functions[key] = tf.function(
                lambda gradients: optimizer.apply(gradients, variables), jit_compile=True
            )
        self._apply_functions[key](gradients)

    def _build_optimizers(self):
        if self.compiled and self.built:
            self.optimizer.build(self.forward_variables)
            self.inverse_optimizer.build(self.inverse_variables)

    def _track_scores(self, x, y, scores, loss, weights):
        self.compute_metrics(x, y, scores, sample_weight=weights)
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        self._score_metrics()[0].update_state(
            loss * replicas, sample_weight=tf.shape(scores)[0]
        )

    def _score_metrics(self):
        """The loss and the metrics given to `compile`."""
        own = {
            id(metric)
            for metrics in (
                self._local_losses,
                self._inverse_losses.values(),
                self._reconstruction_errors.values(),
            )
            for metric in metrics
        }
        return [metric for metric in self.metrics if id(metric) not in own]

    # -- views ------------------------------------------------------------------------------------

    @property
    def forward_variables(self):
        """The trainable variables of f_1 .. f_M, from the input on."""
        variables = [variable for pair in self.pairs for variable in pair.forward_variables]
        return variables + self.output_layer.trainable_variables

    @property
    def inverse_variables(self):
        """The trainable variables of the inverses that the rule uses."""
        return [v for i in self._inverted for v in self.pairs[i].inverse_variables]

    def classifier(self, dtype="float32", name="classifier"):
        """Return the forward network alone as a Keras functional model of stock layers.

        It gives the same class probabilities, has its own copy of the weights, and loads without
        `dtp_tf`. Preprocessing is inside.

        Args:
            dtype: of its input; "uint8" for images.
            name: of the model.

        Raises:
            ValueError: a network that is not built.
        """
        if not self.built:
            raise ValueError("build the network first: call it, or `fit` it, on some data.")
        layers = [] if self.preprocessing is None else self._preprocessing_layers()
        layers += [layer for pair in self.pairs for layer in pair.stock_layers()]
        inputs = outputs = keras.Input(self.example_shape, dtype=dtype, name="inputs")
        for layer in [*layers, self.output_layer]:
            outputs = layer(outputs)
        shared = keras.Model(inputs, outputs, name=name)
        copy = keras.models.clone_model(shared)
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


def _mean(losses, weights):
    """Mean over the global batch of one loss per example; Keras sums the replicas' gradients."""
    if weights is not None:
        losses = losses * tf.cast(tf.reshape(weights, (-1,)), losses.dtype)
    return tf.reduce_sum(losses) / _global_batch_size(losses)


def _global_batch_size(tensor):
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return tf.cast(tf.shape(tensor)[0] * replicas, tensor.dtype)


def _normal(shape, seed, step, *key):
    """Standard normal numbers that depend on nothing but the seed, the step and the key."""
    state = tf.stack([tf.cast(seed, tf.int64), tf.convert_to_tensor(step)])
    if tf.distribute.get_strategy().num_replicas_in_sync > 1:  # each has examples of its own
        key = (*key, tf.distribute.get_replica_context().replica_id_in_sync_group)
    for number in key:
        state = tf.random.experimental.stateless_fold_in(state, number)
    return tf.random.stateless_normal(shape, state)


def _results(metrics):
    results = {}
    for metric in metrics:
        result = metric.result()
        results.update(result if isinstance(result, dict) else {metric.name: result})
    return results
