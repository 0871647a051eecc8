"""With other outputs and losses, too, every rule of the library equals `reference`."""

import numpy as np
import pytest
import reference
from rule_networks import (
    BATCH,
    CLASSES,
    ETA,
    FORWARD_RATE,
    INVERSE_RATE,
    SIGMA,
    TRAINED,
    all_close,
    an_epoch,
    batch_of,
    close,
    feedback_weights,
    flat,
    float32,
    give_noise,
    library,
    random_batch,
    random_net,
    random_noise,
    updates,
)

# The classifiers of `local_error` are transcribed for classes that exclude each other.
RULES = [rule for rule in (*reference.TARGETS, *reference.SIGNALS) if rule != "local_error"]
every_rule = pytest.mark.parametrize("rule", RULES)
outputs = pytest.mark.parametrize("output", ["sigmoid", "linear"])


def examples(output):
    rng, (x, _) = np.random.default_rng(5), random_batch()
    y = rng.normal(size=(BATCH, CLASSES))
    return x, float32(y > 0 if output == "sigmoid" else y)


@outputs
@every_rule
def test_what_hidden_layers_are_taught_equals_the_reference(rule, output):
    net, (x, y) = random_net(rule, 2, output=output), examples(output)
    h, network = reference.activations(net, x), library(net, rule)
    batch = batch_of(network, x, y.astype("float32"))
    close(batch.answers, reference.answers(h[-1], output))
    assert float(batch.loss) == pytest.approx(reference.output_loss(h, y, output), rel=1e-5)
    found, losses = network.forward_gradients(batch)
    expected = reference.local_losses(rule, net, h, y, ETA)
    all_close(losses, [expected[i] for i in sorted(expected)], rtol=1e-4)
    all_close(found, flat(reference.forward_gradients(rule, net, h, y, ETA)), rtol=1e-4)


@outputs
@every_rule
@pytest.mark.slow
def test_an_epoch_moves_every_weight_as_the_reference_does(monkeypatch, rule, output):
    net, (x, y) = random_net(rule, 2, output=output), examples(output)
    if rule in TRAINED:
        eps = random_noise(rule, net)
        give_noise(monkeypatch, eps)
        rates = dict.fromkeys(eps[0], INVERSE_RATE)
        parallel = reference.SCHEDULES["parallel"]
        after = parallel(rule, net, x, y, ETA, SIGMA, eps, FORWARD_RATE, rates)
        network = library(net, rule, schedule="parallel", inverse_steps=1)
    else:
        after = reference.forward_step(rule, net, x, y, ETA, FORWARD_RATE)
        network = library(net, rule)
    an_epoch(network, x, y.astype("float32"))
    for variables, old, new in (
        (network.forward_variables, flat(net.f), flat(after.f)),
        (feedback_weights(network), flat(net.g) + flat(net.q), flat(after.g) + flat(after.q)),
    ):
        wanted = [now - before for now, before in zip(new, old, strict=True)]
        all_close(updates(variables, old), wanted, rtol=2e-4)


@outputs
def test_the_reference_gradients_at_the_logits_equal_finite_differences(output):
    net, (x, y) = random_net("bp", 2, output=output), examples(output)
    h = reference.activations(net, x)
    by_hand, found = reference.logits_gradient(h, y, output), np.zeros((BATCH, CLASSES))
    for index in np.ndindex(found.shape):
        ends = []
        for change in (1e-6, -1e-6):
            moved = h[-1].copy()
            moved[index] += change
            ends.append(reference.output_loss([moved], y, output))
        found[index] = (ends[0] - ends[1]) / 2e-6 * BATCH  # of each example's own loss
    close(found, by_hand, 1e-6)
