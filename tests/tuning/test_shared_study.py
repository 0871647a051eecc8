"""The study that processes share: no trial twice, none lost, the same trials for the same seed.

Nothing is trained here; accuracies are made up.
"""

import subprocess
import sys

import pytest
from helpers import environment

from dtp_tf.errors import UserError
from dtp_tf.tuning.search_space import make_search
from dtp_tf.tuning.shared_study import ATTEMPTS, RANDOM_TRIALS, UNPRUNED_TRIALS, SharedStudy

SPACE = {"noise": {"low": 0.1, "high": 0.5}, "optimizer": {"choices": ["adam", "sgd"]}}


def create(folder, space=SPACE, epochs=4, **settings):
    return SharedStudy.create(folder, *make_search("digits", space, epochs=epochs, **settings))


def accuracy(trial):
    """A made-up accuracy, best at a noise of 0.2."""
    return 1 - abs(trial.recipe.noise - 0.2)


def search(study, trials):
    """Take and finish all trials that are left; return their recipes' noise and optimizer."""
    found = {}
    while (trial := study.take(trials)) is not None:
        found[trial.number] = (trial.recipe.noise, trial.recipe.optimizer)
        trial.finish(accuracy(trial), {})
    return found


def die(trial):
    """Leave a trial as a killed process does."""
    trial.lock.close()


# -- which trials ----------------------------------------------------------------------------------


def test_the_first_trial_has_the_recipes_own_settings(tmp_path):
    study = create(tmp_path)
    first, second = study.take(5), study.take(5)
    assert (first.number, second.number) == (1, 2)
    assert first.recipe == study.base
    assert second.recipe != study.base
    assert second.path == tmp_path / "trials" / "0002"
    die(first)
    die(second)


def test_a_recipe_outside_of_the_space_is_no_trial(tmp_path):
    study = create(tmp_path, {"noise": {"low": 0.1, "high": 0.2}})
    trial = study.take(1)
    assert 0.1 <= trial.recipe.noise <= 0.2
    die(trial)


def test_there_are_as_many_trials_as_asked_for_in_all(tmp_path):
    study = create(tmp_path)
    assert len(search(study, 3)) == 3
    assert study.take(3) is None and not study.has_work(3)
    assert study.has_work(5)
    assert list(search(SharedStudy(tmp_path), 5)) == [4, 5]
    assert study.done() == 5


def test_the_same_seed_gives_the_same_trials_and_another_seed_others(tmp_path):
    count = RANDOM_TRIALS + 4  # the sampler learns from the last ones
    first = search(create(tmp_path / "a"), count)
    assert search(create(tmp_path / "b"), count) == first
    assert len(set(first.values())) == count
    other = search(create(tmp_path / "c", seed=1), count)
    assert other[1] == first[1]
    assert not set(list(other.values())[1:]) & set(first.values())


def test_a_search_in_several_parts_has_the_trials_of_one_in_one_part(tmp_path):
    count = RANDOM_TRIALS + 4
    first = search(create(tmp_path / "a"), count)
    parts = {}
    for until in (3, RANDOM_TRIALS + 1, count):
        parts |= search(create(tmp_path / "b"), until)
    assert parts == first


def test_trials_that_are_trained_at_the_same_time_differ(tmp_path):
    one, other = create(tmp_path), SharedStudy(tmp_path)
    taken = [study.take(6) for study in (one, other) * 3]
    assert [trial.number for trial in taken] == [1, 2, 3, 4, 5, 6]
    assert len({trial.recipe for trial in taken}) == 6
    assert one.take(6) is None and not other.has_work(6)
    for trial in taken:
        trial.finish(0.5, {})
    assert one.done() == other.done() == 6


@pytest.mark.slow
def test_processes_that_start_at_once_share_the_trials_of_one_study(tmp_path):
    code = (
        "import sys\n"
        "from dtp_tf.tuning.search_space import make_search\n"
        "from dtp_tf.tuning.shared_study import SharedStudy\n"
        "space = {'noise': {'low': 0.1, 'high': 0.5}}\n"
        "study = SharedStudy.create(sys.argv[1], *make_search('digits', space))\n"
        "while (trial := study.take(24)) is not None:\n"
        "    trial.report(1, 0.5)\n"
        "    trial.finish(0.5, {})\n"
        "    print(trial.number, trial.recipe.noise)\n"
    )
    words = [sys.executable, "-c", code, tmp_path / "study"]
    look = dict(env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    processes = [subprocess.Popen(words, **look) for _ in range(2)]
    lines = []
    for process in processes:
        said, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        lines += said.splitlines()
    assert sorted(int(line.split()[0]) for line in lines) == list(range(1, 25))
    assert len({line.split()[1] for line in lines}) == 24
    assert SharedStudy(tmp_path / "study").done() == 24


# -- how trials end --------------------------------------------------------------------------------


def test_a_trial_that_is_given_back_is_taken_again_as_it_was(tmp_path):
    study = create(tmp_path)
    search(study, 2)
    trial = study.take(3)
    trial.report(1, 0.5)
    trial.give_back()
    assert study.done() == 2
    for _ in range(ATTEMPTS + 1):  # as often as one likes
        again = SharedStudy(tmp_path).take(3)
        assert (again.number, again.recipe, again.path) == (trial.number, trial.recipe, trial.path)
        again.give_back()
    again = study.take(3)
    again.report(1, 0.5)
    again.finish(0.6, {})
    assert study.done() == 3 and study.take(3) is None


def test_a_trial_left_running_by_a_dead_process_is_taken_again(tmp_path):
    study = create(tmp_path)
    search(study, 1)
    dead, alive = study.take(3), study.take(3)
    assert not study.has_work(3)
    die(dead)
    other = SharedStudy(tmp_path)
    assert other.has_work(3)
    again = other.take(3)
    assert (again.number, again.recipe) == (dead.number, dead.recipe)
    assert other.take(3) is None
    again.finish(0.5, {})
    alive.finish(0.5, {})
    assert {n: entry.state.name for n, entry in other.entries().items()} == dict.fromkeys(
        (1, 2, 3), "COMPLETE"
    )


def test_a_trial_that_ends_with_its_process_again_and_again_has_failed(tmp_path):
    study = create(tmp_path)
    for _ in range(ATTEMPTS):
        trial = study.take(2)
        assert trial.number == 1
        die(trial)
    search(study, 2)
    assert study.entries()[1].state.name == "FAIL"
    assert (study.done(), study.done(failed=False)) == (2, 1)
    assert not study.has_work(2)


def test_a_process_that_dies_while_it_takes_a_trial_does_no_harm(tmp_path):
    first = search(create(tmp_path / "a"), 4)
    study = create(tmp_path / "b")
    found = search(study, 3)
    study._study.ask()  # has neither a number nor parameters
    assert found | search(SharedStudy(tmp_path / "b"), 4) == first


def test_what_another_process_has_ended_is_told_in_one_sentence(tmp_path):
    study = create(tmp_path)
    trial = study.take(2)
    die(trial)  # as it looks where the file system knows no locks
    other = SharedStudy(tmp_path).take(2)
    for end in (lambda: trial.report(1, 0.5), lambda: trial.finish(0.5, {}), trial.give_back):
        with pytest.raises(UserError, match="trial 1 was taken over by another process"):
            end()
    other.finish(0.5, {})
    assert study.done() == 1


# -- pruning ---------------------------------------------------------------------------------------


def pruned_after(study, accuracies):
    """Report accuracies epoch by epoch; return the epoch after which to prune, or None."""
    trial = study.take(100)
    for epoch, value in enumerate(accuracies, start=1):
        trial.report(epoch, value)
        if trial.should_be_pruned():
            trial.prune({})
            return epoch
    trial.finish(max(accuracies), {})
    return None


def test_a_trial_below_the_median_of_the_finished_ones_is_pruned(tmp_path):
    study = create(tmp_path, epochs=4)
    for level in range(UNPRUNED_TRIALS):
        assert pruned_after(study, [0.1 * level] * 4) is None  # the first ones are not
    # the medians are 0.15
    assert pruned_after(study, [0.1] * 4) == 1
    assert pruned_after(study, [0.2, 0.1, 0.1, 0.1]) is None  # its best epoch counts
    assert pruned_after(study, [0.16] * 4) == 1  # the median of five is 0.2
    states = [entry.state.name for entry in study.entries().values()]
    assert states.count("PRUNED") == 2


@pytest.mark.parametrize(("epochs", "first"), [(20, 4), (8, 2)])
def test_long_trials_have_a_fifth_of_their_epochs_before_they_are_judged(tmp_path, epochs, first):
    study = create(tmp_path, epochs=epochs)
    for level in range(UNPRUNED_TRIALS):
        assert pruned_after(study, [0.1 * level] * epochs) is None
    assert pruned_after(study, [0.1] * epochs) == first


@pytest.mark.slow
def test_importances_need_some_trials_that_differ(tmp_path):
    level = create(tmp_path / "level")
    for _ in range(UNPRUNED_TRIALS):
        level.take(9).finish(0.5, {})
    assert level.importances() is None
    study = create(tmp_path / "study")
    search(study, UNPRUNED_TRIALS - 1)
    assert study.importances() is None
    search(study, 12)
    found = study.importances()
    assert set(found) == set(SPACE)
    assert sum(found.values()) == pytest.approx(1)
    assert found["noise"] > found["optimizer"]  # the accuracy follows the noise alone


# -- folders ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed, named",
    [
        ({"epochs": 5}, "was made with `epochs` 4, asked for is 5; choose another --out"),
        ({"seed": 3}, "was made with `seed` 0, asked for is 3"),
        ({"units": (8,)}, "was made with `units` 512,512,512, asked for is 8"),
        ({"space": {**SPACE, "noise": {"low": 0.1, "high": 0.6}}},
         "searches `noise` in {low: 0.1, high: 0.5}, asked for is {low: 0.1, high: 0.6}"),
        ({"space": {"noise": SPACE["noise"]}}, "searches `optimizer` in .*asked for is nothing"),
        ({"space": {**SPACE, "crop": {"choices": [0, 1]}}},
         r"searches `crop` in nothing, asked for is {choices: \[0, 1\]}"),
    ],
)  # fmt: skip
def test_a_folder_of_another_study_is_refused_by_name(tmp_path, changed, named):
    create(tmp_path)
    with pytest.raises(UserError, match=named):
        create(tmp_path, **changed)
    assert create(tmp_path).folder == tmp_path


def test_a_folder_with_something_else_is_not_written_into(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="holds something else than a study"):
        create(tmp_path)
    with pytest.raises(UserError, match="is in the way of the study's folder"):
        create(tmp_path / "thesis.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_folder_in_which_another_process_makes_the_study_is_no_other_folder(tmp_path):
    (tmp_path / "locks").mkdir()
    for name in ("study.lock", "journal.log", "journal.log.lock0.rename", ".study-0123abcd.json"):
        (tmp_path / name).touch()
    assert create(tmp_path).done() == 0


def test_what_a_kill_has_left_of_a_study_without_trials_is_made_whole(tmp_path):
    create(tmp_path)
    (tmp_path / "study.json").unlink()
    study = create(tmp_path)
    assert [trial.user_attrs["number"] for trial in study._study.trials] == [1]


def test_a_damaged_journal_is_refused_in_one_sentence(tmp_path):
    create(tmp_path)
    with open(tmp_path / "journal.log", "a") as file:
        file.write('{"op_code": 5, "wor{"op_code": 5}\n')
        file.write("{}\n")
    with pytest.raises(UserError, match="journal.log is damaged: .*choose another --out"):
        SharedStudy(tmp_path)


def test_a_study_of_another_version_is_refused_in_one_sentence(tmp_path):
    create(tmp_path)
    path = tmp_path / "study.json"
    path.write_text(path.read_text().replace('"noise"', '"nose"'))
    with pytest.raises(UserError, match="does not fit this version: unknown setting 'nose'"):
        create(tmp_path)
