"""Which settings each learning rule takes. This module does not import TensorFlow."""

_TARGET_STEP = {"target_step": 0.00327736332653}
_INVERSES = {
    "inverse_activation": "tanh",
    "inverse_first": False,
    "inverse_initializer": "orthogonal",
    "symmetric_start": False,
}
_TRAINED = {
    "schedule": "parallel",
    "inverse_steps": 1,
    "inverse_epochs_before": 0,
    "inverse_epochs_after": 0,
    "noise": 0.359829566008,
    "noise_decay_epochs": None,
    "noise_samples": 1,
    "inverse_initializer": "orthogonal",
    "inverse_optimizer": "adam",
    "inverse_learning_rate": 1e-3,
    "inverse_learning_rate_schedule": "constant",
}

_WITHOUT_NOISE = {
    name: value
    for name, value in _TRAINED.items()
    if name not in ("noise", "noise_decay_epochs", "noise_samples")
}
_PENALTY_AND_DIRECTIONS = {"inverse_l2": 0.0, "noise_directions": "gaussian"}
_DDTP = {**_TRAINED, **_PENALTY_AND_DIRECTIONS, "target_step": 0.0669, "noise": 0.1}
_SDTP = {
    **_TRAINED, **_INVERSES, **_PENALTY_AND_DIRECTIONS, "schedule": "alternating",
    "denoising": True, "target_step": 1.0,
}

RULES = {
    "tp": {**_TARGET_STEP, **_TRAINED, **_INVERSES, **_PENALTY_AND_DIRECTIONS},
    "dtp": {**_TARGET_STEP, **_TRAINED, **_INVERSES, **_PENALTY_AND_DIRECTIONS},
    "sdtp": _SDTP,
    "ao_sdtp": {**_SDTP, "auxiliary_units": 512},
    "drl": {
        **_TRAINED, **_INVERSES, **_PENALTY_AND_DIRECTIONS, "target_step": 0.0262, "noise": 0.0992,
        "schedule": "inverse-first",
    },
    "ddtp_linear": _DDTP,
    "ddtp_rhl": {**_DDTP, "feedback_units": 1024},
    "ddtp_control": _DDTP,
    "gnt": {"target_step": 0.1, "damping": 0.1},
    "ldrl": {
        **_TRAINED, **_INVERSES, "target_step": 0.1, "noise": 0.03, "schedule": "inverse-first",
        "inverse_steps": 5, "noise_directions": "gaussian", "inverse_first": True,
        "inverse_activation": "matched", "inverse_learning_rate_schedule": "cosine",
        "jacobian_norm": "sampled",
    },
    "fwdtp": {**_TARGET_STEP, **_INVERSES},
    # Inverses that are as fast as the forward layers come to the mean of all classes with them.
    "ccl": {**_WITHOUT_NOISE, **_INVERSES, "inverse_learning_rate": 1e-5},
    "gait_prop": {"increment": 1e-3, "orthogonality": 0.1},
    "bp": {"straight_through": False},
    "fa": {"inverse_initializer": "orthogonal", "symmetric_start": False},
    "dfa": {"inverse_initializer": "orthogonal"},
    "drtp": {"inverse_initializer": "orthogonal"},
    "sign_symmetry": {"feedback_magnitudes": "uniform", "inverse_initializer": "orthogonal"},
    "kp": {**_WITHOUT_NOISE, "symmetric_start": False},
    "weight_mirror": {**_TRAINED, "noise": 1.0, "inverse_l2": 0.5, "symmetric_start": False},
    "local_error": _WITHOUT_NOISE,
    "autoencoder": {
        **{name: value for name, value in _TRAINED.items() if name != "inverse_initializer"},
        "noise": 0.3, "inverse_activation": "sigmoid",
    },
}
"""The settings that each learning rule takes, with their defaults. A recipe refuses the others."""
# Rules that take no small differences of what the feedback gives, which TF32 would round away.
TF32_RULES = (
    "gait_prop", "bp", "fa", "dfa", "drtp", "sign_symmetry", "kp", "weight_mirror", "local_error",
    "autoencoder",
)
# A user's own rule may take any of them; what its class has a default for is left to the class.
OF_CLASS = (
    "target_step", "noise", "noise_directions", "schedule", "inverse_steps", "inverse_l2",
    "damping", "feedback_units", "auxiliary_units", "feedback_magnitudes", "noise_samples",
    "straight_through", "increment", "orthogonality", "jacobian_norm", "denoising",
)
_OWN_RULE = {**RULES["dtp"], **dict.fromkeys(OF_CLASS)}
RULE_SETTINGS = tuple(_OWN_RULE)
"""The names of all settings that belong to the learning rule."""


def trained_feedback(rule, hidden):
    """Return how many layers have feedback that a rule trains, or None for a user's own rule.

    Args:
        rule: its name.
        hidden: how many hidden layers the network has.
    """
    if rule not in RULES:
        return None
    if "inverse_learning_rate" not in RULES[rule]:
        return 0
    return hidden - 1 if rule in ("tp", "dtp") else hidden


def rule_settings(rule):
    """Return the settings that a rule takes, with their defaults."""
    return RULES.get(rule, _OWN_RULE)
