"""The losses of the feedback weights, and their gradients.

For one layer, each function `(net, h, i, sigma, eps)` returns the loss of each example, and the
uses that it makes of the layer's feedback: pairs of an input and the gradient of the loss by the
output for this input. `eps` lists the normal numbers of each draw.
"""

from reference.net import answers, dense_gradients, f, g, g_gradients, q


def dtp(net, h, i, sigma, eps):
    """|| g_i(f_i(h~)) - h~ ||^2,   h~ = h_{i-1} + sigma eps"""
    corrupted = h[i - 1] + sigma * eps[0]
    above = f(net, i, corrupted)
    error = g(net, i, above) - corrupted
    return squared(error), [(above, 2 * error)]


def sdtp(net, h, i, sigma, eps):
    """|| g_i(f_i(h~)) - h_{i-1} ||^2, where f_M gives the answers"""
    above = f(net, i, h[i - 1] + sigma * eps[0])
    if i == net.last:
        above = answers(above, net.output)
    error = g(net, i, above) - h[i - 1]
    return squared(error), [(above, 2 * error)]


def drl(net, h, i, sigma, eps):
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


def ddtp_linear(net, h, i, sigma, eps):
    """|| h~ - ( h_i + q_i(y~) - q_i(h_M) ) ||^2 / sigma^2,   y~ = the logits for h~ in layer i"""
    corrupted = h[i] + sigma * eps[0]
    logits = corrupted
    for j in range(i + 1, net.last + 1):
        logits = f(net, j, logits)
    error = corrupted - (h[i] + q(net, i, logits) - q(net, i, h[net.last]))
    delta = -2 * error / sigma**2
    return squared(error) / sigma**2, [(logits, delta), (h[net.last], -delta)]


def ldrl(net, h, i, sigma, eps):
    """-2 < dx, g(f(x + dx)) - g(y) > + || g(y + dy) - g(y) ||^2,   x = h_{i-1}, y = h_i"""
    x, y = h[i - 1], h[i]
    dx, dy = sigma * eps[0], sigma * eps[1]
    up = f(net, i, x + dx)
    rise = g(net, i, up) - g(net, i, y)
    change = g(net, i, y + dy) - g(net, i, y)
    loss = -2 * (dx * rise).sum(axis=1) + squared(change)
    return loss, [(up, -2 * dx), (y, 2 * dx - 2 * change), (y + dy, 2 * change)]


def squared(a):
    return (a**2).sum(axis=1)


FEEDBACK = {
    "tp": dtp,
    "dtp": dtp,
    "sdtp": sdtp,
    "drl": drl,
    "ddtp_linear": ddtp_linear,
    "ldrl": ldrl,
}


def of_layer(sigma, i):
    """One layer's noise, of a number for all or {i: a number}."""
    return sigma[i] if isinstance(sigma, dict) else sigma


def feedback_losses(rule, net, h, sigma, eps, l2=0.0):
    """{i: the loss of each example} for the layers i of which `eps` has noise."""
    weights = net.q if rule == "ddtp_linear" else net.g
    return {
        i: FEEDBACK[rule](net, h, i, of_layer(sigma, i), eps[i])[0]
        + l2 * (weights[i][0] ** 2).sum()
        for i in eps
    }


def feedback_gradients(rule, net, h, sigma, eps, l2=0.0):
    """{i: the gradients of the layer's weights and biases} of the means of `feedback_losses`."""
    gradients = {}
    for i in eps:
        _, uses = FEEDBACK[rule](net, h, i, of_layer(sigma, i), eps[i])
        if rule == "ddtp_linear":
            parts, weight = [dense_gradients(*use)[:1] for use in uses], net.q[i][0]
        else:
            parts, weight = [g_gradients(net, i, *use) for use in uses], net.g[i][0]
        kernel, *bias = (sum(many) for many in zip(*parts, strict=True))
        gradients[i] = kernel + 2 * l2 * weight, *bias
    return gradients
