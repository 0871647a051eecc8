"""What Keras's callbacks need beside them where a network has more than one optimizer.

Keras's callbacks know `model.optimizer`, which is that of the forward layers. What they do to its
learning rate or its averages is done to the inverse optimizers, too, by companions, which stand in
the list behind the callback that they accompany.
"""

import types

import keras

from dtp_tf.network.updates import begin_averages, keeps_averages, parts, rate

_RATES = (keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau)
_OF_BATCHES = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")


def accompanied(network, callbacks, more_names=(), alternating=False):
    """Return Keras callbacks with their companions.

    Args:
        network: a compiled `DTPNetwork`.
        callbacks: None, a callback, a list, or a `keras.callbacks.CallbackList`, which gets the
            companions in its place.
        more_names: what is in the logs of some epochs only, beside the network's own losses.
        alternating: whether each epoch is one pass of the rule's schedule.
    """
    whole = isinstance(callbacks, keras.callbacks.CallbackList)
    given = callbacks.callbacks if whole else keras.tree.flatten(callbacks)
    given = [one for one in given if one is not None]
    if any(isinstance(one, Averages) for one in given):  # the list that `fit` hands to `evaluate`
        return callbacks
    rates, found = Rates(network), [Averages()]
    if alternating:
        found.append(Alternation())
    for one in given:
        if isinstance(one, keras.callbacks.CSVLogger):
            found.append(Columns(one, more_names))
        found.append(one)
        if isinstance(one, keras.callbacks.SwapEMAWeights):
            optimizers = (optimizer for optimizer, _ in network.inverse_optimized())
            found += [Swap(one.swap_on_epoch, of) for of in optimizers if keeps_averages(of)]
        if isinstance(one, _RATES):
            found.append(rates)
    if any(_acts_on_batches(one) for one in given):
        found.append(RatesOfBatches(rates))
    elif given:
        found.append(rates)
    if not whole:
        return found
    callbacks.callbacks[:] = found
    for one in found:
        one.set_model(network)
        one.set_params(callbacks.params)
    return callbacks


def _acts_on_batches(callback):
    every = keras.callbacks.Callback
    return any(
        getattr(getattr(callback, hook), "__func__", None) is not getattr(every, hook)
        for hook in _OF_BATCHES
    )


class Alternation(keras.callbacks.Callback):
    """Gives each Keras epoch its pass of the rule's schedule."""

    def __init__(self):
        super().__init__()
        self._functions = {}

    def on_epoch_begin(self, epoch, logs=None):
        passes = self.model.rule.passes
        phase = passes[epoch % len(passes)]
        self.model.set_phase(phase)
        if phase not in self._functions:
            self.model.make_train_function(force=True)
            self._functions[phase] = self.model.train_function
        self.model.train_function = self._functions[phase]


class Columns(keras.callbacks.Callback):
    """Tells a `CSVLogger` all columns before it fixes those of the first epoch that it sees."""

    def __init__(self, logger, more_names):
        super().__init__()
        self._logger, self._more_names = logger, more_names

    def on_epoch_end(self, epoch, logs=None):
        if self._logger.keys is not None:
            return
        names = {*(logs or {}), *self.model.local_names, *self._more_names}
        if not any(name.startswith("val_") for name in names):  # as Keras does
            names |= {f"val_{name}" for name in names}
        self._logger.keys = sorted(names)


class Rates(keras.callbacks.Callback):
    """Keeps the ratio of the inverse optimizers' learning rates to that of `model.optimizer`.

    A rate that follows a schedule is left to it, and one that somebody else has set begins a new
    ratio.
    """

    def __init__(self, network):
        super().__init__()
        self._network = network

    def on_train_begin(self, logs=None):
        self._seen, self._rates, self._ratios = self._leading(), {}, {}
        for one in self._following():
            self._rates[id(one)] = rate(one)
            self._ratios[id(one)] = _ratio(rate(one), self._seen)

    def on_epoch_begin(self, epoch, logs=None):
        self.follow()

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None and any(name.startswith("learning_rate") for name in logs):
            self._log(logs)  # as Keras does, the rates that the epoch had
        self.follow()

    def _log(self, logs):
        optimizers = [optimizer for optimizer, _ in self._network.inverse_optimized()]
        for number, optimizer in enumerate(optimizers, start=1):
            rates = [rate(one) for one in parts(optimizer) if rate(one) is not None]
            if rates:
                name = "inverse_learning_rate" + (f"_{number}" if len(optimizers) > 1 else "")
                logs.setdefault(name, rates[0])

    def follow(self):
        """Set the inverse optimizers' rates where that of the forward layers has changed."""
        now = self._leading()
        for one in self._following():
            before, ratio = self._rates.get(id(one)), self._ratios.get(id(one))
            if rate(one) != before:
                self._ratios[id(one)] = _ratio(rate(one), now)
            elif now != self._seen and ratio is not None:
                one.learning_rate = ratio * now
            self._rates[id(one)] = rate(one)
        self._seen = now

    def _leading(self):
        rates = [rate(one) for one in parts(self._network.optimizer)]
        return rates[0] if rates else None

    def _following(self):
        every = [parts(optimizer) for optimizer, _ in self._network.inverse_optimized()]
        return [one for many in every for one in many if rate(one) is not None]


def _ratio(value, leading):
    return value / leading if leading else None


class RatesOfBatches(keras.callbacks.Callback):
    """Lets rates follow within an epoch, where there are callbacks that may change them there."""

    def __init__(self, rates):
        super().__init__()
        self._rates = rates

    def on_train_begin(self, logs=None):
        self._rates.on_train_begin()

    def on_epoch_begin(self, epoch, logs=None):
        self._rates.follow()

    def on_train_batch_begin(self, batch, logs=None):
        self._rates.follow()

    def on_train_batch_end(self, batch, logs=None):
        self._rates.follow()

    def on_epoch_end(self, epoch, logs=None):
        self._rates.on_epoch_end(epoch, logs)


class Averages(keras.callbacks.Callback):
    """Lets averages that have not begun be the weights, before a callback puts them in their place.

    The forward layers' have not in the first pass of the alternating schedule.
    """

    def on_test_begin(self, logs=None):
        self._begin()

    def on_epoch_end(self, epoch, logs=None):
        self._begin()

    def _begin(self):
        for optimizer, _ in self.model.optimized():
            begin_averages(optimizer)


class Swap(keras.callbacks.SwapEMAWeights):
    """`SwapEMAWeights` for an inverse optimizer.

    Args:
        swap_on_epoch: of the callback that it accompanies.
        optimizer: whose weights and averages change places.
    """

    def __init__(self, swap_on_epoch, optimizer):
        super().__init__(swap_on_epoch)
        self.set_model(None)
        self._optimizer = optimizer

    def set_model(self, model):
        super().set_model(model and types.SimpleNamespace(optimizer=self._optimizer))
