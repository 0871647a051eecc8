"""What every learning rule answers to `DTPNetwork`."""

import keras

from dtp_tf.errors import SettingError

INVERSE, FORWARD = "inverse", "forward"

# The passes over the data of one epoch: which of the two kinds of weights each pass updates.
PASSES = {
    "parallel": ((INVERSE, FORWARD),),
    "inverse-first": ((INVERSE, FORWARD),),
    "alternating": ((INVERSE,), (FORWARD,)),
}


class Rule:
    """A learning rule: which inverses it uses, their losses, and the targets of the hidden layers.

    Subclasses override the three methods below. Inside them `network.pairs` are the layer pairs;
    `activations` is the list h_0 .. h_{M-1}, each `(batch, units)` and held constant.

    Args:
        schedule: "parallel", "alternating" or "inverse-first".
        inverse_steps: updates of the inverses per batch, with "inverse-first".

    Raises:
        SettingError: an unknown schedule, or `inverse_steps` that the schedule has no place for.
    """

    def __init__(self, schedule="parallel", inverse_steps=1):
        if schedule not in PASSES:
            raise SettingError(
                f"`schedule` must be one of {', '.join(PASSES)}; got {schedule!r}."
            )
        whole = isinstance(inverse_steps, int) and not isinstance(inverse_steps, bool)
        if not whole or inverse_steps < 1:
            raise SettingError(f"`inverse_steps` must be at least 1, got {inverse_steps!r}.")
        if inverse_steps > 1 and schedule != "inverse-first":
            raise SettingError(
                f"`inverse_steps` {inverse_steps} needs `schedule` inverse-first, got {schedule}."
            )
        self.schedule = schedule
        self.inverse_steps = inverse_steps

    @property
    def passes(self):
        """The passes over the data of one epoch, as tuples of what each pass updates."""
        return PASSES[self.schedule]

    def uses_inverse(self, layer, layers):
        """Whether the rule uses the inverse of pair `layer` (0 .. layers - 1)."""
        raise NotImplementedError

    def inverse_losses(self, network, activations, noise):
        """Return `{layer: loss of its inverse}`, one loss per example: shape `(batch,)`.

        `noise(layer, like)` gives standard normal numbers of the shape of `like`.
        """
        raise NotImplementedError

    def targets(self, network, activations, top_gradient):
        """Return the targets t_1 .. t_{M-1}, one `(batch, units)` for each pair.

        `top_gradient` is dC/dh_{M-1} of each example's own loss, `(batch, units)`.
        """
        raise NotImplementedError

    def get_config(self):
        return {"schedule": self.schedule, "inverse_steps": self.inverse_steps}

    @classmethod
    def from_config(cls, config):
        return cls(**keras.saving.deserialize_keras_object(config))
