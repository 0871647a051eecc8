"""How a training runs on a machine: device, compilation and replicas.

These change the time that a result takes, and of the result the last bits (and with `jit` on the
draws of the noise, for XLA has random numbers of its own), so they are no part of a recipe: a run
may be resumed on another machine. `versions.json` says what it was last trained on.
This module does not import TensorFlow.
"""

import dataclasses
import re

from dtp_tf.errors import SettingError
from dtp_tf.machines.checkpoint_every import USUAL, CheckpointEvery

JIT = ("auto", "on", "off")
STRATEGIES = ("none", "mirrored", "multiworker")
IN_MEMORY = ("auto", "yes", "no")


@dataclasses.dataclass(frozen=True)
class Machine:
    """What a training is given of the machine.

    Args:
        device: "auto" (the GPUs where there are some, else the CPU), "cpu", or "gpu:N", the GPU
            with that number, from 0.
        jit: what XLA compiles: "on" = the whole step, "off" = nothing, "auto" = the optimizers'
            updates; with the recipe's `deterministic` the whole step.
        strategy: "none" = one device; "mirrored" = all GPUs of this host (or all logical CPU
            devices); "multiworker" = this process is one of several workers, on one host or many.
        in_memory: "yes" = all images are held in memory; "no" = they are read from the disk as they
            are needed; "auto" = held if they fit. It changes no result.
        checkpoint_every: how often a training leaves its state within an epoch, from which it can
            be resumed: a number of steps (batches of an epoch), or words: "500steps", "30s",
            "10min", "2h"; "epoch" = only after each epoch, as is always done.

    Raises:
        SettingError: an unknown value, or values that do not go together.
    """

    device: str = "auto"
    jit: str = "auto"
    strategy: str = "none"
    in_memory: str = "auto"
    checkpoint_every: int | str = USUAL

    def __post_init__(self):
        CheckpointEvery.parse(self.checkpoint_every)
        if self.device not in ("auto", "cpu") and self.gpu is None:
            raise SettingError(
                f"`device` must be auto, cpu or gpu:N, a GPU's number from 0; got {self.device!r}."
            )
        for name, choices in (
            ("jit", JIT), ("strategy", STRATEGIES), ("in_memory", IN_MEMORY)
        ):
            if getattr(self, name) not in choices:
                raise SettingError(
                    f"`{name}` must be one of {', '.join(choices)}; got {getattr(self, name)!r}."
                )
        if self.strategy == "mirrored" and self.gpu is not None:
            raise SettingError(
                f"`device` {self.device} is one GPU, and `strategy` mirrored uses all of this "
                "host: leave one of them out."
            )
        if self.strategy != "none" and self.jit == "on":
            raise SettingError(
                f"`jit` on needs `strategy` none, got {self.strategy}: XLA cannot compile a step "
                "that replicas share; use `jit` auto."
            )

    @property
    def gpu(self):
        """The number of the GPU that is asked for, or None."""
        match = re.fullmatch(r"gpu:(\d+)", str(self.device))
        return int(match[1]) if match else None

    def check_fits(self, recipe):
        """Raise `SettingError` if a recipe cannot be trained in this way."""
        for name in ("optimizer", "inverse_optimizer"):
            text = getattr(recipe, name) or ""
            if self.strategy != "none" and "gradient_accumulation_steps=" in text:
                raise SettingError(
                    f"`{name}` has gradient_accumulation_steps, which Keras cannot do with "
                    f"`strategy` {self.strategy}; leave one of them out."
                )
        if not recipe.deterministic:
            return
        if self.jit == "off":
            raise SettingError(
                "`deterministic` needs XLA, which `jit` off leaves out; use `jit` auto, or leave "
                "`deterministic` out."
            )
        if self.strategy != "none":
            raise SettingError(
                f"`deterministic` needs `strategy` none, got {self.strategy}: it is the step "
                "compiled by XLA, which replicas cannot share; leave one of them out."
            )

    def check_shareable(self, task):
        """Raise `SettingError` if several runs of one `task`, in words, cannot be made in this way.
        """
        if self.strategy == "multiworker":
            raise SettingError(
                f"`strategy` multiworker has no place in {task}, whose runs one process starts; "
                "use mirrored, or train single runs with `launch`."
            )

    def compiles_step(self, recipe):
        """Whether XLA compiles the whole step."""
        return self.jit == "on" or recipe.deterministic

    @property
    def compiles_updates(self):
        """Whether XLA compiles the optimizers' updates, where it does not compile the step."""
        return self.jit != "off"

    def facts(self):
        """Return what is not as usual, for `versions.json`."""
        usual = Machine()
        chosen = {"jit": self.jit, "strategy": self.strategy}
        return {name: value for name, value in chosen.items() if value != getattr(usual, name)}
