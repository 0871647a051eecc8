"""Angles with known answers, and that measuring changes nothing."""

import csv

import keras
import numpy as np
import pytest
from helpers import TINY, arrays, assert_same_arrays, train, transpose_inverses

import dtp_tf
from dtp_tf.evaluating.diagnostics import (
    Diagnostics,
    angle,
    gauss_newton_step,
    norm,
    rounding_angle,
    rounding_warning,
)
from dtp_tf.rules import BY_NAME

CLASSES, INPUTS = 3, 6


def data(examples=16):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(examples, INPUTS)).astype("float32")
    return x, rng.integers(CLASSES, size=examples)


def network(rule, units=(7, 5, 4), activation="tanh", **pair):
    keras.utils.set_random_seed(3)
    pairs = [dtp_tf.DensePair(one, activation, **pair) for one in units]
    model = dtp_tf.DTPNetwork(pairs, CLASSES, rule=rule)
    model.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
    model.build((None, INPUTS))
    return model


def measured(model, examples=16):
    return Diagnostics(model, *data(examples)).measure()


# -- angles with known answers --------------------------------------------------------------------


def test_identical_vectors_have_no_angle_between_them():
    vector = np.random.default_rng(0).normal(size=(20, 30)).astype("float32")
    assert angle(vector, vector) == 0
    assert angle(vector, 7 * vector.astype("float64")) < 1e-6


def test_orthogonal_vectors_have_a_right_angle_between_them():
    assert angle([1, 0, 0], [0, -5, 2]) == pytest.approx(90, abs=1e-12)


def test_opposite_vectors_point_180_degrees_apart():
    vector = np.random.default_rng(0).normal(size=50)
    assert angle(vector, -3 * vector) == pytest.approx(180, abs=1e-6)


@pytest.mark.parametrize("degrees", [1e-7, 1e-3, 1, 30, 45, 135, 179.999])
def test_an_angle_is_found_to_float64_precision(degrees):
    radians = np.radians(degrees)
    assert angle([1, 0], [np.cos(radians), np.sin(radians)]) == pytest.approx(degrees, rel=1e-6)


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1e30, 1e200])
def test_tiny_and_huge_vectors_have_angles_too(scale):
    assert angle([scale, scale], [0, scale]) == pytest.approx(45)
    assert norm([3 * scale, 4 * scale]) == pytest.approx(5 * scale)


def test_a_vector_of_length_zero_has_no_angle():
    assert np.isnan(angle([0, 0], [1, 0]))
    assert np.isnan(angle([1, 0], [0, 0]))


def test_the_gauss_newton_step_by_hand():
    jacobian = np.array([[[2.0, 0, 0], [0, 1, 0]]])  # J J^T = diag(4, 1), mean eigenvalue 2.5
    step = gauss_newton_step(jacobian, np.array([[1.0, 2.0]]), damping=0.4)  # lambda = 1
    np.testing.assert_allclose(step, [[-2 / 5, -2 / 2, 0]])


def test_without_damping_a_gauss_newton_step_undoes_the_error():
    rng = np.random.default_rng(1)
    jacobian, error = rng.normal(size=(4, 3, 8)), rng.normal(size=(4, 3))
    step = gauss_newton_step(jacobian, error, damping=0)
    np.testing.assert_allclose(np.einsum("bcu,bu->bc", jacobian, step), -error)


# -- facts of the rules ---------------------------------------------------------------------------


@pytest.mark.slow
def test_backpropagation_is_at_no_angle_to_itself():
    found = measured(network(BY_NAME["bp"]()))
    for i in (1, 2, 3):
        assert found[f"angle_bp_{i}"] == 0
        assert found[f"norm_ratio_bp_{i}"] == 1


@pytest.mark.slow
def test_with_transposed_weights_linear_layers_are_taught_as_by_backpropagation():
    step = 0.5
    model = network(BY_NAME["ldrl"](target_step=step), activation="linear")
    transpose_inverses(model)
    found = measured(model)
    for i in (1, 2, 3):
        assert found[f"angle_bp_{i}"] < 1e-3
        # The gradient of || h - t ||^2 with t = h - step dC/dh is 2 step times dC/dh.
        assert found[f"norm_ratio_bp_{i}"] == pytest.approx(2 * step, rel=1e-4)
    for i in (2, 3, 4):
        assert found[f"angle_jacobian_{i}"] < 1e-4


@pytest.mark.slow
def test_matched_inverses_with_transposed_weights_have_the_transposed_jacobian():
    matched = dtp_tf.numerics.activations.matched("tanh")
    model = network(
        BY_NAME["ldrl"](target_step=1e-2), inverse_activation=matched, inverse_first=True
    )
    transpose_inverses(model)
    found = measured(model)
    for i in (2, 3, 4):
        assert found[f"angle_jacobian_{i}"] < 1e-2
    for i in (1, 2, 3):
        assert found[f"angle_bp_{i}"] < 1


@pytest.mark.slow
def test_with_negative_transposed_weights_the_update_points_the_other_way():
    model = network(BY_NAME["ldrl"](target_step=0.5), units=(5,), activation="linear")
    output = model.output_pair
    output.inverse_layer.kernel.assign(-np.transpose(output.forward_layer.kernel))
    assert measured(model)["angle_bp_1"] == pytest.approx(180, abs=1e-3)


@pytest.mark.slow
def test_with_pseudo_inverses_the_targets_of_linear_layers_are_gauss_newton_targets():
    model = network(BY_NAME["drl"](target_step=0.5), units=(8, 6, 5), activation="linear")
    for i in model.inverted:
        pair = model.layers_up[i]
        pair.inverse_layer.kernel.assign(np.linalg.pinv(np.asarray(pair.forward_layer.kernel)))
    found = measured(model)
    # Orthogonal weights: the pseudo-inverse is the transpose, and every damping is a mere factor.
    for i in (1, 2, 3):
        assert found[f"angle_gn_{i}"] < 1e-2


@pytest.mark.slow
@pytest.mark.parametrize("name", BY_NAME)
def test_every_rule_is_measured_at_every_hidden_layer(name):
    found = measured(network(BY_NAME[name](), units=(7, 5)))  # a layer less to trace
    for i in (1, 2):
        assert 0 <= found[f"angle_bp_{i}"] <= 180
        assert 0 <= found[f"angle_gn_{i}"] <= 180
        assert found[f"norm_ratio_bp_{i}"] > 0
        assert found[f"target_difference_{i}"] > 0
    assert all(isinstance(value, float) for value in found.values())


@pytest.mark.slow
def test_what_is_not_defined_is_left_out():
    model = network(BY_NAME["dtp"]())
    for pair in model.pairs[1:]:
        pair.inverse_layer.kernel.assign(np.zeros(pair.inverse_layer.kernel.shape))
    found = measured(model)  # constant inverses: no target moves below the top
    assert {"angle_bp_1", "angle_gn_1", "angle_jacobian_2"}.isdisjoint(found)
    assert found["target_difference_1"] == 0


# -- rounding -------------------------------------------------------------------------------------


def test_the_estimated_rounding_is_what_float32_does():
    rng = np.random.default_rng(2)
    h = np.tanh(rng.normal(size=(100, 200))).astype("float32")
    for size in (1e-6, 1e-7):
        difference = size * rng.normal(size=h.shape)
        kept = (h + difference.astype("float32")).astype("float64") - h
        assert rounding_angle(h, difference) == pytest.approx(angle(kept, difference), rel=0.1)


@pytest.mark.slow
def test_differences_that_drown_in_rounding_are_warned_about():
    model = network(BY_NAME["dtp"](target_step=1e-8))
    warning = rounding_warning(measured(model))
    assert warning.startswith("the target differences of layer 1, 2, 3 are so small")
    assert "`target_step`" in warning


@pytest.mark.slow
def test_differences_of_ordinary_size_are_not_warned_about():
    assert rounding_warning(measured(network(BY_NAME["dtp"]()))) is None


# -- training -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_measuring_changes_no_bit_of_the_training(tmp_path):
    settings = {**TINY, "deterministic": True}
    train(tmp_path / "without", **settings)
    train(tmp_path / "with", **settings, diagnostics_every=1, diagnostics_images=20)
    assert_same_arrays(
        arrays(tmp_path / "without/last.keras"), arrays(tmp_path / "with/last.keras")
    )


@pytest.mark.slow
def test_measurements_are_logged_when_they_are_due(tmp_path):
    measured = {"diagnostics_every": 2, "diagnostics_images": 20}
    _, history = train(tmp_path / "run", pictures=True, epochs=5, **measured)
    with open(tmp_path / "run/log.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    due = [row["angle_bp_1"] != "" for row in rows]
    assert due == [True, True, False, True, True]  # the first, every second, the last
    logged = history.history["angle_bp_1"]
    assert [value is not None for value in logged] == due
    assert float(rows[1]["angle_bp_1"]) == logged[1]
    assert (tmp_path / "run/diagnostics.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_without_diagnostics_there_is_no_picture_of_them(tmp_path):
    train(tmp_path / "run", pictures=True, epochs=1)
    assert not (tmp_path / "run/diagnostics.png").exists()


@pytest.mark.slow
def test_a_training_warns_once_of_differences_that_drown(tmp_path, capsys):
    dtp_tf.train(
        "digits",
        run_dir=tmp_path / "run",
        export_dir=None,
        **{**TINY, "epochs": 3, "target_step": 1e-8, "diagnostics_every": 1},
    )
    assert capsys.readouterr().out.count("warning: the target differences of layer") == 1
