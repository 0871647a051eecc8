"""Difference target propagation in float64 NumPy, with every derivative taken by hand.

Written from the equations (Lee et al. 2015, Algorithm 1) to check the library against, so it shares
no code with it: no automatic differentiation, no TensorFlow.

Layers are numbered as in the paper: x = h_0, hidden layers 1 .. M-1, output layer M. A batch is a
matrix with one example a row; losses are sums over a layer's units, then means over the batch.
"""

import dataclasses

import numpy as np

# name: (the function, its derivative expressed by its own output)
ACTIVATIONS = {
    "linear": (lambda a: a, lambda y: np.ones_like(y)),
    "tanh": (np.tanh, lambda y: 1 - y**2),
    "sigmoid": (lambda a: 1 / (1 + np.exp(-a)), lambda y: y * (1 - y)),
}


@dataclasses.dataclass
class Net:
    """The weights: f_i(h) = s(h W_i + b_i), f_M with softmax, and g_i(t) = r(t V_i + c_i).

    Args:
        f: {1: (W_1, b_1), .., M: (W_M, b_M)}
        g: {2: (V_2, c_2), .., M-1: (V_{M-1}, c_{M-1})}
        s, r: names of the activations of f and g.
    """

    f: dict
    g: dict
    s: str = "tanh"
    r: str = "tanh"

    @property
    def top(self):
        """M - 1, the highest hidden layer."""
        return len(self.f) - 1


def f(net, i, h):
    """f_i(h) of a hidden layer."""
    weight, bias = net.f[i]
    return ACTIVATIONS[net.s][0](h @ weight + bias)


def g(net, i, t):
    """g_i(t), a point in the space of layer i-1."""
    weight, bias = net.g[i]
    return ACTIVATIONS[net.r][0](t @ weight + bias)


def activations(net, x):
    """[h_0, .., h_{M-1}]"""
    h = [np.asarray(x, "float64")]
    for i in range(1, net.top + 1):
        h.append(f(net, i, h[i - 1]))
    return h


def probabilities(net, h_top):
    """softmax(h_{M-1} W_M + b_M)"""
    weight, bias = net.f[net.top + 1]
    scores = h_top @ weight + bias
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return scores / scores.sum(axis=1, keepdims=True)


def output_loss(net, h_top, y):
    """C = mean_B( -log p[y] )"""
    return -np.log(probabilities(net, h_top)[np.arange(len(y)), y]).mean()


def score_gradient(net, h_top, y):
    """dC/d(scores) of each example's own loss: p - onehot(y)."""
    p = probabilities(net, h_top)
    return p - np.eye(p.shape[1])[y]


def top_gradient(net, h_top, y):
    """dC/dh_{M-1} of each example's own loss."""
    weight, _ = net.f[net.top + 1]
    return score_gradient(net, h_top, y) @ weight.T


def targets(net, h, y, eta):
    """{i: t_i} for i = 1 .. M-1."""
    t = {net.top: h[net.top] - eta * top_gradient(net, h[net.top], y)}
    for i in range(net.top, 1, -1):
        t[i - 1] = h[i - 1] - g(net, i, h[i]) + g(net, i, t[i])
    return t


def forward_losses(h, t):
    """{i: || h_i - t_i ||^2 of each example}"""
    return {i: ((h[i] - t[i]) ** 2).sum(axis=1) for i in t}


def forward_gradients(net, h, t, y):
    """{i: (dL_i/dW_i, dL_i/db_i)}: L_i = mean_B || h_i - t_i ||^2 for i < M, and L_M = C."""
    gradients = {}
    for i in t:
        slope = ACTIVATIONS[net.s][1](h[i])
        gradients[i] = dense_gradients(h[i - 1], 2 * (h[i] - t[i]) * slope)
    gradients[net.top + 1] = dense_gradients(h[net.top], score_gradient(net, h[net.top], y))
    return gradients


def inverse_losses(net, h, sigma, eps):
    """{i: || g_i(f_i(h~)) - h~ ||^2 of each example}, h~ = h_{i-1} + sigma eps_i, i = 2 .. M-1."""
    losses = {}
    for i in net.g:
        corrupted = h[i - 1] + sigma * eps[i]
        losses[i] = ((g(net, i, f(net, i, corrupted)) - corrupted) ** 2).sum(axis=1)
    return losses


def inverse_gradients(net, h, sigma, eps):
    """{i: (dL/dV_i, dL/dc_i)} of the means of `inverse_losses`."""
    gradients = {}
    for i in net.g:
        corrupted = h[i - 1] + sigma * eps[i]
        above = f(net, i, corrupted)
        back = g(net, i, above)
        slope = ACTIVATIONS[net.r][1](back)
        gradients[i] = dense_gradients(above, 2 * (back - corrupted) * slope)
    return gradients


def dense_gradients(inputs, delta):
    """Mean over the batch of the gradients of (weights, bias); `delta`: of the pre-activations."""
    return inputs.T @ delta / len(delta), delta.mean(axis=0)


def descend(weights, gradients, rate):
    """One step of plain gradient descent for every layer."""
    return {
        i: tuple(w - rate * d for w, d in zip(weights[i], gradients[i], strict=True))
        for i in weights
    }


def inverse_step(net, x, sigma, eps, rate):
    """The net after one update of the inverses."""
    gradients = inverse_gradients(net, activations(net, x), sigma, eps)
    return dataclasses.replace(net, g=descend(net.g, gradients, rate))


def forward_step(net, x, y, eta, rate):
    """The net after one update of the forward layers."""
    h = activations(net, x)
    gradients = forward_gradients(net, h, targets(net, h, y, eta), y)
    return dataclasses.replace(net, f=descend(net.f, gradients, rate))


def parallel(net, x, y, eta, sigma, eps, forward_rate, inverse_rate):
    """Both updates from the same weights; `eps[0]` is the noise."""
    return dataclasses.replace(
        net,
        f=forward_step(net, x, y, eta, forward_rate).f,
        g=inverse_step(net, x, sigma, eps[0], inverse_rate).g,
    )


def alternating(net, x, y, eta, sigma, eps, forward_rate, inverse_rate):
    """A pass that updates the inverses, then a pass that updates the forward layers."""
    net = inverse_step(net, x, sigma, eps[0], inverse_rate)
    return forward_step(net, x, y, eta, forward_rate)


def inverse_first(net, x, y, eta, sigma, eps, forward_rate, inverse_rate):
    """One update of the inverses for each entry of `eps`, then one of the forward layers."""
    for fresh in eps:
        net = inverse_step(net, x, sigma, fresh, inverse_rate)
    return forward_step(net, x, y, eta, forward_rate)


SCHEDULES = {"parallel": parallel, "alternating": alternating, "inverse-first": inverse_first}
