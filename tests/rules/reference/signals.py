"""The signals {i: what stands for dC/dh_i}, i = 1 .. M-1: `(net, h, y)` each."""

from reference.net import logits_gradient, q, slope


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


SIGNALS = {"bp": bp, "fa": fa, "dfa": dfa}
