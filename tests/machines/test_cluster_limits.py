"""SLURM's lists are counted before they are listed, and what is none is refused."""

import time

import pytest

from dtp_tf.errors import UserError
from dtp_tf.machines.cluster import MAX_WORKERS, expand_counts, expand_hosts, find_cluster


def slurm(nodes, tasks="1", rank="0"):
    names = ("SLURM_STEP_NODELIST", "SLURM_STEP_TASKS_PER_NODE", "SLURM_PROCID")
    return dict(zip(names, (nodes, tasks, rank), strict=True))


@pytest.mark.parametrize(
    "text",
    [
        "n[1-99999999999]",
        "n[1-99999]m[1-99999]",
        "r[1-99]n[1-99]c[1-99]",
        "n[" + ",".join(["1-9999"] * 9) + "]",
        ",".join(["n[1-9999]"] * 9),
        ",".join(["n"] * (MAX_WORKERS + 1)),
    ],
)
def test_too_many_hosts_are_refused_at_once(text):
    start = time.perf_counter()
    with pytest.raises(ValueError, match="above the limit of 10,000"):
        expand_hosts(text)
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize("text", ["999999999", "1(x999999999)", "999999999(x999999999)",
                                  "0(x99999999)", "5000,5001"])  # fmt: skip
def test_too_many_tasks_are_refused_at_once(text):
    with pytest.raises(ValueError, match="above the limit of 10,000"):
        expand_counts(text)


@pytest.mark.parametrize(
    "text",
    ["n[[1-2]]", "n[1-2", "n]", "[", "n[]", "n[3-1]", "n[a-b]", "n[1-2-3]", "n[1,,2]", "a,,b", "",
     "n[" + "9" * 5000 + "]", "[" * 100_000, "n[" + "," * 100_000],
)  # fmt: skip
def test_what_is_no_list_of_hosts_is_refused_at_once(text):
    start = time.perf_counter()
    with pytest.raises(ValueError) as caught:
        expand_hosts(text)
    assert len(str(caught.value)) < 100
    assert time.perf_counter() - start < 1


def test_several_brackets_and_the_limit_itself_are_listed():
    assert expand_hosts("r[1-2]n[08-09]x,y") == ["r1n08x", "r1n09x", "r2n08x", "r2n09x", "y"]
    assert len(expand_hosts(f"n[1-{MAX_WORKERS}]")) == MAX_WORKERS
    assert sum(expand_counts(f"2(x{MAX_WORKERS // 2})")) == MAX_WORKERS


def test_the_sentence_names_limit_and_value_and_no_more_of_the_list_than_a_person_reads():
    with pytest.raises(UserError) as caught:
        find_cluster(slurm("n[1-99999999999]," + "x" * 100_000))
    assert "100,000,000,000 workers or hosts, which is above the limit of 10,000" in str(
        caught.value
    )
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("rank", ["-1", "2"])
def test_a_rank_that_is_none_of_the_tasks_is_refused(rank):
    with pytest.raises(UserError, match=f"SLURM_PROCID is {rank}, but the step has 2 tasks"):
        find_cluster(slurm("n[1-2]", "1(x2)", rank))
