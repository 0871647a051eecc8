"""The sections of a page that need the network, and perhaps test images."""

from dtp_tf.errors import SettingError, UserError
from dtp_tf.reporting.answers import Answers
from dtp_tf.reporting.blocks import Section, Text
from dtp_tf.reporting.inverses import EXAMPLES, inverses
from dtp_tf.reporting.weights import first_layer


def tried(get):
    """Return `(get(), "")`, or `(None, why not)`."""
    try:
        return get(), ""
    except (UserError, SettingError) as error:
        return None, str(error)


def network_sections(saved, split, scores, why):
    """Return the sections that need the network, and those that need test images, too."""
    titles = "Wrong answers", "Surest right answers", "First layer", "Inverses"
    missing = [Text(f"Not shown: {why}", "note")]
    if saved is None:
        return [Section(title, missing) for title in titles]
    network, answers = saved.model, None
    wrong = right = back = missing
    if split is not None:
        answers = Answers.of(saved, split, scores)
        said = [Text(answers.said, "note")] if answers.said else []
        wrong, right = [*said, *answers.wrong()], answers.right()
        back = inverses(network, answers.examples(EXAMPLES))
    blocks = wrong, right, first_layer(network), back
    return [Section(title, one) for title, one in zip(titles, blocks, strict=True)]
