"""How close a rule's updates and targets come to backpropagation's and to Gauss-Newton's.

Everything is measured on one batch of examples and changes nothing: no weight, no metric, no random
state. Angles are computed in float64 from the float32 numbers that training uses.
"""

import functools

import numpy as np
import tensorflow as tf

from dtp_tf.errors import UserError
from dtp_tf.network.batch import Batch
from dtp_tf.network.network import DTPNetwork
from dtp_tf.network.objectives import labelled
from dtp_tf.rules import BP, TargetRule

# lambda of the Gauss-Newton targets, as a share of the mean eigenvalue of J J^T.
DAMPING = 0.01
# Jacobians of whole layers are large (units x units an example): so many examples are enough.
JACOBIAN_EXAMPLES = 8
# Those of feature maps would be larger still, and are compared on random directions an example.
JACOBIAN_PROBES = 4
# Degrees by which rounding may turn a target difference before a warning is due.
ROUNDING_LIMIT = 5.0


class Diagnostics:
    """Measures a network on a fixed batch.

    Args:
        network: a built and compiled `DTPNetwork`.
        x, y: a batch of examples and their labels; some tens to hundreds.
    """

    def __init__(self, network, x, y):
        self.network = network
        self.x, self.y = tf.constant(x), tf.constant(y)

    @classmethod
    def on_first(cls, network, split, images, classes, loss=None):
        """Return one for the first images of a split.

        Args:
            network: see `Diagnostics`.
            split: a `dtp_tf.data.sets.Split`.
            images: how many, at least 1; all of a smaller split.
            classes: how many.
            loss: see `dtp_tf.network.objectives.recipe_loss`.
        """
        probe = split.take(slice(images))
        return cls(network, *labelled(loss, (probe.images, probe.labels), classes))

    @functools.cached_property
    def _function(self):
        # Called as it is, a `tf.function` for each of several networks counts as one that is traced
        # again and again, and TensorFlow warns of it.
        return tf.function(self._tensors, autograph=False).get_concrete_function()

    def measure(self):
        """Return the measurements by name, as floats; what is not defined is left out, such as
        angles to gradients below a layer that gets signs only, where there are none.

        For every hidden layer i = 1 .. M-1:
            angle_bp_i: degrees between the rule's update of the layer's weights and
                backpropagation's.
            norm_ratio_bp_i: length of the rule's update / that of backpropagation's gradient.
            angle_gn_i: degrees between the target difference t_i - h_i and the damped Gauss-Newton
                target of the layer, mean over the examples. A rule without targets is taken to
                ask for the opposite of its teaching signal.
            target_difference_i: root mean square of t_i - h_i over units and examples.
            rounding_i: degrees by which float32's rounding of h_i + (t_i - h_i) turns the
                difference, estimated; target rules only.
        For every layer with an inverse:
            angle_jacobian_i: degrees between the Jacobian of g_i and the transposed one of f_i,
                mean over a few examples. Where a layer has feature maps, the Jacobians are too
                large to be written out: then an estimate, from what both make of the same few
                random directions.
        """
        values = tf.nest.map_structure(lambda tensor: tensor.numpy(), self._function())
        found = {}
        for i in range(len(self.network.pairs)):
            of_rule, of_bp = (_flat(values[name][i]) for name in ("rule_update", "bp_update"))
            found[f"angle_bp_{i + 1}"] = angle(of_rule, of_bp)
            found[f"norm_ratio_bp_{i + 1}"] = _ratio(norm(of_rule), norm(of_bp))
            difference = values["difference"][i].astype("float64")
            difference = difference.reshape(len(difference), -1)
            newton = gauss_newton_step(values["jacobian"][i], values["error"])
            found[f"angle_gn_{i + 1}"] = _mean(map(angle, difference, newton))
            found[f"target_difference_{i + 1}"] = float(np.sqrt(np.mean(difference**2)))
            if isinstance(self.network.rule, TargetRule):
                found[f"rounding_{i + 1}"] = rounding_angle(values["h"][i], difference)
        for i, (of_f, of_g) in zip(self.network.inverted, values["inverse_jacobians"], strict=True):
            found[f"angle_jacobian_{i + 1}"] = _mean(map(angle, of_g, of_f))
        return {name: value for name, value in found.items() if np.isfinite(value)}

    def _tensors(self):
        network, rule = self.network, self.network.rule
        batch = Batch(network, self.x, self.y, update=False)
        taught = [tf.stop_gradient(one) for one in rule.teach(network, batch)]
        h = batch.h[1:-1]
        difference = [
            one - below if isinstance(rule, TargetRule) else -one
            for one, below in zip(taught, h, strict=True)
        ]
        return {
            "rule_update": self._updates(batch, rule),
            "bp_update": self._updates(batch, BP()),
            "difference": difference,
            "h": h,
            "jacobian": [self._jacobian_above(i, batch) for i in range(len(h))],
            "error": batch.output_gradient(),
            "inverse_jacobians": [self._jacobians(i, batch) for i in network.inverted],
        }

    def _updates(self, batch, rule):
        """The gradients that each hidden layer descends: a list a layer."""
        gradients, _ = self.network.forward_gradients(batch, rule=rule)
        gradients = iter(gradients)
        return [[next(gradients) for _ in pair.forward_variables] for pair in self.network.pairs]

    def _jacobian_above(self, i, batch):
        """d logits / d h of each example, `(batch, outputs, units)`, `h` after hidden layer `i`."""
        h = batch.h[i + 1]
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(h)
            logits = h
            for above in range(i + 1, len(self.network.layers_up)):
                logits = batch.f(above, logits)
            each_output = tf.unstack(logits, axis=1)
        if len(h.shape) == 2:
            return tape.batch_jacobian(logits, h, unconnected_gradients="zero")
        rows = [tape.gradient(one, h, unconnected_gradients="zero") for one in each_output]
        return tf.stack([tf.reshape(row, (tf.shape(row)[0], -1)) for row in rows], axis=1)

    def _jacobians(self, i, batch):
        """The Jacobian of g_i and the transposed one of f_i: an array an example each."""
        pair = self.network.layers_up[i]
        if len(pair.below) == len(pair.above) == 1:
            return self._whole_jacobians(i, batch.h)
        return self._probed_jacobians(i, batch)

    def _whole_jacobians(self, i, h):
        network, pair = self.network, self.network.layers_up[i]
        below = h[i][:JACOBIAN_EXAMPLES]
        with tf.GradientTape() as tape:
            tape.watch(below)
            above = pair(below)
            if pair is network.output_pair and network.rule.inverts_probabilities:
                above = network.activate_output(above)
        of_f = tape.batch_jacobian(above, below, unconnected_gradients="zero")
        above = tf.stop_gradient(above)
        with tf.GradientTape() as tape:
            tape.watch(above)
            back = pair(above, reverse=True)
        of_g = tape.batch_jacobian(back, above, unconnected_gradients="zero")
        return tf.transpose(of_f, (0, 2, 1)), of_g

    def _probed_jacobians(self, i, batch):
        """What both make of random directions above: `(batch, probes, *below)` each."""
        network, pair = self.network, self.network.layers_up[i]
        h, aux = batch.h[i], batch.aux[i]
        of_f, of_g = [], []
        for probe in range(JACOBIAN_PROBES):
            with tf.GradientTape(persistent=True) as outer:
                outer.watch(h)
                above = batch.f(i, h, drop=False)
                if pair is network.output_pair and network.rule.inverts_probabilities:
                    above = network.activate_output(above)
                held = tf.stop_gradient(above)
                zero = tf.zeros_like(h)
                outer.watch(zero)
                with tf.GradientTape() as inner:
                    inner.watch(held)
                    back = pair(held, reverse=True, aux=aux)
                # J_g v is the gradient of < v, J_g^T u > by u.
                pulled = inner.gradient(back, held, output_gradients=zero)
            direction = tf.random.stateless_normal(tf.shape(above), (network.seed, probe))
            of_f.append(outer.gradient(above, h, output_gradients=direction))
            of_g.append(outer.gradient(pulled, zero, output_gradients=direction))
        return tf.stack(of_f, axis=1), tf.stack(of_g, axis=1)


def angle(a, b):
    """Return the angle between two arrays taken as vectors, in degrees: 0 .. 180.

    By Kahan's formula, which loses nothing at small angles, in float64. NaN where one is zero.
    """
    a, b = _flat([a]), _flat([b])
    lengths = norm(a), norm(b)
    if not all(lengths) or not np.isfinite(lengths).all():
        return float("nan")
    a, b = a / lengths[0], b / lengths[1]
    return float(np.degrees(2 * np.arctan2(norm(a - b), norm(a + b))))


def norm(a):
    """Return the Euclidean length of an array taken as a vector, without underflow."""
    largest = np.max(np.abs(a), initial=0.0)
    return float(largest * np.linalg.norm(a / largest)) if largest > 0 else float(largest)


def gauss_newton_step(jacobian, gradient, damping=DAMPING):
    """Return - J^T (J J^T + lambda I)^{-1} e of each example, in float64.

    Args:
        jacobian: J, d logits / d h: `(batch, outputs, units)`.
        gradient: e, dC / d logits: `(batch, outputs)`.
        damping: lambda / (the mean eigenvalue of J J^T).

    Returns:
        `(batch, units)`.

    References:
        Meulemans et al., "A Theoretical Framework for Target Propagation", 2020, arXiv 2006.14331,
        equation 7.
    """
    jacobian, gradient = np.asarray(jacobian, "float64"), np.asarray(gradient, "float64")
    square = jacobian @ np.swapaxes(jacobian, 1, 2)
    outputs = square.shape[-1]
    size = np.trace(square, axis1=1, axis2=2)[:, None, None] / outputs
    square = square + np.maximum(damping * size, np.finfo("float64").tiny) * np.eye(outputs)
    solved = np.linalg.solve(square, gradient[..., None])
    return -(np.swapaxes(jacobian, 1, 2) @ solved)[..., 0]


def rounding_angle(h, difference):
    """Return the angle in degrees by which float32 turns `difference` when it is added to `h`.

    Adding rounds each entry by up to half the distance between neighbouring float32 numbers near
    it: a root mean square of that distance / sqrt(12).
    """
    steps = np.spacing(np.abs(h.astype("float32"))).astype("float64")
    error = np.sqrt(np.mean(steps**2) / 12)
    return float(np.degrees(np.arctan2(error, np.sqrt(np.mean(difference**2)))))


def diagnose(model, split, images, classes, loss=None):
    """Measure a model that was opened; arguments as of `Diagnostics.on_first`.

    Raises:
        UserError: the model has no learning rule.
    """
    if not isinstance(model, DTPNetwork):
        raise UserError(
            "only a network of pairs has a learning rule, whose updates are measured, and this is "
            "another model; give a run, a preset, or the best.keras of a run."
        )
    return Diagnostics.on_first(model, split, images, classes, loss).measure()


def rounding_warning(measured):
    """Return a sentence if target differences drown in float32's rounding, else None."""
    turned = {
        name.removeprefix("rounding_"): degrees
        for name, degrees in measured.items()
        if name.startswith("rounding_") and degrees > ROUNDING_LIMIT
    }
    if not turned:
        return None
    layers = ", ".join(turned)
    return (
        f"the target differences of layer {layers} are so small that float32's rounding turns them "
        f"by about {max(turned.values()):.0f} degrees: their angles mean little; raise "
        "`target_step`, or use a rule or initial inverses that keep targets larger."
    )


def _flat(arrays):
    return np.concatenate([np.asarray(array, "float64").ravel() for array in arrays])


def _ratio(a, b):
    return a / b if b else float("nan")


def _mean(values):
    defined = [value for value in values if np.isfinite(value)]
    return float(np.mean(defined)) if defined else float("nan")
