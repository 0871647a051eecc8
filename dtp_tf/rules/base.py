"""What every learning rule answers to `DTPNetwork`."""

import abc
import numbers

import keras
import tensorflow as tf

from dtp_tf.errors import SettingError

INVERSE, FORWARD = "inverse", "forward"

# The passes over the data of one epoch: which of the two kinds of weights each pass updates.
PASSES = {
    "parallel": ((INVERSE, FORWARD),),
    "inverse-first": ((INVERSE, FORWARD),),
    "alternating": ((INVERSE,), (FORWARD,)),
}

# Lee's constants for MNIST; his eta 0.3277 is for the gradient of a mean over 100 examples.
TARGET_STEP, NOISE = 0.00327736332653, 0.359829566008


def squared_error(a, b):
    """|| a - b ||^2 of each example: the sum over all of a layer's units, shape `(batch,)`."""
    return inner_product(a - b, a - b)


def inner_product(a, b):
    """< a, b > of each example: the sum over all of a layer's units, shape `(batch,)`."""
    return tf.reduce_sum(a * b, axis=list(range(1, len(a.shape))))


def shaped_as(h, flat):
    """Give feedback `(batch, units)` the shape of activations, where these are feature maps."""
    return flat if len(h.shape) == 2 else tf.reshape(flat, tf.shape(h))


class Rule(abc.ABC):
    """A learning rule: a local loss for every hidden layer, and how feedback weights learn.

    The network numbers its layers 0 .. M-1 from the input on: `network.layers_up[i]` maps the
    activations `batch.h[i]` to `batch.h[i + 1]`. The last one is the output layer, whose
    `batch.h[M]` are the logits, and which always learns from the network's loss itself. See
    `dtp_tf.network.batch.Batch` for what else a rule can read; everything in it is held constant.

    A rule that teaches by targets extends `TargetRule`; one that also trains inverses or other
    feedback weights, `FeedbackRule`; both halves of the latter stand alone, too, for
    `LearnedFeedback` goes with any rule. Arguments of `__init__` that have the name of a recipe's
    setting (`target_step`, `noise`, `noise_samples`, `noise_directions`, `schedule`,
    `inverse_steps`, `damping`, `feedback_units`, `auxiliary_units`, `feedback_magnitudes`,
    `straight_through`, `increment`, `orthogonality`, `inverse_l2`, `jacobian_norm`,
    `denoising`) get its value.
    """

    @property
    def passes(self):
        """The passes over the data of one epoch, as tuples of what each pass updates."""
        return ((FORWARD,),)

    #: Whether the feedback weights learn.
    trains_feedback = False
    #: Whether the output layer's inverse takes answers such as class probabilities, not logits.
    inverts_probabilities = False
    #: Whether the rule takes `batch.labels`, the answers with the smallest loss: losses for which
    #: these are not known are then refused.
    uses_labels = False
    #: Whether what it teaches has the examples' weights in it, which then do not count in the local
    #: losses.
    teaches_weighted = False

    def uses_inverse(self, layer, layers):
        """Whether the rule uses the inverse of layer `layer` (0 .. layers - 1)."""
        return False

    def feedback_layers(self, layers):
        """Return `{layer: a built Keras layer}`: feedback weights that are no inverses.

        `layers` are the network's, built.
        """
        return {}

    def feedback_weights(self, units, weights):
        """Return about how many weights `feedback_layers` has, before there are any.

        Args:
            units: of h_0 .. h_M, for each example.
            weights: of the kernel of each layer.
        """
        return 0

    def more_per_example(self, units):
        """Return how many numbers a step holds for each example beside its activations."""
        return 0

    def check(self, layers):
        """Raise `SettingError` if the rule does not fit these layers (not yet built)."""
        return None

    def check_built(self, layers):
        """Raise `SettingError` if the rule does not fit these layers, now built."""
        return None

    def reconstructions(self, network, h):
        """Return what decoders other than the pairs' inverses give back: `{layer: (h, its
        reconstruction)}`, layers from 0 on; `h` as `network.activations` gives them."""
        return {}

    @abc.abstractmethod
    def teach(self, network, batch):
        """Return what each hidden layer is taught, from the first on: each `(batch, units)`."""

    @abc.abstractmethod
    def local_loss(self, output, taught):
        """Return the local loss of a hidden layer of each example, shape `(batch,)`.

        Args:
            output: h_i as a function of the layer's own weights: all that the loss may move.
            taught: what `teach` says of this layer, held constant.
        """

    def local_losses(self, network, batch, taught):
        """Return the local losses of the hidden layers, `(batch,)` each, as functions of their
        own weights.

        Args:
            taught: what `teach` says of each layer, held constant.
        """
        return [self.local_loss(*one) for one in zip(batch.outputs[:-1], taught, strict=True)]

    def descents(self, batch, said):
        """Return what is known already of the gradients of the local losses' sums over the batch.

        Args:
            said: what `teach` returned.

        Returns:
            `{hidden layer: the gradients of its weights}`, of no or of some layers.
        """
        return {}

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**keras.saving.deserialize_keras_object(config))


class TargetRule(Rule):
    """A rule that gives every hidden layer a target: its local loss is || h_i - t_i ||^2.

    Args:
        target_step: the step of the first target along the gradient of each example's own loss;
            above 0. None for rules that take none.

    Raises:
        SettingError: a value out of its range.
    """

    def __init__(self, target_step=TARGET_STEP):
        if target_step is not None and not (_is_number(target_step) and target_step > 0):
            raise SettingError(f"`target_step` must be above 0, got {target_step!r}.")
        self.target_step = target_step

    @abc.abstractmethod
    def targets(self, network, batch):
        """Return the targets t_1 .. t_{M-1} of the hidden layers, each `(batch, units)`."""

    def teach(self, network, batch):
        return self.targets(network, batch)

    def local_loss(self, output, taught):
        return squared_error(output, taught)

    def get_config(self):
        own = {} if self.target_step is None else {"target_step": self.target_step}
        return {**super().get_config(), **own}


class LearnedFeedback(Rule):
    """A rule whose inverses, or other feedback weights, learn from a loss of their own.

    Args:
        noise: sigma, at least 0: a number, a `keras.optimizers.schedules.LearningRateSchedule` of
            the training step, or a list with one of these for each trained feedback layer, from
            the input on. Not for rules that take none.
        schedule: "parallel", "alternating" or "inverse-first".
        inverse_steps: updates of the feedback weights per batch, with "inverse-first": a number, or
            a list with one for each trained feedback layer.
        noise_samples: draws of the noise in each update, over which its loss is a mean: a number,
            or a list with one for each trained feedback layer. Not for rules that take no noise.

    Raises:
        SettingError: an unknown schedule, a value out of its range, or `inverse_steps` that the
            schedule has no place for.
    """

    trains_feedback = True
    #: Whether the losses of the feedback use noise.
    takes_noise = True
    #: Whether they learn from the noise alone, which then must be above 0.
    needs_noise = False
    #: "gaussian", or in place of normal noise "rademacher" for independent signs, or "orthogonal"
    #: for the directions of a frame in turn; or a list with one for each trained feedback layer.
    noise_directions = "gaussian"
    #: Whether a frame is drawn anew once all its directions have been used; else it is always the
    #: same one.
    draws_frames_anew = False
    #: Weight of the squared weights of the feedback in its loss, or a list as `noise_directions`.
    inverse_l2 = 0.0

    def __init__(self, noise=NOISE, schedule="parallel", inverse_steps=1, noise_samples=1):
        check_choice("schedule", schedule, PASSES)
        for name, value in {"inverse_steps": inverse_steps, "noise_samples": noise_samples}.items():
            counts = as_list(value)
            whole = [isinstance(k, int) and not isinstance(k, bool) and k >= 1 for k in counts]
            if not counts or not all(whole):
                raise SettingError(f"`{name}` must be at least 1, got {value!r}.")
        if max(as_list(inverse_steps)) > 1 and schedule != "inverse-first":
            raise SettingError(
                f"`inverse_steps` {inverse_steps} needs `schedule` inverse-first, got {schedule}."
            )
        if not as_list(noise):
            raise SettingError("`noise` needs at least one value, got an empty list.")
        for sigma in as_list(noise) if self.takes_noise else ():
            if not callable(sigma) and not (_is_number(sigma) and sigma >= 0):
                raise SettingError(f"`noise` must be at least 0, got {noise!r}.")
            if self.needs_noise and not callable(sigma) and sigma == 0:
                raise SettingError(
                    f"`noise` must be above 0, got {noise!r}: {type(self).__name__} learns its "
                    "feedback from the noise alone."
                )
        self.noise = noise if self.takes_noise else None
        self.schedule = schedule
        self.inverse_steps = inverse_steps
        self.noise_samples = noise_samples

    @property
    def passes(self):
        return PASSES[self.schedule]

    @abc.abstractmethod
    def inverse_loss(self, network, batch, layer, noise):
        """Return the loss of the feedback weights of `layer`, one per example: shape `(batch,)`.

        `noise(like)` gives standard normal numbers of the shape of `like`, fresh at each call.
        """

    def knows_descent(self, network, layer):
        """Whether `inverse_descent` says what `inverse_loss` would come to for `layer`."""
        return False

    def inverse_descent(self, network, batch, layer, noise, scale):
        """Return the sum of `inverse_loss` over the batch, and the gradients of `scale` times that
        sum by the feedback weights of `layer`, None for weights that it leaves out.

        A rule says it where it has a cheaper way to both than through the loss of each example. It
        is not asked where examples have weights.
        """
        raise NotImplementedError

    def sigma(self, network, layer):
        """The noise of a feedback layer at this training step."""
        noise = at_layer(self.noise, network.trained_feedback.index(layer))
        return noise(network.step) if callable(noise) else noise

    def l2(self, network, layer):
        """The weight of the squared weights of a feedback layer in its loss."""
        return at_layer(self.inverse_l2, network.trained_feedback.index(layer))

    def directions(self, position):
        """The directions of the noise of the trained feedback layer at `position` among them."""
        return at_layer(self.noise_directions, position)

    def steps(self, position):
        """Updates per batch of the trained feedback layer at `position` among them."""
        return at_layer(self.inverse_steps, position)

    def samples(self, position):
        """Draws of the noise per update of the trained feedback layer at `position` among them."""
        return at_layer(self.noise_samples, position)

    def check_lists(self, trained):
        """Raise `SettingError` for a list that has not one entry for each feedback layer."""
        of_layers = "noise", "noise_directions", "inverse_steps", "noise_samples", "inverse_l2"
        for name in of_layers:
            value = getattr(self, name)
            if isinstance(value, (list, tuple)) and len(value) != trained:
                raise SettingError(
                    f"`{name}` has {len(value)} values, but {type(self).__name__} trains the "
                    f"feedback of {trained} layers; give one value for all, or {trained}."
                )

    def get_config(self):
        def plain(value):
            return keras.saving.serialize_keras_object(value) if callable(value) else value

        def listed(value):
            many = isinstance(value, (list, tuple))
            return [plain(one) for one in value] if many else plain(value)

        of_noise = ("noise", "noise_samples") if self.takes_noise else ()
        names = (*of_noise, "schedule", "inverse_steps")
        return {**super().get_config(), **{name: listed(getattr(self, name)) for name in names}}


class FeedbackRule(LearnedFeedback, TargetRule):
    """A target rule whose inverses, or other feedback weights, learn from a loss of their own.

    Args:
        target_step: see `TargetRule`.
        noise, schedule, inverse_steps, noise_samples: see `LearnedFeedback`.

    Raises:
        SettingError: see `TargetRule` and `LearnedFeedback`.
    """

    def __init__(
        self,
        target_step=TARGET_STEP,
        noise=NOISE,
        schedule="parallel",
        inverse_steps=1,
        noise_samples=1,
    ):
        TargetRule.__init__(self, target_step)
        LearnedFeedback.__init__(self, noise, schedule, inverse_steps, noise_samples)


def as_list(value):
    """Return a list of the values of a setting that may differ from layer to layer."""
    return list(value) if isinstance(value, (list, tuple)) else [value]


def at_layer(value, position):
    """Return the value of such a setting for the layer at `position`."""
    return value[position] if isinstance(value, (list, tuple)) else value


def check_choice(name, value, choices):
    """Raise `SettingError` for a setting's value that is none of its choices."""
    if value not in choices:
        raise SettingError(f"`{name}` must be one of {', '.join(choices)}; got {value!r}.")


def at_least_zero(name, value):
    """Return a setting's value, or raise `SettingError` if it is no number of at least 0."""
    if not (_is_number(value) and value >= 0):
        raise SettingError(f"`{name}` must be at least 0, got {value!r}.")
    return value


def each_at_least_zero(name, value):
    """Return a setting's value, or raise `SettingError` if it, or one of its list, is below 0."""
    if not as_list(value):
        raise SettingError(f"`{name}` needs at least one value, got an empty list.")
    for one in as_list(value):
        at_least_zero(name, one)
    return value


def _is_number(value):
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
