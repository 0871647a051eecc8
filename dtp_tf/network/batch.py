"""One batch as a learning rule sees it."""

import tensorflow as tf

from dtp_tf.network.loss_checks import check_has_lowest
from dtp_tf.network.losses import lowest_answers
from dtp_tf.numerics.noise import kept
from dtp_tf.numerics.precision import is_mixed

FEW_OUTPUTS = 16  # with more, a small batch has hardly more examples than outputs


class Batch:
    """What a learning rule sees of a batch: activations and the loss at the output.

    All but `outputs` is held constant, so that no loss can move another layer's weights. What a
    layer drops in this step (`LayerPair.dropout`) is 0 in its activations and outputs, and in all
    that is asked of it at other points by `f`. Its inverse knows the whole layer, from which it
    learns, and gets points that are `undropped`.

    Args:
        network: a built `DTPNetwork`.
        x, y, weights: examples, labels, and the examples' weights or None.
        update: whether this is a step of training: running statistics in the layers take the batch
            in, the preprocessing is what it is in training, and the input has its noise.

    Attributes:
        h: [h_0, .., h_M]: the preprocessed input, the hidden activations, the logits; each
            `(batch, units)`, or `(batch, height, width, channels)`.
        aux: [a_1, .., a_M]: what each layer's inverse needs to know of the forward pass beside
            `h`, None where that is nothing; see `dtp_tf.pairs.LayerPair`.
        outputs: [h_1, .., h_M], each as a function of its own layer's weights.
        labels: the answers that make each example's own loss smallest, `(batch, units)`: one-hot
            labels, smoothed where the loss smooths them; the vectors of labels; y itself.
        answers: what the network answers, `(batch, units)`: with softmax, class probabilities.
        tape: has recorded all of this, and goes on with `with batch.tape:`.
        scores, loss: the answers and C (a mean over the global batch), as functions of the output
            layer's weights.
    """

    def __init__(self, network, x, y, weights=None, update=True):
        self._network, self._y, self._inputs, self._pre_activations = network, y, [], []
        self._layers, self._kept, self.aux, self.outputs = network.layers_up, [], [], []
        self._whole = []
        self._descents = {}
        self.tape = tf.GradientTape(persistent=True)
        with self.tape:
            h = network.preprocessed(x, training=update)
            h = network.noisy(h) if update else h
            for i, layer in enumerate(network.layers_up):
                sent = network.sent(i, tf.stop_gradient(h))
                if i > 0:  # nothing is below the first layer
                    self.tape.watch(sent)
                pre_activation, h, aux = layer.record(sent, update)
                rate = layer.dropout
                self._kept.append(kept(h, rate, network.seed, network.step, i) if rate else None)
                self._whole.append(tf.stop_gradient(h) if rate else None)
                h = self.dropped(i, h)
                self.aux.append(aux)
                self._inputs.append(sent)
                self._pre_activations.append(pre_activation)
                self.outputs.append(h)
            self.scores = network.activate_output(h)
            self.loss = network.compute_loss(x, y, self.scores, weights)
            # Targets do not depend on the examples' weights.
            self._mean = self.loss if weights is None else network.compute_loss(x, y, self.scores)
        self.h = [tf.stop_gradient(tensor) for tensor in [self._inputs[0], *self.outputs]]
        self.answers = tf.stop_gradient(self.scores)

    def f(self, layer, h, drop=True):
        """f of layer `layer` at other activations than this batch's own; no state changes. Without
        `drop` it is the whole layer, from which an inverse learns."""
        h = self._layers[layer].perturbed(h)
        return self.dropped(layer, h) if drop else h

    def undropped(self, layer, point):
        """Return a point near `h[layer + 1]` as the inverse of layer `layer` takes it.

        Where the layer drops nothing, that is the point itself. Else it is h' + m (point - h), with
        h' what the whole layer gave and m = 0 or 1 / (1 - rate) what it lets through: J_f^T is that
        of the whole layer times m. No unit leaves the range of the layer's nonlinearity, and those
        that are dropped take no part in differences.
        """
        if self._kept[layer] is None:
            return point
        return self._whole[layer] + self._kept[layer] * (point - self.h[layer + 1])

    def dropped(self, layer, h):
        """Return what layer `layer` lets through in this step of whole activations of its own."""
        return h if self._kept[layer] is None else h * self._kept[layer]

    @property
    def probabilities(self):
        """`answers`, where these are probabilities."""
        return self.answers

    @property
    def labels(self):
        network, activation = self._network, self._network.output_activation
        check_has_lowest(network.loss, activation, network.units, network.rule)
        return lowest_answers(network.loss, self._y, self.answers, activation)

    def output_gradient(self, weighted=False):
        """dC/dh_M, the logits' gradient of each example's own loss, times its weight if asked for:
        `(batch, units)`."""
        return self._loss_gradient(self.outputs[-1], self.loss if weighted else self._mean)

    def top_gradient(self, weighted=False):
        """dC/dh_{M-1} of each example's own loss, times its weight if asked for: `(batch, units)`;
        at the samples of h_{M-1} where the output layer gets these."""
        return self._loss_gradient(self._inputs[-1], self.loss if weighted else self._mean)

    def top_gradient_factors(self):
        """`top_gradient` as a product: dC/dh_M `(batch, outputs)` and the output layer's weights
        transposed, `(outputs, units)`; None where it is no such product or one that saves nothing,
        or where h_{M-1} is dropped.
        """
        output = self._layers[-1]
        exact = output.transmission != "sign" and not is_mixed(output.dtype_policy)
        if self._kept[-2] is not None or not exact or output.above[0] > FEW_OUTPUTS:
            return None
        return self.output_gradient(), tf.transpose(output.forward_layer.kernel)

    def pull_back(self, layer, signal, is_taught=False):
        """J_f^T signal: take a gradient for `h[layer + 1]` down to `h[layer]`; 0 through signs,
        straight through where samples are sent (as if a sample had the slope 1).

        Args:
            layer, signal: as said.
            is_taught: whether this very signal is what the layer is taught, so that a block's
                weights can learn from the same pass through it: see `descent`.
        """
        keep = is_taught and self._layers[layer].is_block
        sources = [self._inputs[layer]]
        if keep:
            sources += self._layers[layer].forward_variables
        gradients = self.tape.gradient(
            self.outputs[layer], sources, output_gradients=signal, unconnected_gradients="zero"
        )
        if keep:
            self._descents[layer] = signal, gradients[1:]
        return gradients[0]

    def descent(self, layer, signal):
        """Return the gradients of < signal, h[layer + 1] >, summed over the batch, by the weights
        of a block that `pull_back` took this very signal through, as one that is taught; else None.
        """
        known, gradients = self._descents.get(layer, (None, None))
        return gradients if known is signal else None

    def pre_activation_gradient(self, layer, signal):
        """Take a gradient for `h[layer + 1]` to what goes into that layer's nonlinearity."""
        return self.tape.gradient(
            self.outputs[layer], self._pre_activations[layer], output_gradients=signal
        )

    def straight_through(self, layer, signal):
        """Take a gradient for `h[layer + 1]` of a dense layer down to `h[layer]`, and there through
        the signs that the layer gets, as if these had the slope 1: `(batch, units)`."""
        slope = self.pre_activation_gradient(layer, signal)
        kernel = tf.cast(self._layers[layer].forward_layer.kernel, slope.dtype)
        return tf.matmul(slope, kernel, transpose_b=True)

    def _loss_gradient(self, source, mean):
        # The loss is a mean over the global batch; targets move along each example's own gradient.
        return self.tape.gradient(mean, source) * global_batch_size(source)


def global_batch_size(tensor, dtype=None):
    """Return the number of examples of all replicas, given one's `(batch, ..)`, in its type or
    another."""
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return tf.cast(tf.shape(tensor)[0] * replicas, dtype or tensor.dtype)
