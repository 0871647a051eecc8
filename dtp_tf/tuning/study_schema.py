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
    check,
    check_plain,
    mapping,
    maybe,
)

STUDY = mapping({"recipe": MAPPING, "search": MAPPING})
RESULT = mapping(
    {"data": DATA, "versions": VERSIONS},
    {
        "validation_accuracy": maybe(SHARE),
        "validation_loss": maybe(NUMBER),
        "best_epoch": maybe(WHOLE),
        "epochs": WHOLE,
        "seconds": DURATION,
        "diverged": TEXT,
    },
)
_ATTEMPT = {"number": {**POSITIVE, "maximum": 10**9}, "attempt": POSITIVE}
_ENDED = mapping({**_ATTEMPT, "result": RESULT})
# By Optuna's names of states; entries that waited when their process died may lack all.
ENTRIES = {
    "COMPLETE": mapping({**_ATTEMPT, "result": {**RESULT, "required": ["validation_accuracy"]}}),
    "PRUNED": _ENDED,
}
ENTRY = mapping({}, {**_ATTEMPT, "result": RESULT})


def check_trials(study, path):
    """Raise `UserError` if a journal tells of trials that the study cannot have.

    Args:
        study: a `dtp_tf.tuning.shared_study.SharedStudy` whose journal was read.
        path: of the journal.
    """
    for trial in study.trials():
        what = f"{path}, in the trial that Optuna numbers {trial.number},"
        said = {"user_attrs": trial.user_attrs, "accuracies": trial.intermediate_values}
        check_plain([*said.values(), trial.params, trial.values], what)
        check(trial.user_attrs, ENTRIES.get(trial.state.name, ENTRY), what)
        check(list(trial.intermediate_values.values()), {"items": SHARE}, what)
        if trial.state.name == "COMPLETE":
            check(trial.values, {"type": "array", "items": SHARE, "minItems": 1}, what)
        unknown = trial.params.keys() - study.space.parameters.keys()
        if unknown:
            raise DamagedError(what, f"it has the parameter {min(unknown)!r}, which is not searched")
        try:
            if trial.params.keys() == study.space.parameters.keys():
                study.recipe(trial.params)
        except SettingError as error:
            raise UserError(f"{what} does not fit this version: {error}") from None
