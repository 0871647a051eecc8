"""A learning rate that begins at 0."""

import keras


@keras.saving.register_keras_serializable("dtp_tf")
class Warmup(keras.optimizers.schedules.LearningRateSchedule):
    """Rises evenly from 0 to the first value of a schedule, which then goes its course.

        rate(step) = first * step / warmup_steps        step < warmup_steps
        rate(step) = schedule(step - warmup_steps)      else

    This is the warm-up of `keras.optimizers.schedules.CosineDecay`, for every schedule.

    Args:
        schedule: a learning rate, or a Keras `LearningRateSchedule`.
        warmup_steps: updates of the warm-up, at least 1.

    Example:

    >>> from dtp_tf.network.warmup import Warmup
    >>> [round(float(Warmup(0.4, 4)(step)), 3) for step in (0, 1, 2, 4, 9)]
    [0.0, 0.1, 0.2, 0.4, 0.4]
    """

    def __init__(self, schedule, warmup_steps):
        super().__init__()
        self.schedule, self.warmup_steps = schedule, warmup_steps

    def __call__(self, step):
        step = keras.ops.cast(step, "float32")
        after = keras.ops.maximum(step - self.warmup_steps, 0.0)
        rate = self.schedule(after) if callable(self.schedule) else self.schedule
        return keras.ops.minimum(step / self.warmup_steps, 1.0) * rate

    def get_config(self):
        schedule = self.schedule
        if callable(schedule):
            schedule = keras.saving.serialize_keras_object(schedule)
        return {"schedule": schedule, "warmup_steps": self.warmup_steps}

    @classmethod
    def from_config(cls, config):
        return cls(**keras.saving.deserialize_keras_object(config))
