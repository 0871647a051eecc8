"""Every Keras optimizer does for a network what it does for a stock model, on both paths."""

import keras
import numpy as np
import pytest
from contract_support import Batches, arrays, fit, moved, network, same, twins, unbuilt
from keras.optimizers import SGD, Adam, AdamW, LossScaleOptimizer, MultiOptimizer

from dtp_tf.errors import SettingError
from dtp_tf.rules import DTP


def without_biases():
    optimizer = AdamW(0.01, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


def of_two():
    kernels, biases = SGD(0.5), Adam(0.01)
    return MultiOptimizer(lambda variable: biases if "bias" in variable.path else kernels)


OPTIMIZERS = {
    "averages": lambda: SGD(0.5, use_ema=True, ema_momentum=0.5),
    "averages put in place": lambda: SGD(0.5, use_ema=True, ema_overwrite_frequency=3),
    "dynamic loss scale": lambda: LossScaleOptimizer(SGD(0.5), dynamic_growth_steps=2),
    "fixed loss scale": lambda: SGD(0.5, loss_scale_factor=128.0),
    "scaled averages": lambda: LossScaleOptimizer(SGD(0.5, use_ema=True)),
    "accumulation": lambda: Adam(0.05, gradient_accumulation_steps=3),
    "weight decay": without_biases,
    "clipped norms": lambda: SGD(0.5, clipnorm=0.01),
    "clipped global norm": lambda: SGD(0.5, global_clipnorm=0.01),
    "clipped values": lambda: SGD(0.5, clipvalue=0.001),
    "several": of_two,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_forward_layers_end_where_a_stock_model_does(name):
    ours, stock = twins(OPTIMIZERS[name])
    before = arrays(ours.forward_variables)
    for model in (ours, stock):
        fit(model)
    assert all(moved(before, arrays(ours.forward_variables)))
    same(arrays(ours.forward_variables), arrays(stock.trainable_variables))
    same(arrays(ours.optimizer.variables), arrays(stock.optimizer.variables), atol=1e-5)


@pytest.mark.slow
def test_they_do_so_compiled_too():
    ours, stock = twins(OPTIMIZERS["scaled averages"], run_eagerly=False)
    for model in (ours, stock):
        fit(model)
    same(arrays(ours.forward_variables), arrays(stock.trainable_variables))


SCALED = {
    "dynamic": (lambda rate: LossScaleOptimizer(SGD(rate)), "inverse-first", False),
    "fixed": (lambda rate: SGD(rate, loss_scale_factor=64.0), "parallel", False),
    "of each layer": (lambda rate: SGD(rate, loss_scale_factor=1000 * rate), "inverse-first", True),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SCALED)
def test_a_scaled_loss_moves_forward_and_inverse_weights_as_one_that_is_not(name):
    make, schedule, many = SCALED[name]

    def trained(make):
        rule = DTP(target_step=0.5, schedule=schedule)
        inverse = [make(0.1)] if many else make(0.1)
        made = network(rule, optimizer=make(0.5), inverse_optimizer=inverse)
        before = arrays(made.trainable_variables)
        fit(made, epochs=1)
        assert all(moved(before, arrays(made.trainable_variables)))
        return arrays(made.trainable_variables)

    same(trained(make), trained(SGD), atol=1e-5)


def averaging(rate):
    return SGD(rate, use_ema=True, ema_momentum=0.5)


class Averages(keras.callbacks.Callback):
    """Keeps the mean that each weight should end as, by the definition."""

    def __init__(self):
        super().__init__()
        self.means = None

    def on_train_batch_end(self, batch, logs=None):
        now = arrays(self.model.trainable_variables)
        if self.means is None:
            self.means = now
        self.means = [(one + other) / 2 for one, other in zip(self.means, now, strict=True)]


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.slow
def test_training_ends_with_the_average_of_each_weights_own_course(many):
    inverse = [averaging(0.1)] if many else averaging(0.1)
    made, averages = network(optimizer=averaging(0.5), inverse_optimizer=inverse), Averages()
    fit(made, callbacks=averages)
    same(arrays(made.trainable_variables), averages.means)


@pytest.mark.slow
def test_a_network_that_training_builds_ends_with_its_averages_too():
    made, averages = unbuilt(optimizer=averaging(0.5), inverse_optimizer=averaging(0.1)), Averages()
    made.fit(Batches(), shuffle=False, verbose=0, callbacks=averages)
    same(arrays(made.trainable_variables), averages.means)


@pytest.mark.slow
def test_inverses_keep_their_weights_where_only_the_forward_layers_have_averages():
    plain, averaged = network(), network(optimizer=averaging(0.5))
    for made in (plain, averaged):
        fit(made, epochs=1)
    same(arrays(averaged.inverse_variables), arrays(plain.inverse_variables))
    assert all(moved(arrays(averaged.forward_variables), arrays(plain.forward_variables)))


@pytest.mark.slow
def test_averages_that_have_not_begun_put_nothing_in_the_place_of_weights():
    made = network(DTP(schedule="alternating"), optimizer=averaging(0.5))
    before = arrays(made.forward_variables)
    fit(made, epochs=1)  # the pass of the inverses
    same(arrays(made.forward_variables), before)


@pytest.mark.slow
def test_an_inverse_optimizer_of_its_own_clips_and_accumulates_its_own_gradients():
    clipped = network(inverse_optimizer=SGD(0.1, global_clipnorm=1e-4))
    before = arrays(clipped.inverse_variables)
    fit(clipped, epochs=1, batch_size=16)
    step = [now - old for now, old in zip(arrays(clipped.inverse_variables), before, strict=True)]
    assert np.sqrt(sum(np.sum(one**2) for one in step)) == pytest.approx(0.1 * 1e-4, rel=1e-2)

    late = network(inverse_optimizer=SGD(0.1, gradient_accumulation_steps=3))
    before = arrays(late.inverse_variables)
    fit(late, epochs=1)  # two steps
    same(arrays(late.inverse_variables), before, atol=0)
    fit(late, epochs=1)
    assert all(moved(arrays(late.inverse_variables), before))


@pytest.mark.slow
def test_an_optimizer_keeps_its_state_when_it_is_compiled_again():
    forward, inverse = Adam(0.01), LossScaleOptimizer(Adam(0.01))
    made = network(optimizer=forward, inverse_optimizer=inverse)
    fit(made, epochs=1)
    counts = len(forward.variables), len(inverse.variables)
    made.compile(forward, inverse, run_eagerly=True)
    fit(made, epochs=1)
    assert (len(forward.variables), len(inverse.variables)) == counts
    assert int(forward.iterations) == int(inverse.iterations) == 4


def test_one_optimizer_within_two_is_refused():
    inner = SGD(0.1)
    with pytest.raises(SettingError, match="`optimizer` and `inverse_optimizer`.*one twice"):
        network().compile(LossScaleOptimizer(inner), inner)


def test_no_optimizer_for_feedback_that_learns_is_refused():
    with pytest.raises(SettingError, match="DTP trains feedback, and `inverse_optimizer` is None"):
        network(inverse_optimizer=None)


@pytest.mark.slow
def test_a_learning_rate_that_is_set_by_hand_is_that_of_its_own_path():
    made = network(run_eagerly=False)
    fit(made, epochs=1)
    made.optimizer.learning_rate = 0.0
    before = arrays(made.forward_variables), arrays(made.inverse_variables)
    fit(made, epochs=1)
    same(arrays(made.forward_variables), before[0], atol=0)
    assert all(moved(arrays(made.inverse_variables), before[1]))
