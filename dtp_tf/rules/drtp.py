"""Direct random target projection (Frenkel et al. 2021, arXiv 1909.01311)."""

import keras

from dtp_tf.rules.base import shaped_as
from dtp_tf.rules.dfa import DFA


@keras.saving.register_keras_serializable("dtp_tf")
class DRTP(DFA):
    """Direct random target projection: fixed random matrices B_i from the label to each layer.

        signal_i = y B_i,   y the one-hot label

    No error comes back, so a hidden layer need not wait for the output: what it is told depends on
    the label alone.

    References:
        Frenkel, Lefebvre, Bol, "Learning Without Feedback: Fixed Random Learning Signals Allow for
        Feedforward Training of Deep Neural Networks", Frontiers in Neuroscience 15, 2021, arXiv
        1909.01311, section 2.
    """

    uses_labels = True

    def signals(self, network, batch):
        h = batch.h[1:-1]
        return [shaped_as(one, network.feedback[i](batch.labels)) for i, one in enumerate(h)]
