"""The signals {i: what stands for dC/dh_i}, i = 1 .. M-1: `(net, h, y)` each."""

import numpy as np

from reference.net import labels, logits_gradient, probabilities, q, slope


def bp(net, h, y):
    """The true gradients, by the transposed weights."""
    signals, signal = {}, logits_gradient(h, y, net.output)
    for i in range(net.last, 1, -1):
        signals[i - 1] = signal = (signal * slope(net, i, h[i])) @ net.f[i][0].T
    return signals


def fa(net, h, y):
    """B_i in the place of W_i^T."""
    signals, signal = {}, logits_gradient(h, y, net.output)
    for i in range(net.last, 1, -1):
        signals[i - 1] = signal = q(net, i, signal * slope(net, i, h[i]))
    return signals


def dfa(net, h, y):
    """The error at the logits through one matrix to each layer."""
    return {i: q(net, i, logits_gradient(h, y, net.output)) for i in range(1, net.last)}


def drtp(net, h, y):
    """The label through one matrix to each layer."""
    return {i: q(net, i, labels(h, y, net.output)) for i in range(1, net.last)}


def sign_symmetry(net, h, y):
    """sign(W_i) in the place of W_i."""
    signals, signal = {}, logits_gradient(h, y, net.output)
    for i in range(net.last, 1, -1):
        signals[i - 1] = signal = (signal * slope(net, i, h[i])) @ np.sign(net.f[i][0]).T
    return signals


INCREMENT = 0.1
INVERSES = {
    "linear": lambda y: y,
    "tanh": np.arctanh,
    "sigmoid": lambda y: np.log(y / (1 - y)),
    "elu": lambda y: np.where(y > 0, y, np.log1p(np.minimum(y, 0))),
}


def gait_prop(net, h, y, gamma=INCREMENT):
    """(h_i - t_i) / gamma^(M-i) of targets that go down by the inverses of the layers."""
    signals, target = {}, h[net.last] - logits_gradient(h, y, net.output)
    for i in range(net.last, 1, -1):
        weight, bias = net.f[i]
        share = gamma * slope(net, i, h[i]) ** 2
        point = (1 - share) * h[i] + share * target
        undone = INVERSES["linear" if i == net.last else net.s](point) - bias
        # What the layer does not see of the one below stays as it is.
        unseen = h[i - 1] - h[i - 1] @ weight @ np.linalg.pinv(weight)
        target = undone @ np.linalg.pinv(weight) + unseen
        signals[i - 1] = (h[i - 1] - target) / gamma ** (net.last - i + 1)
    return signals


def local_error(net, h, y):
    """(p_i - onehot) Q_i^T, by the probabilities p_i of a linear classifier on each layer."""
    return {
        i: (probabilities(q(net, i, h[i])) - labels(h, y, net.output)) @ net.q[i][0].T
        for i in range(1, net.last)
    }


SIGNALS = {
    "bp": bp,
    "gait_prop": gait_prop,
    "fa": fa,
    "dfa": dfa,
    "drtp": drtp,
    "sign_symmetry": sign_symmetry,
    "kp": fa,
    "weight_mirror": fa,
    "local_error": local_error,
}
