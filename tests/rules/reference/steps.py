"""Local losses, their gradients, and whole training steps by plain gradient descent."""

import dataclasses

from reference.feedback import feedback_gradients
from reference.net import activations, dense_gradients, logits_gradient, slope
from reference.signals import SIGNALS
from reference.targets import TARGETS


def local_losses(rule, net, h, y, eta):
    """{i: || h_i - t_i ||^2, or < signal_i, h_i >, of each example}"""
    if rule in SIGNALS:
        signals = SIGNALS[rule](net, h, y)
        return {i: (signals[i] * h[i]).sum(axis=1) for i in signals}
    t = TARGETS[rule](net, h, y, eta)
    return {i: ((h[i] - t[i]) ** 2).sum(axis=1) for i in t}


def forward_gradients(rule, net, h, y, eta):
    """{i: (dL_i/dW_i, dL_i/db_i)} of the means of `local_losses`; for i = M those of C."""
    if rule in SIGNALS:
        by_h = SIGNALS[rule](net, h, y)
    else:
        t = TARGETS[rule](net, h, y, eta)
        by_h = {i: 2 * (h[i] - t[i]) for i in t}
    by_h[net.last] = logits_gradient(h, y, net.output)
    return {i: dense_gradients(h[i - 1], by_h[i] * slope(net, i, h[i])) for i in by_h}


def descend(weights, gradients, rates):
    """One step of plain gradient descent for the layers that have gradients; those of the last
    of a layer's weights, if there are less of them."""
    moved = dict(weights)
    for i, found in gradients.items():
        fixed, learned = weights[i][: -len(found)], weights[i][-len(found) :]
        steps = (w - rates[i] * d for w, d in zip(learned, found, strict=True))
        moved[i] = *fixed, *steps
    return moved


def feedback_step(rule, net, x, y, sigma, eps, rates, l2=0.0):
    """The net after one update of the feedback of the layers that have noise."""
    gradients = feedback_gradients(rule, net, activations(net, x), y, sigma, eps, l2)
    of_q, of_g = ({i: gradients[i] for i in gradients if i in own} for own in (net.q, net.g))
    return dataclasses.replace(net, q=descend(net.q, of_q, rates), g=descend(net.g, of_g, rates))


def forward_step(rule, net, x, y, eta, rate):
    """The net after one update of the forward layers."""
    gradients = forward_gradients(rule, net, activations(net, x), y, eta)
    return dataclasses.replace(net, f=descend(net.f, gradients, dict.fromkeys(gradients, rate)))


def parallel(rule, net, x, y, eta, sigma, eps, forward_rate, rates, l2=0.0):
    """Both updates from the same weights; `eps[0]` is the noise."""
    after = feedback_step(rule, net, x, y, sigma, eps[0], rates, l2)
    return dataclasses.replace(after, f=forward_step(rule, net, x, y, eta, forward_rate).f)


def alternating(rule, net, x, y, eta, sigma, eps, forward_rate, rates, l2=0.0):
    """A pass that updates the feedback, then a pass that updates the forward layers."""
    net = feedback_step(rule, net, x, y, sigma, eps[0], rates, l2)
    return forward_step(rule, net, x, y, eta, forward_rate)


def inverse_first(rule, net, x, y, eta, sigma, eps, forward_rate, rates, l2=0.0):
    """One update of the feedback for each entry of `eps`, then one of the forward layers."""
    for fresh in eps:
        net = feedback_step(rule, net, x, y, sigma, fresh, rates, l2)
    return forward_step(rule, net, x, y, eta, forward_rate)


SCHEDULES = {"parallel": parallel, "alternating": alternating, "inverse-first": inverse_first}
