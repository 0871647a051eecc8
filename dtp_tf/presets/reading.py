"""Networks from presets. See `dtp_tf.presets.folder` for the files."""

import keras

from dtp_tf.errors import UserError
from dtp_tf.files import read_json
from dtp_tf.presets.facts import NETWORK
from dtp_tf.presets.folder import Preset
from dtp_tf.recipes.recipe import RULES


def read_preset(name_or_folder, load_weights=True):
    """Return a preset's network, and what is known of it.

    The network is compiled as its recipe says, with optimizers that have not begun. Nothing that
    comes with a preset is run as code.

    Args:
        name_or_folder: a shipped preset's name, or a preset's folder.
        load_weights: whether to load its weights; otherwise they are drawn afresh.

    Returns:
        The `DTPNetwork`, and a dict as `.keras` files have it: "preset" (the name), "class_names",
        and "recipe", "data" and "versions" where they are known.

    Raises:
        UserError: there is no such preset, or it is damaged, foreign or of a newer version.
    """
    preset = Preset.find(name_or_folder)
    facts = preset.verified_facts()
    config = read_json(preset.config, NETWORK)
    _refuse_foreign(preset, config, facts)
    compile_config = config.pop("compile_config", None)
    try:
        network = keras.saving.deserialize_keras_object(config)
        if load_weights:
            network.load_weights(preset.weights)
        if compile_config:
            network.compile_from_config(compile_config)
    except (KeyboardInterrupt, MemoryError):
        raise
    except Exception as error:  # HDF5 and Keras each have errors of their own
        reason = " ".join(str(error).split())[:160]
        raise UserError(
            f"preset {preset.path} has a network or weights that do not fit this version of "
            f"dtp_tf ({reason})."
        ) from None
    about = {name: facts.get(name) for name in ("recipe", "class_names", "data", "versions")}
    about = {name: value for name, value in about.items() if value is not None}
    return network, {**about, "preset": facts["name"]}


def _refuse_foreign(preset, config, facts):
    if not isinstance(config, dict) or config.get("registered_name") != "dtp_tf>DTPNetwork":
        raise UserError(f"preset {preset.path} holds no DTPNetwork; dtp_tf loads no other kind.")
    rule = (config.get("config", {}).get("rule") or {}).get("registered_name")
    if rule is None or keras.saving.get_registered_object(rule) is None:
        name = facts.get("rule", rule)
        raise UserError(
            f"preset {preset.path} was trained by the rule {name!r}, which is not in dtp_tf; "
            "import the file that defines and registers it first, or ask for a preset of one of "
            f"{', '.join(RULES)}."
        )
