"""The settings of learning rules and of their inverses. This module does not import TensorFlow."""

import dataclasses

from dtp_tf.recipes.layers_in_words import MOST_UNITS
from dtp_tf.recipes.network_fields import ACTIVATIONS, INITIALIZERS
from dtp_tf.recipes.rules import RULES
from dtp_tf.recipes.settings import setting

NOISE_DIRECTIONS = ("gaussian", "rademacher", "orthogonal")
JACOBIAN_NORMS = ("sampled", "analytic", "transposed")
SCHEDULES = ("parallel", "alternating", "inverse-first")


@dataclasses.dataclass(frozen=True)
class RuleFields:
    """The rule and what it may take; none = what the rule does not take, see `RULES`."""

    rule: str = setting(
        "dtp", str, "Learning rule; also FILE.py:CLASS for one of your own.",
        choices=tuple(RULES), other=".py:",
    )
    schedule: str | None = setting(
        None, str,
        "parallel = inverses and forward layers on every batch; alternating = in each epoch one "
        "pass for the inverses, then one for the forward layers; inverse-first = `inverse_steps` "
        "updates of the inverses, then one of the forward layers, on every batch.",
        choices=SCHEDULES, optional=True,
    )
    inverse_steps: int | tuple | None = setting(
        None, int, "Updates of the inverses per batch, each with fresh noise (inverse-first only); "
        "one number, or one for each layer with an inverse, from the input on.",
        low=1, limit=1000, per_layer=True, optional=True,
    )
    inverse_epochs_before: int | None = setting(
        None, int, "Passes over the data before the first epoch that update the inverses only.",
        low=0, optional=True,
    )
    inverse_epochs_after: int | None = setting(
        None, int, "Passes over the data at the end of every epoch that update the inverses only.",
        low=0, optional=True,
    )
    target_step: float | None = setting(
        None, float,
        "eta (or beta): step of the top target along each example's own loss gradient; of sdtp and "
        "ao_sdtp from the answers towards the label, which 1 reaches. (Lee's "
        "value is for the gradient of a mean over 100 examples: divide it by 100. Meulemans et al. "
        "divide their forward learning rates by it: here `learning_rate` is the rate itself.)",
        low=0, open_low=True, optional=True,
    )
    noise: float | tuple | None = setting(
        None, float, "sigma: standard deviation of the noise that the inverses are trained with, "
        "in units of the activations; one number, or one for each layer with an inverse.",
        low=0, per_layer=True, optional=True,
    )
    noise_decay_epochs: float | None = setting(
        None, float, "Let the noise fall as sigma / (1 + epoch / this); none = constant.",
        low=0, open_low=True, optional=True,
    )
    noise_samples: int | tuple | None = setting(
        None, int, "Draws of that noise in each update of the inverses, whose loss is a mean over "
        "them: more cost time and make an update less noisy, and leave its size alone, unlike more "
        "`inverse_steps`. One number, or one for each layer with an inverse.",
        low=1, limit=1000, per_layer=True, optional=True,
    )
    noise_directions: str | tuple[str, ...] | None = setting(
        None, str, "Of that noise: gaussian = independent; rademacher = independent signs, -1 or "
        "1, drawn faster; orthogonal = the examples go through "
        "the directions of an orthogonal frame in turn, which needs fewer updates. One word, or "
        "one for each layer with an inverse.",
        choices=NOISE_DIRECTIONS, per_layer=True, optional=True,
    )
    inverse_l2: float | tuple | None = setting(
        None, float, "Weight of the squared weights of the inverses in their loss; one number, or "
        "one for each layer with an inverse.", low=0, per_layer=True, optional=True,
    )
    denoising: bool | None = setting(
        None, bool, "Whether the inverses of sdtp and ao_sdtp learn to take their noise away, as "
        "published, or (false) to give it back, as those of dtp do.", optional=True,
    )
    damping: float | None = setting(
        None, float, "lambda of the damped Gauss-Newton step of the rule gnt.",
        low=0, optional=True,
    )
    increment: float | None = setting(
        None, float, "gamma of gait_prop: the part of the way to a layer's target whose inverse is "
        "the target below.", low=0, high=1, open_low=True, optional=True,
    )
    orthogonality: float | None = setting(
        None, float, "lambda of gait_prop: weight of the squared products of different rows (or "
        "columns, if they are fewer) of a hidden layer's weights, which keeps these orthogonal.",
        low=0, optional=True,
    )
    feedback_units: int | None = setting(
        None, int, "Units of the fixed random hidden layer that the feedback of ddtp_rhl has.",
        low=1, limit=MOST_UNITS, optional=True,
    )
    feedback_magnitudes: str | None = setting(
        None, str, "What the signs of the transposed weights are multiplied by in the feedback of "
        "sign_symmetry: uniform = 1; fixed-random = the absolute values of weights drawn once by "
        "`inverse_initializer`.", choices=("uniform", "fixed-random"), optional=True,
    )
    auxiliary_units: int | None = setting(
        None, int, "Fixed random features of the top hidden layer that ao_sdtp has in its output, "
        "beside the answers.",
        low=1, limit=MOST_UNITS, optional=True,
    )
    jacobian_norm: str | None = setting(
        None, str, "The second term of the inverses' loss in ldrl: sampled = by noise, as "
        "published; analytic = what that is on average, from the weights, in half the products, "
        "for layers without average pooling; transposed = by the first term's noise, through the "
        "transposed inverse, which takes the noise out of what an inverse learns, in three "
        "quarters. Both need `inverse_first`.", choices=JACOBIAN_NORMS, optional=True,
    )
    straight_through: bool | None = setting(
        None, bool, "Whether the signs of `transmission` sign pass gradients on in the rule bp, as "
        "if they were the activations (the straight-through estimator); without it bp refuses "
        "them.", optional=True,
    )
    inverse_activation: str | None = setting(
        None, str, "Activation of the inverses g (matched: with `inverse_first`, the function "
        "whose slope is that of f's activation, so that g can have f's Jacobian transposed). Of "
        "autoencoder the first of sigmoid, tanh and linear that reaches all that layers get.",
        choices=(*ACTIVATIONS, "matched"), optional=True,
    )
    inverse_first: bool | None = setting(
        None, bool, "Whether an inverse applies its activation before its weights, "
        "g(t) = r(t) V + c, and not after them, g(t) = r(t V + c).", optional=True,
    )
    inverse_initializer: str | None = setting(
        None, str, "Initial weights of the inverses, or of other feedback weights (small_uniform: "
        "between -0.001 and 0.001).", choices=tuple(INITIALIZERS), optional=True,
    )
    symmetric_start: bool | None = setting(
        None, bool, "Whether inverses, or other feedback weights, start at the transposed weights "
        "of their layers, which no brain could give them, and not from `inverse_initializer`: for "
        "tests and ablations.", optional=True,
    )
