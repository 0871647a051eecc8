"""What each loss of the feedback weights teaches a linear layer, against its closed form.

Plain SGD with fresh noise in every step and a step size that falls like 1/k, so that the noise
averages out. Rows are examples: a = h W + b, and g(t) = t V + c.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

import dtp_tf
from dtp_tf import rules

EXAMPLES, SIGMA, STEPS = 1000, 0.6, 400
SIZES = (6, 4, 3)


def examples():
    """h_1 of the networks below: correlated, and not around 0."""
    rng = np.random.default_rng(0)
    mixing = np.diag([1.2, 1.0, 0.9, 0.7, 0.6, 0.5]) @ orthogonal(rng, 6, 6)
    return (0.2 + rng.normal(size=(EXAMPLES, 6)) @ mixing).astype("float32")


def orthogonal(rng, rows, columns):
    return np.linalg.qr(rng.normal(size=(rows, columns)))[0]


def weights():
    """W_2 (6, 4) and W_3 (4, 3): not orthogonal, so that transposes are no inverses."""
    rng = np.random.default_rng(1)
    second = orthogonal(rng, 6, 4) @ np.diag([1.4, 1.1, 0.9, 0.8]) @ orthogonal(rng, 4, 4)
    third = orthogonal(rng, 4, 3) @ np.diag([1.3, 1.0, 0.8]) @ orthogonal(rng, 3, 3)
    return second.astype("float32"), third.astype("float32")


def trained(rule, rate):
    """A network of linear layers whose feedback has learned to convergence, the rest fixed."""
    keras.utils.set_random_seed(0)
    pairs = [
        dtp_tf.DensePair(units, "linear", inverse_kernel_initializer="zeros") for units in SIZES[:2]
    ]
    network = dtp_tf.DTPNetwork(pairs, SIZES[2], rule=rule)
    network.build((None, SIZES[0]))
    falling = keras.optimizers.schedules.InverseTimeDecay(rate, decay_steps=40, decay_rate=1.0)
    network.compile(keras.optimizers.SGD(0.0), keras.optimizers.SGD(falling), metrics=None)
    kernels = [layer.forward_variables[0] for layer in network.layers_up]
    for kernel, value in zip(kernels, (np.eye(6), *weights()), strict=True):
        kernel.assign(value)
    x = examples()
    data = tf.data.Dataset.from_tensors((x, np.arange(EXAMPLES) % 3)).repeat()
    network.set_phase(("inverse",))
    network.fit(data, steps_per_epoch=STEPS, shuffle=False, verbose=0)
    return network


def learned(network, layer):
    return [keras.ops.convert_to_numpy(v) for v in network.feedback_variables(layer)]


def near(found, expected, other=None, tolerance=0.02):
    """Equal up to 2 % of the norm, and far from what another loss would teach."""
    scale = np.linalg.norm(expected)
    assert np.linalg.norm(found - expected) < tolerance * scale
    if other is not None:
        assert np.linalg.norm(other - expected) > 5 * tolerance * scale


def ridge(a, target, penalty):
    """(A^T A + penalty I)^-1 A^T target"""
    return np.linalg.solve(a.T @ a + penalty * np.eye(a.shape[1]), a.T @ target)


@pytest.mark.slow
def test_ldrl_learns_the_transposed_weights():
    # With y = x W: E[ -2 < dx, dx W V > + || dy V ||^2 ] = sigma^2 ( -2 tr(W V) + || V ||^2 )
    #             = sigma^2 || V - W^T ||^2 + const, the smallest at V = W^T.
    network = trained(rules.LDRL(noise=SIGMA, inverse_steps=1), rate=0.5)
    for layer, kernel in zip((1, 2), weights(), strict=True):
        near(learned(network, layer)[0], kernel.T, other=np.linalg.pinv(kernel))


@pytest.mark.slow
def test_after_ldrl_the_targets_are_steps_along_backpropagations_gradients():
    network = trained(rules.LDRL(noise=SIGMA, inverse_steps=1, target_step=1.0), rate=0.5)
    second, third = weights()
    batch = dtp_tf.network.batch.Batch(
        network, tf.constant(examples()), tf.constant(np.arange(EXAMPLES) % 3)
    )
    gradient = batch.output_gradient().numpy()
    first, top = network.rule.targets(network, batch)
    near((top - batch.h[2]).numpy(), -gradient @ third.T)
    near((first - batch.h[1]).numpy(), -gradient @ third.T @ second.T)


@pytest.mark.slow
@pytest.mark.parametrize("rule", [rules.DTP, rules.TP, rules.SDTP])
def test_the_denoising_losses_learn_a_least_squares_inverse(rule):
    # dtp, tp: E || h~ W V + c - h~ ||^2 regresses h~ on h~ W. With S the covariance of h,
    #     V = (W^T (S + sigma^2 I) W)^-1 W^T (S + sigma^2 I),   so that V W = I: a left inverse
    # in the columns' sense, f(g(t)) = t.
    # sdtp: E || h~ W V + c - h ||^2 regresses h instead: the noise has no covariance with h, and
    #     V = (W^T (S + sigma^2 I) W)^-1 W^T S
    # shrinks towards 0 with sigma as a ridge regression does.
    # In both, c takes the means along: c = mean(h) (I - W V).
    second, _ = weights()
    h = examples().astype("float64")
    clean = np.cov(h.T, bias=True)
    noisy = clean + SIGMA**2 * np.eye(6)

    def regression(cross):
        return np.linalg.solve(second.T @ noisy @ second, second.T @ cross)

    expected, other = regression(noisy), regression(clean)
    np.testing.assert_allclose(expected @ second, np.eye(4), atol=1e-5)
    if rule is rules.SDTP:
        expected, other = other, expected
    network = trained(rule(noise=SIGMA, schedule="parallel"), rate=0.15)
    kernel, bias = learned(network, 1)
    near(kernel, expected, other=other)
    near(kernel, expected, other=second.T)
    near(bias, h.mean(axis=0) @ (np.eye(6) - second @ expected), tolerance=0.1)


@pytest.mark.slow
def test_without_noise_sdtp_and_dtp_learn_the_same():
    kernels = [
        learned(trained(rule(noise=0.0, schedule="parallel"), rate=0.15), 1)[0]
        for rule in (rules.DTP, rules.SDTP)
    ]
    np.testing.assert_allclose(*kernels, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("penalty", [0.0, 0.3])
def test_drl_learns_damped_gauss_newton_steps(penalty):
    # Linear layers take a noise d = sigma eps up and down to d A_i, and r to h + d A_i V_i, where
    #     A_i = W_i .. W_M V_M .. V_{i+1}.
    # E || d - d A V ||^2 / sigma^2 + lambda || V ||^2 = || I - A V ||^2 + lambda || V ||^2:
    #     V_i = (A_i^T A_i + lambda I)^-1 A_i^T.
    # For i = M this is the damped Gauss-Newton step through W_M. Without damping V_M .. V_i is even
    # the pseudo-inverse of W_i .. W_M (a product of a matrix of full column rank by one of full
    # row rank), so that t_{i-1} is a Gauss-Newton step through all layers above.
    second, third = weights()
    rule = rules.DRL(noise=SIGMA, inverse_l2=penalty, target_step=1.0)
    network = trained(rule, rate=0.25)
    highest = ridge(third, np.eye(4), penalty)
    up = second @ third @ highest
    # lstsq, for up has only 3 of 4 ranks: the smallest V, where training from 0 ends.
    lower = ridge(up, np.eye(6), penalty) if penalty else np.linalg.pinv(up, rcond=1e-5)
    near(learned(network, 2)[0], highest, other=third.T)
    near(learned(network, 1)[0], lower, other=second.T)

    batch = dtp_tf.network.batch.Batch(
        network, tf.constant(examples()), tf.constant(np.arange(EXAMPLES) % 3)
    )
    step = -batch.output_gradient().numpy()
    first, top = network.rule.targets(network, batch)
    near((top - batch.h[2]).numpy(), step @ ridge(third, np.eye(4), penalty))
    if penalty == 0:
        near((first - batch.h[1]).numpy(), step @ np.linalg.pinv(second @ third))


@pytest.mark.slow
def test_ddtp_linear_learns_damped_gauss_newton_steps_through_all_layers_above():
    # Noise d on h_i moves the logits by d J with J = W_{i+1} .. W_M, so that the loss is
    # || I - J Q ||^2 + lambda || Q ||^2, the smallest at Q_i = (J^T J + lambda I)^-1 J^T.
    second, third = weights()
    network = trained(rules.DDTPLinear(noise=SIGMA, inverse_l2=0.3), rate=0.25)
    for layer, above in ((0, second @ third), (1, third)):
        expected = ridge(above, np.eye(len(above)), 0.3)
        near(learned(network, layer)[0], expected, other=above.T)


@pytest.mark.slow
@pytest.mark.parametrize("rule", [rules.LDRL, rules.DRL])
def test_the_bias_of_linear_feedback_has_no_part_in_differences(rule):
    # It cancels in g(a) - g(b), so it stays where it began.
    network = trained(rule(noise=SIGMA, schedule="parallel", inverse_steps=1), rate=0.25)
    for layer in network.trained_feedback:
        np.testing.assert_allclose(learned(network, layer)[1], 0, atol=1e-4)
