"""Rules whose noise may go through the directions of an orthogonal frame."""

from dtp_tf.errors import SettingError
from dtp_tf.rules.base import FeedbackRule, as_list

DIRECTIONS = ("gaussian", "rademacher", "orthogonal")


class DirectedNoiseRule(FeedbackRule):
    """A rule whose feedback learns from noise in the directions that it chooses.

    To first order such a loss means the covariance of the noise alone. That of independent normal
    numbers is the identity on average: in n dimensions a sum over s samples is wrong by about
    sqrt(n / s). n orthogonal directions of equal length in turn have it exactly.

    Args:
        target_step, noise, schedule, inverse_steps, noise_samples: see `FeedbackRule`.
        noise_directions: "gaussian", as published; "rademacher": independent signs in the place of
            normal numbers, which have the same covariance and are drawn faster; or "orthogonal":
            the noise goes through the directions of a frame, example by example, with random signs.
            Or a list with one of these for each trained feedback layer, from the input on.

    Raises:
        SettingError: a value out of its range.
    """

    def __init__(
        self,
        target_step,
        noise,
        schedule,
        inverse_steps,
        noise_directions="gaussian",
        noise_samples=1,
    ):
        super().__init__(target_step, noise, schedule, inverse_steps, noise_samples)
        chosen = as_list(noise_directions)
        if not chosen or any(one not in DIRECTIONS for one in chosen):
            raise SettingError(
                f"`noise_directions` must be one of {', '.join(DIRECTIONS)}, or a list of these; "
                f"got {noise_directions!r}."
            )
        self.noise_directions = noise_directions

    def get_config(self):
        chosen = self.noise_directions
        plain = list(chosen) if isinstance(chosen, tuple) else chosen
        return {**super().get_config(), "noise_directions": plain}


class SmallNoiseRule(DirectedNoiseRule):
    """A rule whose feedback learns Jacobians, from how its layers answer to small noise.

    Args:
        noise: sigma, above 0, in units of the activations; see `FeedbackRule`.
        target_step, schedule, inverse_steps, noise_directions, noise_samples: see
            `DirectedNoiseRule`.

    Raises:
        SettingError: see `DirectedNoiseRule`, or noise that is 0.
    """

    needs_noise = True
