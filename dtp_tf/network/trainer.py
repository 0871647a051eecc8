"""How a network of pairs learns: one step, its losses and updates, and Keras's loop around it."""

import itertools

import keras
import tensorflow as tf

from dtp_tf.network.batch import Batch, global_batch_size
from dtp_tf.network.callbacks import accompanied
from dtp_tf.network.feedback import FeedbackTrainer, mean_loss
from dtp_tf.network.inputs import check_fixed
from dtp_tf.network.loss_checks import (
    check_fits,
    check_has_lowest,
    check_labels,
    check_mean,
    one_loss,
)
from dtp_tf.network.optimizers import exclude_from_weight_decay, find_optimizers
from dtp_tf.network.outputs import LOSSES, default_metrics
from dtp_tf.network.updates import finalized
from dtp_tf.numerics.noise import gaussian, orthogonal, rademacher
from dtp_tf.numerics.precision import check_one_type
from dtp_tf.rules.base import FORWARD, INVERSE, as_list, inner_product, squared_error


class LocalTrainer(FeedbackTrainer):
    """Trains a `DTPNetwork` by the local losses of its rule, in place of Keras's `train_step`.

    It stands before `keras.Model` among the classes that a network extends and says what `compile`,
    `fit`, `train_step` and `test_step` do; what is trained, the network says. It is a class of its
    own so that structure and learning can be read apart, and of no use alone.
    """

    def compile(
        self,
        optimizer="adam",
        inverse_optimizer="adam",
        loss=None,
        metrics="default",
        weighted_metrics=None,
        jit_compile=False,
        **kwargs,
    ):
        """Configure training.

        Args:
            optimizer: of the forward layers: a Keras optimizer or its name, or a list with one for
                each layer, from the input on, the output layer last.
            inverse_optimizer: of the inverses or other feedback weights; one of its own, or a list
                with one for each trained feedback layer, from the input on.
            loss: C, of the answers: any loss of Keras's or of your own that is a mean over the
                batch. By default sparse categorical cross-entropy with softmax, binary
                cross-entropy with sigmoid, and squared error with linear output.
            metrics: as in `keras.Model.compile`, or one by itself; by default accuracy, each
                unit's with sigmoid, and the mean absolute error of a linear output.
            weighted_metrics: as in `keras.Model.compile`, or one by itself.
            jit_compile: whether XLA compiles the whole step. By default it compiles the optimizer
                updates only: on a CPU its matrix products are slower than TensorFlow's.
            **kwargs: the other arguments of `keras.Model.compile`.

        Raises:
            SettingError: one optimizer object used twice, a list that has not one for each layer,
                or each trained feedback layer, a loss that is no mean over the batch (the targets
                move along the gradient of each example's own loss), that does not fit the output,
                or of which the rule needs to know more than is known.
        """
        optimizer, inverse_optimizer = find_optimizers(optimizer, inverse_optimizer)
        output = self.output_activation, self.units
        loss = one_loss(LOSSES[self.output_activation] if loss is None else loss)
        check_fits(loss, *output)
        if self.rule.uses_labels:
            check_has_lowest(loss, *output, self.rule)
        if isinstance(metrics, str) and metrics == "default":
            metrics = default_metrics(loss, *output)
        super().compile(
            optimizer=optimizer,
            loss=loss,
            metrics=_listed(metrics),
            weighted_metrics=_listed(weighted_metrics),
            jit_compile=jit_compile,
            **kwargs,
        )
        self._take_optimizers(inverse_optimizer)

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
        exclusions = self._decay_exclusions()
        return {
            **super().get_compile_config(),
            "inverse_optimizer": keras.saving.serialize_keras_object(self.inverse_optimizer),
            **({"decay_exclusions": exclusions} if any(exclusions) else {}),
        }

    def compile_from_config(self, config):
        config = keras.saving.deserialize_keras_object(config)
        exclusions = config.pop("decay_exclusions", None)
        if exclusions is not None:
            optimizers = [config["optimizer"], *as_list(config["inverse_optimizer"])]
            exclude_from_weight_decay(optimizers, exclusions)
        self.compile(**config)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """As `keras.Model.compute_loss`, for labels of the shape that the loss takes."""
        if self.compiled:
            check_labels(self.loss, y, y_pred, self.output_activation)
            check_mean(self.loss, y, y_pred, sample_weight is not None)
        return super().compute_loss(x, y, y_pred, sample_weight, training)

    def train_step(self, data):
        """One update on a batch: activations, targets, local losses, gradients, updates.

        Args:
            data: `(x, y)` or `(x, y, sample_weight)`.

        Returns:
            The metrics so far in this epoch, by name.
        """
        x, y, weights = self._unpacked(data)
        check_fixed(self.preprocessing)
        check_one_type(self.trainable_variables)
        rule = self.rule
        batch = Batch(self, x, y, weights)
        if INVERSE in self._phase and rule.schedule == "inverse-first":
            for k in range(max(as_list(rule.inverse_steps))):
                self._update_feedback(batch, weights, k)
        gradients = []
        if FORWARD in self._phase:
            scaled = self.optimizer.scale_loss
            gradients, local_losses = self.forward_gradients(batch, weights, scaled=scaled)
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

    def forward_gradients(self, batch, weights=None, rule=None, scaled=None):
        """Return what a rule descends, for each of `forward_variables`, and its local losses.

        Each layer's input is held constant, so a local loss moves its own layer's weights only.
        `rule` is the network's own by default; `scaled` is applied to what is descended.
        """
        rule = rule or self.rule
        scaled = scaled or (lambda value: value)
        said = rule.teach(self, batch)
        taught = [tf.stop_gradient(one) for one in said]
        weights = None if rule.teaches_weighted else weights
        # What is known is a sum over all examples, in which none has a weight of its own.
        known = rule.descents(batch, said) if weights is None else {}
        with batch.tape:
            losses = rule.local_losses(self, batch, taught)
            means = [mean_loss(one, weights) for i, one in enumerate(losses) if i not in known]
            total = scaled(tf.add_n([batch.loss, *means]))
        gradients = []
        variables = [pair.forward_variables for pair in self.layers_up]
        for i, of_total in enumerate(batch.tape.gradient(total, variables)):
            shares = [
                scaled(one / global_batch_size(batch.h[-1], one.dtype)) for one in known.get(i, ())
            ]
            gradients += _added(of_total, shares) if shares else of_total
        return gradients, losses

    def test_step(self, data):
        x, y, weights = self._unpacked(data)
        h, aux = self._forward(x)
        scores = self.answer(h)
        loss = self.compute_loss(x, y, scores, weights, training=False)
        self._track_scores(x, y, scores, loss, weights)
        for i, metric in zip(self.inverted, self._reconstruction_errors, strict=True):
            metric.update_state(self.reconstruction_error(i, h, aux[i]))
        return _results([*self._score_metrics(), *self._reconstruction_errors])

    def _unpacked(self, data):
        """Return examples, labels and weights of a batch, by which the network is built if it is
        not yet."""
        x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
        if not self.built:
            self(x)
        return x, y, weights

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
        layers, and so on.

        What a callback does to `optimizer`'s learning rate, the inverse optimizers' follow in
        proportion, but for those that have a schedule of their own; its logs have theirs as
        `inverse_learning_rate`. `SwapEMAWeights` and the end of training put the averages of every
        optimizer with `use_ema` in the place of its own weights.
        """
        if not self.built and hasattr(x, "shape"):  # some callbacks need to find weights
            self.build((None, *x.shape[1:]))
        self._assert_compile_called("fit")
        callbacks = accompanied(self, callbacks, alternating=len(self.rule.passes) > 1)
        with finalized(self.optimizer, lambda: [optimizer for optimizer, _ in self.optimized()]):
            return super().fit(x, y, batch_size, epochs, verbose, callbacks, *args, **kwargs)

    def evaluate(
        self,
        x=None,
        y=None,
        batch_size=None,
        verbose="auto",
        sample_weight=None,
        steps=None,
        callbacks=None,
        **kwargs,
    ):
        """As `keras.Model.evaluate`; `SwapEMAWeights` acts on the inverses' weights, too."""
        if self.compiled and callbacks is not None:
            callbacks = accompanied(self, callbacks)
        return super().evaluate(
            x, y, batch_size, verbose, sample_weight, steps, callbacks, **kwargs
        )

    def set_phase(self, phase):
        """Choose what `train_step` updates: one of `rule.passes`. A step traced before keeps its
        phase."""
        self._phase = phase

    # -- the parts of a step ----------------------------------------------------------------------

    def reconstruction_error(self, layer, h, aux=None):
        """|| g(f(h)) - h ||^2 / || h ||^2 of each example, for the inverse of layer `layer`, whose
        auxiliary is `aux`."""
        error = squared_error(self._given_back(layer, h, aux), h[layer])
        return error / (inner_product(h[layer], h[layer]) + 1e-12)

    def _given_back(self, layer, h, aux=None):
        """g(f(h)) of layer `layer`."""
        above = h[layer + 1]
        if layer == len(self.pairs) and self.rule.inverts_probabilities:
            above = self.activate_output(above)
        return self.layers_up[layer](above, reverse=True, aux=aux)

    def noise(self, layer, k):
        """Return a function of a tensor that gives standard normal numbers of its shape, or what
        the rule takes in their place.

        They depend on the seed, the training step, the layer, the number k of the draw among those
        of all updates on a batch, and on how often the function was called.
        """
        draws, position = itertools.count(), self.trained_feedback.index(layer)

        def noise(like):
            key = (layer, k, next(draws))
            directions = self.rule.directions(position)
            if directions == "orthogonal":
                frames = self.rule.steps(position) * self.rule.samples(position)
                anew = self.rule.draws_frames_anew
                return orthogonal(like, self.seed, self.step, frames, *key, anew=anew)
            draw = rademacher if directions == "rademacher" else gaussian
            return draw(like, self.seed, self.step, *key)

        return noise

    def _track_scores(self, x, y, scores, loss, weights):
        self.compute_metrics(x, y, scores, sample_weight=weights)
        replicas, count = tf.distribute.get_strategy().num_replicas_in_sync, tf.shape(scores)[0]
        # A replica may have no example of the last batch. The mean over none is not a number, or to
        # Keras, where it knows the size, an empty tensor.
        loss = tf.reduce_sum(tf.where(count > 0, loss * replicas, 0.0))
        self._score_metrics()[0].update_state(loss, sample_weight=count)

    def _score_metrics(self):
        """The loss and the metrics given to `compile`."""
        own = [*self._local_losses, *self._inverse_losses, *self._reconstruction_errors]
        own = {id(metric) for metric in own}
        return [metric for metric in self.metrics if id(metric) not in own]

    @property
    def local_names(self):
        """The names of the hidden layers' losses in the logs of training."""
        return [metric.name for metric in (*self._local_losses, *self._inverse_losses)]


def _added(gradients, others):
    """Return sums; None is 0."""
    return [
        b if a is None else tf.convert_to_tensor(a) + b
        for a, b in zip(gradients, others, strict=True)
    ]


def _listed(metrics):
    """Return metrics as Keras takes them, which one by itself is not."""
    if isinstance(metrics, tuple):
        return list(metrics)
    return metrics if metrics is None or isinstance(metrics, (list, dict)) else [metrics]


def _results(metrics):
    results = {}
    for metric in metrics:
        result = metric.result()
        results.update(result if isinstance(result, dict) else {metric.name: result})
    return results
