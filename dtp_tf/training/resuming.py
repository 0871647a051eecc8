"""What a run is resumed from, and what it may not be resumed with."""

from dtp_tf.errors import SettingError
from dtp_tf.runs.provenance import changes, refuse_or_warn
from dtp_tf.training.building import steps_of_pass


def last_state(run, recipe, data, anyway, console, repair):
    """Return the state that a run goes on from, a `SavedModel`; None if there is none.

    Args:
        run: the `Run`.
        recipe: its `Recipe`.
        data: the `ImageData`.
        anyway: whether to go on although they have changed.
        console: where to say so.
        repair: whether what a killed run left behind may be mended.

    Raises:
        UserError: the data have changed, or a file is damaged.
    """
    saved = run.load_checkpoint(repair)
    if saved is None:
        return None
    refuse_other_data(saved.about, data, run, console if anyway else None)
    epoch = saved.about.get("unfinished")
    if epoch is None or epoch["steps"] == steps_of_pass(recipe, data):
        return saved
    console.print(
        f"warning: epoch {len(saved.about['history']) + 1} begins again, for its batches are "
        "others now"
    )
    return run.load_checkpoint(repair, within=False)


def refuse_changes(recipe, settings):
    """Raise `SettingError` if `settings` differ from the recipe of the run to resume."""
    changed = recipe.replace(**settings)
    for name in settings:
        before, now = getattr(recipe, name), getattr(changed, name)
        if before != now:
            raise SettingError(
                f"`{name}` is {before} in the run, got {now}; a run is resumed with the recipe "
                "that it was started with: leave the setting out, or start a new run."
            )


def refuse_other_data(about, data, run=None, console=None):
    """Raise `UserError` if the data are not those that the run was started with.

    Args:
        about: of its checkpoint.
        data: the `ImageData`.
        run: the `Run`, if this process has one.
        console: where to say it, and to go on; None to refuse.
    """
    images = None if run is None or not run.images.exists() else run.images
    said = changes(about["data"], data, images)
    if not said:
        return
    text, advice = f"the data differ from the run's: {said}", "resume with the same data"
    refuse_or_warn(text, advice, console is not None, console)
