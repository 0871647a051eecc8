"""The experiments of papers, with the settings that they publish. No TensorFlow is imported.

A name is PAPER-DATA-NETWORK, and the paper's file here has it; with -quick at its end the same in
fewer epochs and, where a batch takes many updates of the inverses, in fewer of these.
"""

import dataclasses

from dtp_tf.recipes import bartunov, ernoult, meulemans, shibuya
from dtp_tf.recipes.settings import shown

_PAPERS = bartunov, ernoult, meulemans, shibuya


def _quick(named, epochs, inverse_steps=None):
    whole, rules, fewer = named.settings["epochs"], named.rules, ""
    if inverse_steps is not None:
        rules = {
            rule: {**own, "inverse_steps": inverse_steps} if "inverse_steps" in own else own
            for rule, own in rules.items()
        }
        fewer = f" with {shown(inverse_steps)} updates of the inverses per batch"
    return dataclasses.replace(
        named,
        summary=f"{named.summary} In {epochs} {'epoch' if epochs == 1 else 'epochs'} of {whole}"
        f"{fewer}.",
        settings={**named.settings, "epochs": epochs},
        rules=rules,
        published=f"{named.published} All that is published is of {whole} epochs.",
    )


def _variants(whole, named, quick):
    """Return the recipe of a paper by its name, and the quick one if there is one."""
    if quick is None:
        return {whole: named}
    settings = quick if isinstance(quick, tuple) else (quick,)
    return {whole: named, f"{whole}-quick": _quick(named, *settings)}


PUBLISHED = {
    name: one
    for paper in _PAPERS
    for whole, named in paper.WHOLE.items()
    for name, one in _variants(whole, named, paper.QUICK.get(whole)).items()
}
