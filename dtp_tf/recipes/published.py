"""The experiments of papers, with the settings that they publish. No TensorFlow is imported.

A name is PAPER-DATA-NETWORK, and the paper's file here has it; with -quick at its end the same in
fewer epochs and, where a batch takes many updates of the inverses, in fewer of these.
"""

import dataclasses

from dtp_tf.recipes import bartunov, ernoult, meulemans, shibuya

_PAPERS = bartunov, ernoult, meulemans, shibuya


def _quick(named, epochs, validation_fraction=None):
    """Return a shorter variant, perhaps one that holds more of the training images out."""
    whole, settings, fewer = named.settings["epochs"], {"epochs": epochs}, ""
    if validation_fraction is not None:
        settings["validation_fraction"] = validation_fraction
        fewer = f" on {1 - validation_fraction:.0%} of the training images"
    return dataclasses.replace(
        named,
        summary=f"{named.summary} In {epochs} {'epoch' if epochs == 1 else 'epochs'} of {whole}"
        f"{fewer}.",
        settings={**named.settings, **settings},
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
