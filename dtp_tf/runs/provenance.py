"""What a result came from: the data, and what a model card says of it."""


def fingerprint(data):
    """Return what tells one set of data from another."""
    return {
        "name": data.name,
        "image_shape": list(data.image_shape),
        "classes": len(data.class_names),
        "training_images": len(data.train),
        "validation_images": len(data.validation),
        "test_images": None if data.test is None else len(data.test),
        "test_origin": data.test_origin,
    }


def card_facts(about, data, test):
    """Return what a model card says of a trained network, see `dtp_tf.presets.cards.model_card`.

    Args:
        about: of its `SavedModel`.
        data: the `ImageData` it was trained on.
        test: its report on their test split.
    """
    history = about.get("history")  # a classifier without its run has none
    return {
        "recipe": about["recipe"],
        "data": fingerprint(data),
        "results": {"test": test, "best_epoch": None if history is None else len(history)},
        "versions": about.get("versions"),
    }
