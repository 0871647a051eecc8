"""The weights, what the layers compute with them, and the loss at the output."""

import dataclasses

import numpy as np

# name: (the function, its derivative expressed by its own output)
ACTIVATIONS = {
    "linear": (lambda a: a, lambda y: np.ones_like(y)),
    "tanh": (np.tanh, lambda y: 1 - y**2),
    "sigmoid": (lambda a: 1 / (1 + np.exp(-a)), lambda y: y * (1 - y)),
    "elu": (
        lambda a: np.where(a > 0, a, np.expm1(np.minimum(a, 0))),
        lambda y: np.where(y > 0, 1, y + 1),
    ),
}


@dataclasses.dataclass
class Net:
    """The weights: f_i(h) = s(h W_i + b_i), logits h_M = h W_M + b_M, and the feedback.

    Args:
        f: {1: (W_1, b_1), .., M: (W_M, b_M)}
        g: {i: (V_i, c_i)} of the inverses, from layer i to i-1: g_i(t) = r(t V_i + c_i), or with
            `inverse_first` g_i(t) = r(t) V_i + c_i, where r answers to the s of f_i: the logits
            have none, so that g_M(t) = t V_M + c_M
        q: {i: (Q_i,)} or {i: (B_i,)} of feedback that is no inverse: linear maps, or affine ones
            {i: (Q_i, q_i)}; with random features before them {i: (R, r, Q_i, q_i)}; the inverse
            of an output with random features beside the answers {M: (A, V_M, c_M)}.
        s, r: names of the activations of f and g.
        output: "softmax" with the cross-entropy of numbers of classes, "sigmoid" with the binary
            cross-entropy of vectors of labels, or "linear" with their squared error; the two are
            means over the units.
        denoising: whether the inverses of sdtp and ao_sdtp take their noise away.
    """

    f: dict
    g: dict
    q: dict = dataclasses.field(default_factory=dict)
    s: str = "tanh"
    r: str = "tanh"
    inverse_first: bool = False
    output: str = "softmax"
    denoising: bool = True

    @property
    def last(self):
        """M, the output layer."""
        return len(self.f)

    @property
    def top(self):
        """M - 1, the highest hidden layer."""
        return self.last - 1


def f(net, i, h):
    """f_i(h); the logits for i = M."""
    weight, bias = net.f[i]
    a = h @ weight + bias
    return a if i == net.last else ACTIVATIONS[net.s][0](a)


def slope(net, i, h):
    """s'(a_i) where f_i gives h_i = s(a_i); 1 for the logits."""
    return np.ones_like(h) if i == net.last else ACTIVATIONS[net.s][1](h)


def g(net, i, t):
    """g_i(t), a point in the space of layer i-1."""
    weight, bias = net.g[i]
    if net.inverse_first:
        return before_weights(net, i, t) @ weight + bias
    return ACTIVATIONS[net.r][0](t @ weight + bias)


def before_weights(net, i, t):
    """r(t) where r comes first."""
    return t if i == net.last else ACTIVATIONS[net.r][0](t)


def q(net, i, t):
    """q_i(t) = t Q_i, or t B_i, or t Q_i + q_i"""
    weight, *bias = net.q[i]
    return t @ weight + sum(bias)


def features(net, i, t):
    """tanh(t R + r), where there are random features"""
    return np.tanh(t @ net.q[i][0] + net.q[i][1]) if len(net.q[i]) == 4 else t


def q_of_features(net, i, t):
    """q_i(t) = tanh(features Q_i + q_i)"""
    weight, bias = net.q[i][-2:]
    return np.tanh(features(net, i, t) @ weight + bias)


def auxiliary_output(net, o, h):
    """[o, z], z = s(h A)"""
    features = ACTIVATIONS[net.s][0](h @ net.q[net.last][0])
    return np.concatenate([o, features], axis=1)


def g_auxiliary(net, t):
    """g_M(t), t = [o, z]: r(t V_M + c_M), without r where it comes first, for outputs have none"""
    weight, bias = net.q[net.last][1:]
    a = t @ weight + bias
    return a if net.inverse_first else ACTIVATIONS[net.r][0](a)


def activations(net, x):
    """[h_0, .., h_M]"""
    h = [np.asarray(x, "float64")]
    for i in range(1, net.last + 1):
        h.append(f(net, i, h[i - 1]))
    return h


def probabilities(logits):
    """softmax(h_M)"""
    scores = np.exp(logits - logits.max(axis=1, keepdims=True))
    return scores / scores.sum(axis=1, keepdims=True)


def answers(logits, output):
    """The output activation of h_M."""
    return probabilities(logits) if output == "softmax" else ACTIVATIONS[output][0](logits)


def labels(h, y, output):
    """The answers with the smallest loss: onehot(y), or y itself."""
    return np.eye(h[-1].shape[1])[y] if output == "softmax" else y


def output_loss(h, y, output="softmax"):
    """C = mean_B( -log p[y] ), the mean of -y log p - (1 - y) log(1 - p), or that of (h_M - y)^2"""
    p = answers(h[-1], output)
    if output == "softmax":
        return -np.log(p[np.arange(len(y)), y]).mean()
    if output == "sigmoid":
        return -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()
    return ((p - y) ** 2).mean()


def logits_gradient(h, y, output="softmax"):
    """dC/dh_M of each example's own loss: p - onehot(y), (p - y) / units, 2 (h_M - y) / units."""
    error = answers(h[-1], output) - labels(h, y, output)
    units = error.shape[1]
    return error * {"softmax": 1, "sigmoid": 1 / units, "linear": 2 / units}[output]


def top_gradient(net, h, y):
    """dC/dh_{M-1} of each example's own loss."""
    weight, _ = net.f[net.last]
    return logits_gradient(h, y, net.output) @ weight.T


def dense_gradients(inputs, delta):
    """Mean over the batch of the gradients of (weights, bias); `delta`: of the pre-activations."""
    return inputs.T @ delta / len(delta), delta.mean(axis=0)


def g_gradients(net, i, t, delta):
    """Mean gradients of (V_i, c_i) where `delta` is the gradient of g_i(t)."""
    if net.inverse_first:
        return dense_gradients(before_weights(net, i, t), delta)
    return dense_gradients(t, delta * ACTIVATIONS[net.r][1](g(net, i, t)))
