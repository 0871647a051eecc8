"""Devices, compilation and precision: what is asked for is done, or refused in one sentence."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import TINY, StopAfter, flags, invoke, refusal, train

import dtp_tf
from dtp_tf.comparing.plan import make_plan
from dtp_tf.errors import SettingError, UserError
from dtp_tf.evaluating.diagnostics import angle
from dtp_tf.files import read_json
from dtp_tf.machines.devices import choose_device, set_precision
from dtp_tf.machines.machine import Machine
from dtp_tf.network.batch import Batch
from dtp_tf.rules import BY_NAME

# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--device", "tpu"), "`device` must be auto, cpu or gpu:N"),
        (("--device", "gpu:-1"), "`device` must be auto, cpu or gpu:N"),
        (("--device", "gpu:0", "--strategy", "mirrored"), "`strategy` mirrored uses all"),
        (("--jit", "on", "--strategy", "mirrored"), "`jit` on needs `strategy` none"),
        (("--jit", "off", "--deterministic"), "`deterministic` needs XLA"),
        (("--strategy", "multiworker", "--deterministic"), "`deterministic` needs `strategy` none"),
        (("--precision", "float16"), "`precision` must be one of"),
        (("--precision", "tf32"), "the rule dtp takes of its feedback; use mixed_bfloat16"),
    ],
)
def test_what_does_not_go_together_is_refused_by_name(words, named):
    assert named in refusal(invoke("train", "digits", *words), 2)


def test_a_gpu_that_is_not_there_is_refused_with_what_was_found(tmp_path):
    run = tmp_path / "run"
    said = refusal(invoke("train", "digits", "--device", "gpu:99", "--run-dir", run), 1)
    count = len(tf.config.list_physical_devices("GPU"))
    assert ("finds gpu:0" if count else "finds no GPU on this machine; use `device` cpu") in said
    assert not run.exists()


def test_a_comparison_refuses_what_its_runs_would():
    assert "no place in a comparison" in refusal(
        invoke("compare", "digits", "--strategy", "multiworker"), 2
    )
    with pytest.raises(SettingError, match="`deterministic` needs XLA"):
        make_plan("digits", ["dtp"], 1, machine=Machine(jit="off"), deterministic=True)


def test_a_network_under_a_mixed_global_policy_is_refused():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        with pytest.raises(SettingError, match="give it to the pairs"):
            dtp_tf.DTPNetwork([dtp_tf.DensePair(4, dtype="float32")], 3)
    finally:
        keras.config.set_dtype_policy("float32")


# -- devices ---------------------------------------------------------------------------------------


@pytest.fixture
def gpus(monkeypatch):
    """A TensorFlow that finds two GPUs and has not begun; a list of what it was told."""
    told, visible, growing = [], ["a", "b"], set()

    def show(devices, kind):
        told.append(devices)
        visible[:] = devices

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["a", "b"])
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: list(visible))
    monkeypatch.setattr(tf.config, "set_visible_devices", show)
    monkeypatch.setattr(tf.config.experimental, "get_memory_growth", growing.__contains__)
    monkeypatch.setattr(
        tf.config.experimental, "set_memory_growth", lambda gpu, on: growing.add(gpu)
    )
    return told, visible, growing


@pytest.mark.parametrize(
    ("device", "seen"), [("auto", ["a", "b"]), ("cpu", []), ("gpu:0", ["a"]), ("gpu:1", ["b"])]
)
def test_tensorflow_sees_the_device_that_is_asked_for_and_takes_no_more_memory(gpus, device, seen):
    _, visible, growing = gpus
    choose_device(Machine(device))
    assert (visible, growing) == (seen, set(seen))


def test_a_device_that_comes_too_late_is_refused_unless_it_is_the_one_in_use(gpus, monkeypatch):
    def too_late(devices, kind):
        raise RuntimeError("Visible devices cannot be modified after being initialized")

    choose_device(Machine("gpu:1"))
    monkeypatch.setattr(tf.config, "set_visible_devices", too_late)
    choose_device(Machine("gpu:1"))
    with pytest.raises(UserError, match="`device` cpu came too late"):
        choose_device(Machine("cpu"))


@pytest.mark.skipif(not tf.config.list_physical_devices("GPU"), reason="no GPU is visible here")
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_a_network_learns_on_the_gpu(tmp_path, precision):
    model, history = train(tmp_path / "run", epochs=3, precision=precision)
    assert "GPU" in model.pairs[0].forward_layer.kernel.value.device
    assert history.history["val_accuracy"][-1] > 0.7


# -- compilation -----------------------------------------------------------------------------------


@pytest.fixture
def compiled(monkeypatch):
    """The names of the functions that XLA is told to compile."""
    made, function = set(), tf.function

    def recording(func=None, **kwargs):
        if kwargs.get("jit_compile"):
            made.add(func.__name__)
        return function(func, **kwargs)

    monkeypatch.setattr(tf, "function", recording)
    return made


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "expected"), [({}, {"apply"}), ({"jit": "on"}, {"apply", "run"})]
)
def test_xla_compiles_what_is_asked_for(tmp_path, compiled, settings, expected):
    """By default the optimizers' updates, `apply`; or with the whole step, `run`."""
    train(tmp_path / "run", compiled=True, epochs=1, units=(8,), **settings)
    assert compiled == expected
    found = read_json(tmp_path / "run/versions.json")
    assert found.get("jit") == settings.get("jit")


@pytest.mark.slow
def test_a_step_gives_nothing_to_the_host():
    network = tiny_network("dtp")
    x, y = examples()
    step = tf.function(network.train_step).get_concrete_function((x, y))
    graphs = [step.graph.as_graph_def()]
    operations = {node.op for graph in graphs for node in graph.node}
    operations |= {
        node.op for graph in graphs for one in graph.library.function for node in one.node_def
    }
    assert "MatMul" in operations
    assert not operations & {"PyFunc", "EagerPyFunc", "PrintV2", "_Send", "_HostSend", "Assert"}


# -- precision -------------------------------------------------------------------------------------

UNITS, CLASSES = 64, 10


def tiny_network(rule, dtype="mixed_bfloat16", inverse_first=False, **settings):
    keras.utils.set_random_seed(0)
    of_pairs = {"dtype": dtype, "inverse_first": inverse_first}
    pairs = [dtp_tf.DensePair(UNITS, **of_pairs) for _ in range(3)]
    network = dtp_tf.DTPNetwork(pairs, CLASSES, rule=BY_NAME[rule](**settings))
    network.build((None, UNITS))
    network.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3), run_eagerly=True)
    return network


def examples(count=16):
    x = np.random.default_rng(0).normal(size=(count, UNITS)).astype("float32")
    return tf.constant(x), tf.constant(np.arange(count) % CLASSES)


def test_only_the_products_of_the_forward_layers_are_rounded():
    pair = dtp_tf.DensePair(UNITS, dtype="mixed_bfloat16")
    x, _ = examples()
    h = pair(x)
    kernel = tf.convert_to_tensor(pair.forward_layer.kernel)
    product = tf.matmul(tf.cast(x, "bfloat16"), tf.cast(kernel, "bfloat16"))
    np.testing.assert_array_equal(h, tf.tanh(tf.cast(product, "float32")))
    exact = tf.tanh(tf.matmul(h, tf.convert_to_tensor(pair.inverse_layer.kernel)))
    np.testing.assert_allclose(pair(h, reverse=True), exact, atol=1e-6)
    assert {weight.dtype for weight in pair.weights} == {"float32"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "rule, inverse_first",
    [
        *((rule, False) for rule in BY_NAME),
        *((rule, True) for rule in ("dtp", "sdtp", "ldrl", "ccl")),
    ],
)
def test_targets_and_losses_are_float32_by_every_rule(rule, inverse_first):
    network, (x, y) = tiny_network(rule, inverse_first=inverse_first), examples()
    batch = Batch(network, x, y)
    gradients, losses = network.forward_gradients(batch)
    feedback = [
        network.rule.inverse_loss(network, batch, layer, network.noise(layer, 0))
        for layer in network.trained_feedback
    ]
    tensors = [*batch.h, batch.loss, *losses, *feedback, *gradients]
    tensors += network.rule.teach(network, batch)
    assert {tensor.dtype for tensor in tensors} == {tf.float32}
    before = [variable.numpy() for variable in network.trainable_variables]
    for phase in network.rule.passes:
        network.set_phase(phase)
        network.train_step((x, y))
    assert all(
        np.isfinite(now).all() and np.any(now != old)
        for now, old in zip(network.trainable_variables, before, strict=True)
        if old.ndim > 1
    )


@pytest.mark.parametrize("inverse_first", [False, True])
@pytest.mark.parametrize("rule", ["dtp", "sdtp", "drl", "ldrl", "fwdtp"])
def test_the_target_differences_keep_their_direction(rule, inverse_first):
    """Against float64 from the same activations; with h and t in bfloat16 it is lost."""
    network = tiny_network(rule, inverse_first=inverse_first)
    batch = Batch(network, *examples())
    targets = network.rule.targets(network, batch)

    def back(layer, h):
        kernel, bias = (weight.numpy().astype("float64") for weight in
                        network.layers_up[layer].inverse_layer.weights)
        return np.tanh(h) @ kernel + bias if inverse_first else np.tanh(h @ kernel + bias)

    def turned(rounded):
        """The largest angle between the differences and those that g would give."""
        angles = []
        for layer in (1, 2):
            h, t = (np.asarray(one, "float64") for one in (batch.h[layer + 1], targets[layer]))
            exact = back(layer, t) - back(layer, h)
            if rounded:  # what enters the product, by bfloat16
                t, h = (tf.cast(tf.cast(one, "bfloat16"), "float64").numpy() for one in (t, h))
                found = back(layer, t) - back(layer, h)
            else:
                found = np.asarray(targets[layer - 1], "float64") - batch.h[layer]
            angles.append(angle(found, exact))
        return max(angles)

    assert turned(rounded=False) < 1
    assert rule == "sdtp" or turned(rounded=True) > 4  # its first difference is large


@pytest.mark.slow
def test_a_run_in_mixed_precision_learns_and_leaves_a_classifier_in_float32(tmp_path):
    settings = {**TINY, "precision": "mixed_bfloat16", "epochs": 3}
    model, history = train(tmp_path / "run", **settings)
    assert {pair.dtype_policy.name for pair in model.layers_up} == {"mixed_bfloat16"}
    assert history.history["val_accuracy"][-1] > 0.7
    classifier = keras.saving.load_model(tmp_path / "run/classifier.keras")
    assert {layer.compute_dtype for layer in classifier.layers} == {"float32"}
    images = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 1), "uint8")
    np.testing.assert_allclose(classifier(images), model(images), atol=0.05)


def test_tf32_is_on_for_a_recipe_that_asks_for_it_only():
    assert dtp_tf.recipe("digits", rule="bp", precision="tf32").precision == "tf32"
    try:
        set_precision("tf32")
        assert tf.config.experimental.tensor_float_32_execution_enabled()
    finally:
        for precision in ("mixed_bfloat16", "float32"):
            set_precision(precision)
            assert not tf.config.experimental.tensor_float_32_execution_enabled()


@pytest.mark.slow
def test_a_run_keeps_its_precision_and_may_change_its_machine(tmp_path, compiled):
    run = tmp_path / "run"
    train(run, epochs=2, units=(8,), callbacks=[StopAfter(1)])
    with pytest.raises(SettingError, match="`precision` is float32 in the run"):
        dtp_tf.train(resume=run, precision="mixed_bfloat16")
    compiled.clear()
    words = flags({"device": "cpu", "jit": "off"})
    result = invoke("train", "--resume", run, "--no-export", *words)
    assert result.exit_code == 0, result.stderr
    assert "resumed after epoch 1 of 2" in result.stdout
    assert read_json(run / "versions.json")["jit"] == "off"
    assert not compiled
