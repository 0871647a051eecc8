"""What the files of a study must say: `study.json`, and what trials leave in Optuna's journal."""

from dtp_tf.errors import SettingError, UserError
from dtp_tf.presets.facts import DATA, VERSIONS
from dtp_tf.schema import (
    DURATION,
    MAPPING,
    NUMBER,
    POSITIVE,
    SHARE,
    TEXT,
    WHOLE,
    DamagedError,
    brief,
    check,
    check_plain,
    listed,
    mapping,
    maybe,
)

STUDY = mapping({"recipe": MAPPING, "search": MAPPING})
RESULT = mapping(
    {},
    {
        "data": DATA,
        "versions": VERSIONS,
        "validation_accuracy": maybe(SHARE),
        "validation_loss": maybe(NUMBER),
        "best_epoch": maybe(WHOLE),
        "epochs": WHOLE,
        "seconds": DURATION,
        "diverged": TEXT,
    },
)
_ATTEMPT = {"number": {**POSITIVE, "maximum": 10**9}, "attempt": POSITIVE}
# Those that waited when their process died may lack all.
ENTRY = mapping({}, {**_ATTEMPT, "result": RESULT})
# By Optuna's names of states.
ENTRIES = {
    "COMPLETE": mapping({**_ATTEMPT, "result": RESULT}),
    "PRUNED": mapping({**_ATTEMPT, "result": RESULT}),
}


def check_trials(study, trials, path):
    """Raise `UserError` if a journal tells of trials that the study cannot have.

    Args:
        study: a `dtp_tf.tuning.shared_study.SharedStudy`.
        trials: Optuna's, from its journal.
        path: of the journal.
    """
    for trial in trials:
        what = f"{path}, in the trial that Optuna numbers {trial.number},"
        accuracies = list(trial.intermediate_values.values())
        check_plain([trial.user_attrs, accuracies, trial.params, trial.values], what)
        check(trial.user_attrs, ENTRIES.get(trial.state.name, ENTRY), what)
        check(accuracies, listed(SHARE), what)
        if trial.state.name == "COMPLETE":
            check(trial.values, listed(SHARE, at_least=1), what)
        searched = study.space.parameters.keys()
        for name in trial.params.keys() - searched:
            raise DamagedError(what, f"{brief(name)} is a parameter that is not searched")
        for name, value in trial.params.items():
            if not study.space.parameters[name].has(value):
                raise DamagedError(what, f"{brief(name)} cannot be {brief(value)} in this search")
        lacking = searched - trial.params.keys()
        if lacking and trial.state.name in ENTRIES:
            raise DamagedError(what, f"it lacks the parameter {brief(min(lacking))}")
        if not lacking:
            try:
                study.recipe(trial.params)
            except SettingError as error:
                raise UserError(f"{what} does not fit this version: {error}") from None
