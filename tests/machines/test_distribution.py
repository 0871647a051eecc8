"""Several replicas learn what one device learns, and only the chief writes."""

import json
import os
import re
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import replicated
import tensorflow as tf
from helpers import (
    REPO,
    Copied,
    arrays,
    environment,
    hidden_files,
    invoke,
    log_rows,
    python,
    refusal,
    train,
)

import dtp_tf
from dtp_tf.data.preprocessing import augment
from dtp_tf.errors import SettingError, UserError
from dtp_tf.machines.cluster import Cluster, expand_hosts, find_cluster
from dtp_tf.machines.distribution import Workers, lost_workers
from dtp_tf.machines.launch import free_ports
from dtp_tf.numerics.replicas import share, shares

SCRIPT = REPO / "tests/machines/replicated.py"


def one_device(cases):
    return replicated.train_all(tf.distribute.get_strategy(), cases)


def assert_equal_results(path, expected):
    """Check that every weight, optimizer state and metric is that of one device."""
    found = np.load(path)
    assert {name.replace("|", "/") for name in found.files} == set(expected)
    for name, value in expected.items():
        # bfloat16 rounds sums that differ in float32's last bit to neighbours a part in 256 apart.
        rtol = 0.02 if "bfloat16" in name else 1e-4
        atol = rtol * max(np.abs(value).max(initial=0), 1e-2)
        np.testing.assert_allclose(
            found[name.replace("/", "|")], value, rtol=0, atol=atol, err_msg=name
        )


def of(results, cases):
    """The numbers of some cases among those of all."""
    return {name: one for name, one in results.items() if name.split("/")[0] in cases}


def run_workers(tmp_path, cases, count=2):
    """Train in processes that find each other by TF_CONFIG; return the files that they wrote."""
    addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(count))
    paths = [tmp_path / f"{i}.npz" for i in range(count)]
    workers = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), "multiworker", str(path), *cases],
            env={**environment(), "TF_CONFIG": Cluster(addresses, i).tf_config()},
            stderr=subprocess.PIPE,
            text=True,
        )
        for i, path in enumerate(paths)
    ]
    try:
        for worker in workers:
            _, errors = worker.communicate(timeout=400)
            assert worker.returncode == 0, errors[-3000:]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    return paths


# -- equal results ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_two_replicas_and_two_workers_learn_what_one_device_learns_by_every_rule_and_schedule(
    tmp_path,
):
    """Replicas share the cases that they do not have alone with the workers."""
    expected = one_device(replicated.CASES)
    replicas, workers = replicated.dealt()
    for cases in (replicas, workers):
        assert {case.split()[0] for case in cases} == set(dtp_tf.rules.BY_NAME)
    python(SCRIPT, "mirrored", tmp_path / "mirrored.npz", *replicas, cwd=tmp_path)
    assert_equal_results(tmp_path / "mirrored.npz", of(expected, replicas))
    for path in run_workers(tmp_path, workers):
        assert_equal_results(path, of(expected, workers))


# What a whole run has beside its steps: augmentation, noise with a course, two passes an epoch,
# validation images that cannot be halved, angles, checkpoints.
SETTINGS = {
    "epochs": 2, "crop": 1, "flip": True, "pixel_noise": 0.1, "schedule": "alternating",
    "noise_decay_epochs": 2.0, "optimizer": "sgd", "inverse_optimizer": "sgd",
    "diagnostics_every": 1, "seed": 3,
}  # fmt: skip


def assert_same_run(run, other):
    """Check that two runs have the same logs and weights but for rounding."""
    for ours, theirs in zip(log_rows(run), log_rows(other), strict=True):
        assert ours.keys() == theirs.keys()
        for name in ours.keys() - {"seconds", "images_per_second"}:
            # An angle near 0 is made of rounding.
            np.testing.assert_allclose(
                float(ours[name]), float(theirs[name]), rtol=1e-3, atol=1e-3, err_msg=name
            )
    for name in ("last.keras", "best.keras"):
        ours, theirs = arrays(run / name), arrays(other / name)
        assert ours.keys() == theirs.keys()
        for key in ours:
            np.testing.assert_allclose(ours[key], theirs[key], rtol=1e-4, atol=1e-5, err_msg=key)


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """A run on one device, and a copy of it as it was after the first epoch."""
    home = tmp_path_factory.mktemp("single")

    copied = Copied(home / "whole", home / "stopped", after=1)
    train(home / "whole", callbacks=[copied], **SETTINGS)
    return home


MIRRORED = """
    import sys

    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    replica = tf.config.LogicalDeviceConfiguration()
    tf.config.set_logical_device_configuration(cpu, [replica] * int(sys.argv[1]))

    import dtp_tf

    dtp_tf.train(resume=sys.argv[2], strategy="mirrored", export_dir=None)
    """


@pytest.mark.slow
def test_a_run_of_one_device_is_resumed_on_two_and_ends_the_same(single, tmp_path):
    code = textwrap.dedent(MIRRORED)
    printed = python("-c", code, 2, single / "stopped", cwd=tmp_path)
    assert "replicas   2 on 1 worker" in printed
    assert "resumed after epoch 1 of 2" in printed
    assert_same_run(single / "stopped", single / "whole")
    versions = json.loads((single / "stopped/versions.json").read_text())
    assert (versions["strategy"], versions["replicas"]) == ("mirrored", 2)
    assert not hidden_files(single / "stopped")


# -- shares ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "replicas"), [(8, 2), (7, 3), (1, 2), (287, 4)])
def test_every_row_belongs_to_exactly_one_replica_and_shares_differ_by_one(count, replicas):
    bounds = [share(count, replicas, i) for i in range(replicas)]
    rows = [row for start, stop in bounds for row in range(start, stop)]
    assert rows == list(range(count))
    assert max(b - a for a, b in bounds) - min(b - a for a, b in bounds) <= 1


def test_neighbouring_replicas_get_their_rows_of_each_batch_in_turn():
    data = tf.data.Dataset.from_tensor_slices(tf.range(10)).batch(4).map(lambda x: (x, -x))
    found = [rows.numpy().tolist() for rows, _ in shares(data, 4, 1, 2)]
    assert found == [[1], [2], [5], [6], [8], []]  # of [8, 9] the first and the last have 8, 9
    whole = tf.data.Dataset.from_tensors((tf.zeros((6, 3)),))
    assert shares(whole, 3, 0, 3).element_spec[0].shape == (2, 3)


@pytest.mark.slow
def test_a_replica_without_an_image_of_the_last_batch_adds_nothing():
    network = dtp_tf.DTPNetwork([dtp_tf.DensePair(4), dtp_tf.DensePair(4)], 3)
    network.build((None, 5))
    network.compile(run_eagerly=True)
    x, y = np.random.default_rng(0).normal(size=(6, 5)).astype("float32"), np.arange(6) % 3
    whole = network.test_step((tf.constant(x), tf.constant(y)))
    expected = {name: float(value) for name, value in whole.items()}
    unknown = [tf.TensorSpec([None, 5]), tf.TensorSpec([None], tf.int64)]
    traced = tf.function(lambda x, y: network.test_step((x, y)), input_signature=unknown)
    for step in (lambda x, y: network.test_step((x, y)), traced):
        network.reset_metrics()
        for rows in (slice(0, 6), slice(6, 6)):
            found = step(tf.constant(x[rows]), tf.constant(y[rows]))
        found = {name: float(value) for name, value in found.items()}
        assert found == pytest.approx(expected, rel=1e-6)


def test_a_batch_that_cannot_be_divided_is_refused_by_name_with_what_can():
    class Three:
        num_replicas_in_sync = 3

    with pytest.raises(SettingError, match="`batch_size` 128 cannot be divided among 3.*126 or 12"):
        Workers(Three()).check_batch_size(128)
    with pytest.raises(SettingError, match="use 3"):
        Workers(Three()).check_batch_size(2)
    Workers(Three()).check_batch_size(126)


def test_a_part_of_a_batch_is_augmented_as_within_the_whole():
    images = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 1), "uint8")
    how = {"seed": (3, 4), "flip": True, "crop": 2, "pixel_noise": 0.1}
    whole = augment(tf.constant(images), **how)
    part = augment(tf.constant(images[3:7]), **how, place=(3, 10))
    np.testing.assert_array_equal(part, whole[3:7])
    assert np.any(whole != images)


# -- who trains together ---------------------------------------------------------------------------


def config(jobs, kind, index):
    return {"TF_CONFIG": json.dumps({"cluster": jobs, "task": {"type": kind, "index": index}})}


def test_tf_config_says_who_trains_and_its_first_is_the_chief():
    jobs = {"worker": ["a:1", "b:2"]}
    assert find_cluster(config(jobs, "worker", 1)) == Cluster(("a:1", "b:2"), 1)
    jobs = {"worker": ["a:1", "b:2"], "chief": ["c:3"]}
    assert find_cluster(config(jobs, "worker", 0)) == Cluster(("c:3", "a:1", "b:2"), 1)
    assert find_cluster(config(jobs, "chief", 0)).index == 0
    again = find_cluster({"TF_CONFIG": Cluster(("a:1", "b:2"), 1).tf_config()})
    assert again == Cluster(("a:1", "b:2"), 1)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, "neither TF_CONFIG nor SLURM's"),
        ({"TF_CONFIG": "{"}, "TF_CONFIG cannot be read (Expecting property name"),
        ({"TF_CONFIG": "[]"}, "TF_CONFIG cannot be read (it must be a mapping, got []"),
        ({"TF_CONFIG": "{}"}, "TF_CONFIG cannot be read (it lacks 'cluster')"),
        (config({"ps": ["a:1"]}, "ps", 0), "a cluster of 'ps', and only workers"),
        (config({"worker": ["a:1"]}, "worker", 1), "'worker' 1, which is not in its cluster"),
        (config({"worker": ["a"]}, "worker", 0), "the addresses a, which must be HOST:PORT"),
        ({"SLURM_STEP_NODELIST": "n[1-2]"}, "SLURM's variables cannot be read"),
    ],
)
def test_a_cluster_that_is_not_described_is_refused_in_one_sentence(environ, said):
    with pytest.raises(UserError, match=re.escape(said)) as caught:
        find_cluster(environ)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


def test_slurm_says_who_trains():
    environ = {
        "SLURM_STEP_NODELIST": "gpu[08-10],login",
        "SLURM_STEP_TASKS_PER_NODE": "2(x3),1",
        "SLURM_PROCID": "2",
    }
    found = find_cluster(environ)
    assert found.index == 2
    assert found.addresses == (
        "gpu08:8888", "gpu08:8889", "gpu09:8888", "gpu09:8889", "gpu10:8888", "gpu10:8889",
        "login:8888",
    )  # fmt: skip
    assert expand_hosts("n[1,3-4]x")[0] == "n1x"
    with pytest.raises(UserError, match="the step has 7 tasks"):
        find_cluster({**environ, "SLURM_PROCID": "7"})


def test_a_worker_without_a_cluster_is_refused_before_it_starts(tmp_path, monkeypatch):
    for name in ("TF_CONFIG", "SLURM_STEP_NODELIST"):
        monkeypatch.delenv(name, raising=False)
    run = tmp_path / "run"
    words = ("train", "digits", "--strategy", "multiworker", "--run-dir", run)
    assert "launch --workers 2 train" in refusal(invoke(*words), 1)
    assert not run.exists() and "TF_CONFIG" not in os.environ


# -- a worker that is gone -------------------------------------------------------------------------


def test_the_loss_of_a_worker_is_one_sentence_and_other_errors_are_left_alone():
    workers = Workers(tf.distribute.get_strategy(), Cluster(("a:1", "b:2"), 1))
    text = "{{node x}} Collective ops is aborted by: Socket closed\nThe error could be from"
    gone = tf.errors.UnavailableError(None, None, text)
    with pytest.raises(UserError, match=r"worker 1 lost another one \(Socket closed\).*RUN"):
        with lost_workers(workers, None):
            raise gone
    with pytest.raises(tf.errors.InvalidArgumentError), lost_workers(workers, None):
        raise tf.errors.InvalidArgumentError(None, None, "a shape")
    with pytest.raises(tf.errors.UnavailableError), lost_workers(Workers(workers.strategy), None):
        raise gone
