"""The targets {i: t_i}, i = 1 .. M-1, of every rule that has them: `(net, h, y, eta)` each."""

import numpy as np

from reference.net import (
    answers,
    auxiliary_output,
    g,
    g_auxiliary,
    labels,
    logits_gradient,
    q,
    q_of_features,
    slope,
    top_gradient,
)

DAMPING = 0.1


def tp(net, h, y, eta):
    """t_{i-1} = g_i(t_i) below a gradient step of the top hidden layer."""
    t = {net.top: h[net.top] - eta * top_gradient(net, h, y)}
    for i in range(net.top, 1, -1):
        t[i - 1] = g(net, i, t[i])
    return t


def dtp(net, h, y, eta):
    """t_{i-1} = h_{i-1} - g_i(h_i) + g_i(t_i) below a gradient step of the top hidden layer."""
    return differences(net, h, {net.top: h[net.top] - eta * top_gradient(net, h, y)})


def sdtp(net, h, y, eta):
    """The top hidden layer's on the way to the label: h - g_M(p) + g_M(p + eta (y - p)), y one-hot
    for classes."""
    p, t = on_the_way_to_the_label(net, h, y, eta)
    top = h[net.top] - g(net, net.last, p) + g(net, net.last, t)
    return differences(net, h, {net.top: top})


def ao_sdtp(net, h, y, eta):
    """As `sdtp`, with the same random features z beside the answers and their target."""
    both = on_the_way_to_the_label(net, h, y, eta)
    at_p, at_t = (g_auxiliary(net, auxiliary_output(net, o, h[net.top])) for o in both)
    return differences(net, h, {net.top: h[net.top] - at_p + at_t})


def on_the_way_to_the_label(net, h, y, eta):
    p = answers(h[net.last], net.output)
    return p, p + eta * (labels(h, y, net.output) - p)


def from_logits(net, h, y, eta):
    """Down from a gradient step of the logits, t_M = h_M - eta dC/dh_M."""
    t = differences(net, h, {net.last: h[net.last] - eta * logits_gradient(h, y, net.output)})
    del t[net.last]
    return t


def ddtp_linear(net, h, y, eta):
    """t_i = h_i + q_i(t_M) - q_i(h_M)"""
    t_last = h[net.last] - eta * logits_gradient(h, y, net.output)
    return {i: h[i] + q(net, i, t_last) - q(net, i, h[net.last]) for i in range(1, net.last)}


def ddtp_rhl(net, h, y, eta):
    """As `ddtp_linear`, by maps through random features."""
    t_last, m = h[net.last] - eta * logits_gradient(h, y, net.output), q_of_features
    return {i: h[i] + m(net, i, t_last) - m(net, i, h[net.last]) for i in range(1, net.last)}


def gnt(net, h, y, eta):
    """t_i = h_i - eta J^T (J J^T + lambda 1)^-1 e, J = dh_M / dh_i of each example"""
    error, t = logits_gradient(h, y, net.output), {}
    jacobian = np.broadcast_to(np.eye(error.shape[1]), (len(error), *[error.shape[1]] * 2))
    for i in range(net.last, 1, -1):
        jacobian = (jacobian * slope(net, i, h[i])[:, None]) @ net.f[i][0].T
        t[i - 1] = h[i - 1].copy()
        for b, (j, e) in enumerate(zip(jacobian, error, strict=True)):
            t[i - 1][b] -= eta * j.T @ np.linalg.inv(j @ j.T + DAMPING * np.eye(len(j))) @ e
    return t


def ccl(net, h, y, eta=None):
    """b_M = onehot, b_{i-1} = g_i(b_i): nothing of the forward network."""
    b = backward(net, h, y)
    return {i: b[i] for i in range(1, net.last)}


def backward(net, h, y):
    b = {net.last: labels(h, y, net.output)}
    for i in range(net.last, 1, -1):
        b[i - 1] = g(net, i, b[i])
    return b


def differences(net, h, t):
    """Go on from the one target in `t` down to t_1 by difference corrections."""
    (start,) = t
    for i in range(start, 1, -1):
        t[i - 1] = h[i - 1] - g(net, i, h[i]) + g(net, i, t[i])
    return t


TARGETS = {
    "tp": tp,
    "dtp": dtp,
    "sdtp": sdtp,
    "ao_sdtp": ao_sdtp,
    "drl": from_logits,
    "ddtp_linear": ddtp_linear,
    "ddtp_rhl": ddtp_rhl,
    "ddtp_control": ddtp_linear,
    "gnt": gnt,
    "ldrl": from_logits,
    "fwdtp": dtp,
    "ccl": ccl,
}
