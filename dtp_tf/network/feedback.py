"""How the feedback weights of a network learn: an update on a batch, its losses and gradients."""

import itertools

import tensorflow as tf

from dtp_tf.errors import SettingError
from dtp_tf.network.batch import global_batch_size
from dtp_tf.network.optimizers import OwnOptimizers


class FeedbackTrainer(OwnOptimizers):
    """The part of a `LocalTrainer` that updates inverses or other feedback weights."""

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
        # What is known is a sum over all examples, in which none has a weight of its own.
        known = [
            layer for layer in layers if weights is None and self.rule.knows_descent(self, layer)
        ]
        found = {layer: self._known_descent(batch, layer, k) for layer in known}
        found |= self._descents(batch, [one for one in layers if one not in known], k, weights)
        variables = [self.feedback_variables(layer) for layer in layers]
        gradients = [
            _filled(found[layer][0], layer, own)
            for layer, own in zip(layers, variables, strict=True)
        ]
        if isinstance(self.inverse_optimizer, (list, tuple)):
            optimizers = [self.optimizer_of(layer) for layer in layers]
            self._apply(list(zip(optimizers, gradients, variables, strict=True)), after)
        else:
            flat = [list(itertools.chain.from_iterable(many)) for many in (gradients, variables)]
            self._apply([(self.inverse_optimizer, *flat)], after)
        for layer in layers:
            _, loss, count = found[layer]
            metric = self._inverse_losses[self.trained_feedback.index(layer)]
            metric.update_state(loss, sample_weight=count)

    def _descents(self, batch, layers, k, weights):
        """Return `{layer: (gradients, losses, None)}` of some layers' feedback in its update k."""
        if not layers:
            return {}
        with tf.GradientTape() as tape:
            losses = [self._inverse_loss(batch, layer, k) for layer in layers]
            scaled = [
                self.optimizer_of(layer).scale_loss(mean_loss(loss, weights))
                for layer, loss in zip(layers, losses, strict=True)
            ]
            total = tf.add_n(scaled)
        gradients = tape.gradient(total, [self.feedback_variables(layer) for layer in layers])
        return {
            layer: (own, loss, None)
            for layer, own, loss in zip(layers, gradients, losses, strict=True)
        }

    def _known_descent(self, batch, layer, k):
        """Return `(gradients, mean loss, number of examples)` of a layer's feedback, where the rule
        knows them without each example's loss."""
        noises, like = self._noises(layer, k), batch.h[layer]
        share = 1 / (len(noises) * global_batch_size(like))
        scale = self.optimizer_of(layer).scale_loss(share)
        draws = [self.rule.inverse_descent(self, batch, layer, noise, scale) for noise in noises]
        totals, gradients = zip(*draws, strict=True)
        gradients = [None if None in one else tf.add_n(one) for one in zip(*gradients, strict=True)]
        count = tf.cast(tf.shape(like)[0], like.dtype)
        return gradients, tf.math.divide_no_nan(tf.add_n(totals), len(noises) * count), count

    def _inverse_loss(self, batch, layer, k):
        """The loss of a layer's feedback in its update k on a batch: a mean over draws of noise."""
        noises = self._noises(layer, k)
        losses = [self.rule.inverse_loss(self, batch, layer, noise) for noise in noises]
        return losses[0] if len(losses) == 1 else tf.add_n(losses) / len(losses)

    def _noises(self, layer, k):
        """The noise of each draw in update k of a layer's feedback on a batch."""
        samples = self.rule.samples(self.trained_feedback.index(layer))
        return [self.noise(layer, k * samples + draw) for draw in range(samples)]


def mean_loss(losses, weights):
    """Mean over the global batch of one loss per example; Keras sums the replicas' gradients."""
    if weights is not None:
        losses = losses * tf.cast(tf.reshape(weights, (-1,)), losses.dtype)
    return tf.reduce_sum(losses) / global_batch_size(losses)


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
