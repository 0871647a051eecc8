"""Learning rates go the course that a recipe states, update by update."""

import keras
import numpy as np
import pytest
from helpers import digits

from dtp_tf.network.warmup import Warmup
from dtp_tf.recipes.recipe import recipe
from dtp_tf.training.building import build_network
from dtp_tf.training.optimizers import make_optimizer

RATE, EPOCHS, UPDATES = 0.4, 10, 50


def rates(course, epochs=EPOCHS, updates=UPDATES, before=0, text="sgd"):
    """Return the rate of each update of a training."""
    optimizer = make_optimizer(text, RATE, course, updates, epochs, before)
    found = []
    for _ in range(updates):
        found.append(float(optimizer.learning_rate))
        optimizer.iterations.assign_add(1)
    return np.array(found)


def cosine(steps, lowest=0.0):
    return lowest + (RATE - lowest) * (1 + np.cos(np.pi * np.arange(steps) / steps)) / 2


def test_a_cosine_falls_to_its_lowest_at_the_end_of_its_epochs():
    expected = np.concatenate([cosine(40, 0.01), np.full(10, 0.01)])
    np.testing.assert_allclose(rates("cosine min=0.01 epochs=8"), expected, rtol=1e-5)


@pytest.mark.slow
def test_a_step_falls_at_the_ends_of_epochs():
    found = rates("step every=4 factor=0.5")
    np.testing.assert_allclose(found, np.repeat([0.4, 0.2, 0.1], [20, 20, 10]), rtol=1e-6)
    found = rates("step at=1,9")
    np.testing.assert_allclose(found, np.repeat([0.4, 0.04, 0.004], [5, 40, 5]), rtol=1e-6)
    found = rates("step", epochs=3, updates=6)
    np.testing.assert_allclose(found, np.repeat([0.4, 0.04, 0.004], 2), rtol=1e-6)


@pytest.mark.parametrize(
    ("course", "after"),
    [
        ("constant", np.full(40, RATE)),
        ("cosine", cosine(40)),
        ("cosine epochs=6", np.concatenate([cosine(20), np.zeros(20)])),
        ("step at=4 factor=0.5", np.repeat([0.4, 0.2], [10, 30])),
    ],
)
def test_a_warmup_goes_before_any_course_and_is_counted_with_it(course, after):
    expected = np.concatenate([RATE * np.arange(10) / 10, after])
    np.testing.assert_allclose(rates(f"{course} warmup=2"), expected, rtol=1e-5, atol=1e-7)


def test_a_cosine_with_a_warmup_is_keras_own():
    own = keras.optimizers.schedules.CosineDecay(
        0.0, 30, alpha=0.1, warmup_target=RATE, warmup_steps=10
    )
    expected = [float(own(step)) for step in range(UPDATES)]
    np.testing.assert_allclose(rates("cosine min=0.04 epochs=8 warmup=2"), expected, rtol=1e-5)


def test_accumulated_gradients_are_one_update():
    optimizer = make_optimizer(
        "sgd gradient_accumulation_steps=5", RATE, "step at=5", UPDATES, EPOCHS
    )
    found = []
    for _ in range(UPDATES):
        found.append(float(optimizer.learning_rate))
        optimizer._iterations.assign_add(1)
    np.testing.assert_allclose(found, np.repeat([0.4, 0.04], [25, 25]), rtol=1e-6)


def test_passes_before_the_first_epoch_are_no_part_of_it():
    found = rates("step at=1", updates=60, before=10)
    np.testing.assert_allclose(found, np.repeat([0.4, 0.04], [15, 45]), rtol=1e-6)


def test_a_warmup_survives_its_config():
    schedule = Warmup(keras.optimizers.schedules.CosineDecay(0.1, 5), 3)
    read = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert [float(read(step)) for step in range(9)] == [float(schedule(step)) for step in range(9)]


def test_layers_and_inverses_have_courses_of_their_own():
    made = build_network(
        recipe(
            "digits", units=(6, 5), batch_size=40, epochs=4, schedule="inverse-first",
            inverse_steps=3, inverse_epochs_before=2, inverse_epochs_after=1,
            learning_rate=0.1, learning_rate_schedule="step at=2",
            inverse_learning_rate=0.2, inverse_learning_rate_schedule="step at=2 factor=0.5",
        ),
        digits(),
    )
    (forward, _), (inverse, _) = made.optimized()
    batches = len(digits().train) // 40
    for optimizer, at, high, low in ((forward, 2, 0.1, 0.01), (inverse, 18, 0.2, 0.1)):
        for step, rate in ((at * batches - 1, high), (at * batches, low)):
            optimizer.iterations.assign(step)
            assert float(optimizer.learning_rate) == pytest.approx(rate)
