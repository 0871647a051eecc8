"""The rules by the names that recipes use."""

from dtp_tf.rules.ao_sdtp import AOSDTP
from dtp_tf.rules.autoencoder import Autoencoder
from dtp_tf.rules.bp import BP
from dtp_tf.rules.ccl import CCL
from dtp_tf.rules.ddtp_control import DDTPControl
from dtp_tf.rules.ddtp_linear import DDTPLinear
from dtp_tf.rules.ddtp_rhl import DDTPRHL
from dtp_tf.rules.dfa import DFA
from dtp_tf.rules.drl import DRL
from dtp_tf.rules.drtp import DRTP
from dtp_tf.rules.dtp import DTP
from dtp_tf.rules.fa import FA
from dtp_tf.rules.fwdtp import FWDTP
from dtp_tf.rules.gait_prop import GAITProp
from dtp_tf.rules.gnt import GNT
from dtp_tf.rules.kp import KP
from dtp_tf.rules.ldrl import LDRL
from dtp_tf.rules.local_error import LocalError
from dtp_tf.rules.own import load_own_rule, loaded_rule
from dtp_tf.rules.sdtp import SDTP
from dtp_tf.rules.sign_symmetry import SignSymmetry
from dtp_tf.rules.tp import TP
from dtp_tf.rules.weight_mirror import WeightMirror

BY_NAME = {
    "tp": TP,
    "dtp": DTP,
    "sdtp": SDTP,
    "ao_sdtp": AOSDTP,
    "drl": DRL,
    "ddtp_linear": DDTPLinear,
    "ddtp_rhl": DDTPRHL,
    "ddtp_control": DDTPControl,
    "gnt": GNT,
    "ldrl": LDRL,
    "fwdtp": FWDTP,
    "ccl": CCL,
    "gait_prop": GAITProp,
    "bp": BP,
    "fa": FA,
    "dfa": DFA,
    "drtp": DRTP,
    "sign_symmetry": SignSymmetry,
    "kp": KP,
    "weight_mirror": WeightMirror,
    "local_error": LocalError,
    "autoencoder": Autoencoder,
}
"""The classes of the learning rules by the names that recipes use."""


def find_rule(name, again=True):
    """Return the class of a rule by its name in recipes, or that of FILE.py:CLASS.

    The file is run; without `again` only if this process has not run it as it is. So call this
    with a name that the user gave, not with one from a file that was opened.

    Raises:
        SettingError: there is none, or the file does not hold one.
    """
    if name in BY_NAME:
        return BY_NAME[name]
    return (None if again else loaded_rule(name)) or load_own_rule(name)
