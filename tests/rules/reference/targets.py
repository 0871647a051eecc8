"""The targets {i: t_i}, i = 1 .. M-1, of every rule that has them: `(net, h, y, eta)` each."""

from reference.net import answers, g, labels, logits_gradient, q, top_gradient


def tp(net, h, y, eta):
    """t_{i-1} = g_i(t_i) below a gradient step of the top hidden layer."""
    t = {net.top: h[net.top] - eta * top_gradient(net, h, y)}
    for i in range(net.top, 1, -1):
        t[i - 1] = g(net, i, t[i])
    return t


def dtp(net, h, y, eta):
    """t_{i-1} = h_{i-1} - g_i(h_i) + g_i(t_i) below a gradient step of the top hidden layer."""
    return differences(net, h, {net.top: h[net.top] - eta * top_gradient(net, h, y)})


def sdtp(net, h, y, eta=None):
    """The top hidden layer's from the label itself: h - g_M(p) + g_M(y), y one-hot for classes."""
    p = answers(h[net.last], net.output)
    top = h[net.top] - g(net, net.last, p) + g(net, net.last, labels(h, y, net.output))
    return differences(net, h, {net.top: top})


def from_logits(net, h, y, eta):
    """Down from a gradient step of the logits, t_M = h_M - eta dC/dh_M."""
    t = differences(net, h, {net.last: h[net.last] - eta * logits_gradient(h, y, net.output)})
    del t[net.last]
    return t


def ddtp_linear(net, h, y, eta):
    """t_i = h_i + q_i(t_M) - q_i(h_M)"""
    t_last = h[net.last] - eta * logits_gradient(h, y, net.output)
    return {i: h[i] + q(net, i, t_last) - q(net, i, h[net.last]) for i in range(1, net.last)}


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
    "drl": from_logits,
    "ddtp_linear": ddtp_linear,
    "ldrl": from_logits,
    "fwdtp": dtp,
}
