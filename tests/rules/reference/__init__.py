"""Every learning rule in float64 NumPy, with every derivative taken by hand.

Written from the papers' equations to check the library against, so it shares no code with it: no
automatic differentiation, no TensorFlow.

Layers are numbered as in the papers: x = h_0, hidden layers 1 .. M-1, logits h_M. A batch is a
matrix with one example a row; losses are sums over a layer's units, then means over the batch.
"""

from reference.feedback import FEEDBACK, feedback_gradients, feedback_losses
from reference.net import (
    ACTIVATIONS,
    Net,
    activations,
    answers,
    f,
    g,
    logits_gradient,
    output_loss,
    probabilities,
    q,
    top_gradient,
)
from reference.signals import INCREMENT as INCREMENT
from reference.signals import SIGNALS
from reference.steps import SCHEDULES, forward_gradients, forward_step, local_losses
from reference.targets import TARGETS

__all__ = [
    "ACTIVATIONS",
    "FEEDBACK",
    "Net",
    "SCHEDULES",
    "SIGNALS",
    "TARGETS",
    "activations",
    "answers",
    "f",
    "feedback_gradients",
    "feedback_losses",
    "forward_gradients",
    "forward_step",
    "g",
    "local_losses",
    "logits_gradient",
    "output_loss",
    "probabilities",
    "q",
    "top_gradient",
]
