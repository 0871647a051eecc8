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


def local_error(net, h, y):
    """(p_i - onehot) Q_i^T, by the probabilities p_i of a linear classifier on each layer."""
    return {
        i: (probabilities(q(net, i, h[i])) - labels(h, y, net.output)) @ net.q[i][0].T
        for i in range(1, net.last)
    }


SIGNALS = {
    "bp": bp,
    "fa": fa,
    "dfa": dfa,
    "drtp": drtp,
    "sign_symmetry": sign_symmetry,
    "kp": fa,
    "weight_mirror": fa,
    "local_error": local_error,
}
