"""The losses of the feedback weights, and their gradients.

For one layer, each function `(net, h, y, i, sigma, eps)` returns the loss of each example, and the
uses that it makes of the layer's feedback: pairs of an input and the gradient of the loss by the
output for this input. `eps` lists the normal numbers of each draw.
"""

import numpy as np

from reference.net import (
    ACTIVATIONS,
    answers,
    auxiliary_output,
    dense_gradients,
    f,
    features,
    g,
    g_auxiliary,
    g_gradients,
    logits_gradient,
    probabilities,
    q,
    q_of_features,
    slope,
)
from reference.signals import fa
from reference.targets import backward


def dtp(net, h, y, i, sigma, eps):
    """|| g_i(f_i(h~)) - h~ ||^2,   h~ = h_{i-1} + sigma eps"""
    corrupted = h[i - 1] + sigma * eps[0]
    above = f(net, i, corrupted)
    error = g(net, i, above) - corrupted
    return squared(error), [(above, 2 * error)]


def sdtp(net, h, y, i, sigma, eps):
    """|| g_i(f_i(h~)) - h_{i-1} ||^2, or - h~ without denoising, where f_M gives the answers"""
    corrupted = h[i - 1] + sigma * eps[0]
    above = f(net, i, corrupted)
    if i == net.last:
        above = answers(above, net.output)
    error = g(net, i, above) - (h[i - 1] if net.denoising else corrupted)
    return squared(error), [(above, 2 * error)]


def ao_sdtp(net, h, y, i, sigma, eps):
    """As `sdtp`, where f_M gives the answers and random features beside them"""
    if i < net.last:
        return sdtp(net, h, y, i, sigma, eps)
    corrupted = h[net.top] + sigma * eps[0]
    above = auxiliary_output(net, answers(f(net, i, corrupted), net.output), corrupted)
    back = g_auxiliary(net, above)
    error = back - (h[net.top] if net.denoising else corrupted)
    slope_r = 1 if net.inverse_first else ACTIVATIONS[net.r][1](back)
    return squared(error), [(above, 2 * error * slope_r)]


def drl(net, h, y, i, sigma, eps):
    """|| h~ - r ||^2 / sigma^2,   r = h_{i-1} - g_i(h_i) + g_i(t^)

    t^ is h~ taken up through f_i .. f_M and down through g_M .. g_{i+1} by difference corrections.
    """
    corrupted = h[i - 1] + sigma * eps[0]
    t = corrupted
    for j in range(i, net.last + 1):
        t = f(net, j, t)
    for j in range(net.last, i, -1):
        t = h[j - 1] - g(net, j, h[j]) + g(net, j, t)
    error = corrupted - (h[i - 1] - g(net, i, h[i]) + g(net, i, t))
    delta = -2 * error / sigma**2
    return squared(error) / sigma**2, [(t, delta), (h[i], -delta)]


def ddtp_linear(net, h, y, i, sigma, eps):
    """|| h~ - ( h_i + q_i(y~) - q_i(h_M) ) ||^2 / sigma^2,   y~ = the logits for h~ in layer i"""
    corrupted = h[i] + sigma * eps[0]
    logits = corrupted
    for j in range(i + 1, net.last + 1):
        logits = f(net, j, logits)
    error = corrupted - (h[i] + q(net, i, logits) - q(net, i, h[net.last]))
    delta = -2 * error / sigma**2
    return squared(error) / sigma**2, [(logits, delta), (h[net.last], -delta)]


def ldrl(net, h, y, i, sigma, eps):
    """-2 < dx, g(f(x + dx)) - g(y) > + || g(y + dy) - g(y) ||^2,   x = h_{i-1}, y = h_i"""
    x, own = h[i - 1], h[i]
    dx, dy = sigma * eps[0], sigma * eps[1]
    up = f(net, i, x + dx)
    rise = g(net, i, up) - g(net, i, own)
    change = g(net, i, own + dy) - g(net, i, own)
    loss = -2 * (dx * rise).sum(axis=1) + squared(change)
    return loss, [(up, -2 * dx), (own, 2 * dx - 2 * change), (own + dy, 2 * change)]


def pushed(net, h, i, sigma, eps):
    """(h~, the logits for it), h~ = h_i + sigma eps"""
    corrupted = logits = h[i] + sigma * eps[0]
    for j in range(i + 1, net.last + 1):
        logits = f(net, j, logits)
    return corrupted, logits


def ddtp_rhl(net, h, y, i, sigma, eps):
    """As `ddtp_linear`, by maps through random features."""
    corrupted, logits = pushed(net, h, i, sigma, eps)
    at_noise, at_h = (q_of_features(net, i, t) for t in (logits, h[net.last]))
    error = corrupted - (h[i] + at_noise - at_h)
    delta = -2 * error / sigma**2
    return squared(error) / sigma**2, [
        (features(net, i, logits), delta * (1 - at_noise**2)),
        (features(net, i, h[net.last]), -delta * (1 - at_h**2)),
    ]


def ddtp_control(net, h, y, i, sigma, eps):
    """|| h~ - q_i(y~) ||^2"""
    corrupted, logits = pushed(net, h, i, sigma, eps)
    error = corrupted - q(net, i, logits)
    return squared(error), [(logits, -2 * error)]


def ccl(net, h, y, i, sigma, eps):
    """|| h_{i-1} - g_i(b_i) ||^2"""
    b = backward(net, h, y)[i]
    error = h[i - 1] - g(net, i, b)
    return squared(error), [(b, -2 * error)]


def kp(net, h, y, i, sigma, eps):
    """< h_{i-1}, delta_i B_i >, delta_i = signal_i s'(a_i)"""
    signal = logits_gradient(h, y, net.output) if i == net.last else fa(net, h, y)[i]
    delta = signal * slope(net, i, h[i])
    return (h[i - 1] * q(net, i, delta)).sum(axis=1), [(delta, h[i - 1])]


def weight_mirror(net, h, y, i, sigma, eps):
    """- < x, y B_i > / sigma^2, x = sigma eps, y = x W_i"""
    x = sigma * eps[0]
    seen = x @ net.f[i][0]
    return -(x * q(net, i, seen)).sum(axis=1) / sigma**2, [(seen, -x / sigma**2)]


def local_error(net, h, y, i, sigma, eps):
    """- log softmax(h_i Q_i + q_i)[y]"""
    p = probabilities(q(net, i, h[i]))
    loss = -np.log(p[np.arange(len(y)), y])
    return loss, [(h[i], p - np.eye(p.shape[1])[y])]


def squared(a):
    return (a**2).sum(axis=1)


FEEDBACK = {
    "tp": dtp,
    "dtp": dtp,
    "sdtp": sdtp,
    "ao_sdtp": ao_sdtp,
    "drl": drl,
    "ddtp_linear": ddtp_linear,
    "ddtp_rhl": ddtp_rhl,
    "ddtp_control": ddtp_control,
    "ldrl": ldrl,
    "ccl": ccl,
    "kp": kp,
    "weight_mirror": weight_mirror,
    "local_error": local_error,
}


def of_layer(sigma, i):
    """One layer's noise, of a number for all or {i: a number}."""
    return sigma[i] if isinstance(sigma, dict) else sigma


def learned(net, i):
    """The weights and biases that learn: not random features."""
    return net.q[i][-2:] if i in net.q else net.g[i]


def feedback_losses(rule, net, h, y, sigma, eps, l2=0.0):
    """{i: the loss of each example} for the layers i of which `eps` has noise."""
    return {
        i: FEEDBACK[rule](net, h, y, i, of_layer(sigma, i), eps[i])[0]
        + l2 * (learned(net, i)[0] ** 2).sum()
        for i in eps
    }


def feedback_gradients(rule, net, h, y, sigma, eps, l2=0.0):
    """{i: the gradients of the layer's weights and biases} of the means of `feedback_losses`."""
    gradients = {}
    for i in eps:
        _, uses = FEEDBACK[rule](net, h, y, i, of_layer(sigma, i), eps[i])
        weight, *biases = learned(net, i)
        if i in net.q:
            parts = [dense_gradients(*use)[: 1 + len(biases)] for use in uses]
        else:
            parts = [g_gradients(net, i, *use) for use in uses]
        kernel, *bias = (sum(many) for many in zip(*parts, strict=True))
        gradients[i] = kernel + 2 * l2 * weight, *bias
    return gradients
