"""A file of PyTorch weights -> a preset's folder."""

import math
import pathlib

import keras
import numpy as np

from dtp_tf.data.class_names import check_class_names
from dtp_tf.data.preprocessing import preprocessing_layer
from dtp_tf.data.sets import load_data
from dtp_tf.errors import SettingError
from dtp_tf.evaluating.evaluation import evaluate
from dtp_tf.presets.folder import file_hash
from dtp_tf.presets.writing import refuse_used, save_preset
from dtp_tf.recipes.recipe import Recipe
from dtp_tf.runs.provenance import fingerprint
from dtp_tf.sharing.torch_weights import network_from_arrays, read_arrays


def import_torch(
    path,
    sizes,
    folder,
    *,
    activation="tanh",
    inverse_activation=None,
    dataset=None,
    image_shape=None,
    preprocessing="unit",
    image_order="chw",
    class_names=None,
    data_dir=None,
    license="apache-2.0",
):
    """Bring PyTorch weights into a `DTPNetwork` and write it as a preset.

    Args:
        path: of the file: a state dict that PyTorch saved, or `.safetensors`.
        sizes: (inputs, units, .., classes).
        folder: the preset's, which must not exist or be empty.
        activation: of the hidden layers.
        inverse_activation: of the inverses; the same by default.
        dataset: that the network was trained on. Its images, classes and (for some kinds of
            preprocessing) pixel means are read from it, and the test accuracy is measured.
        image_shape: (height, width, channels) of the images, without a dataset. With neither, the
            network takes numbers instead of images.
        preprocessing: pixels to inputs; see `Recipe`.
        image_order: see `dtp_tf.sharing.torch_weights.network_from_arrays`.
        class_names: one name per class; by default the dataset's, or their numbers.
        data_dir: the folder of TensorFlow Datasets.
        license: of the weights, as model hubs write it.

    Returns:
        The preset's metadata, and lines for a person: which inverses were taken.

    Raises:
        SettingError: sizes or names that do not fit the images or classes.
        UserError: weights that cannot be read or do not fit, or a folder in use.
    """
    if len(sizes) < 3 or min(sizes) < 1:
        raise SettingError(
            f"`layers` must be the inputs, the units of at least one hidden layer and the classes, "
            f"got {','.join(map(str, sizes))}."
        )
    refuse_used(folder)
    arrays = read_arrays(path)
    recipe = Recipe(
        dataset=dataset or "digits", units=sizes[1:-1], activation=activation,
        inverse_activation=inverse_activation or activation, preprocessing=preprocessing,
    )  # fmt: skip
    data, layer = None, None
    if dataset is not None:
        if image_shape is not None:
            raise SettingError("`dataset` and `image_shape` exclude each other: drop one.")
        data = load_data(recipe, data_dir)
        image_shape, class_names = data.image_shape, class_names or data.class_names
        layer = preprocessing_layer(preprocessing, data.train.images)
    elif image_shape is not None:
        if preprocessing in ("center", "standardize"):
            raise SettingError(
                f"`preprocessing` {preprocessing} takes its means from training images; give "
                "`dataset`."
            )
        layer = preprocessing_layer(preprocessing, np.zeros((1, *image_shape), np.uint8))
    if image_shape is not None and math.prod(image_shape) != sizes[0]:
        shape = "x".join(map(str, image_shape))
        raise SettingError(
            f"`layers` begins with {sizes[0]} inputs, but images of {shape} have "
            f"{math.prod(image_shape)} numbers."
        )
    names = [str(i) for i in range(sizes[-1])] if class_names is None else list(class_names)
    check_class_names(names, "the import")
    if len(names) != sizes[-1]:
        raise SettingError(
            f"`layers` ends with {sizes[-1]} classes, but there are {len(names)} class names."
        )
    network, taken, left_out = network_from_arrays(
        arrays, sizes, activation, inverse_activation, layer, image_shape, image_order
    )
    facts = {
        "description": (
            f"A network of {'-'.join(map(str, sizes))} units ({activation}), converted from "
            "PyTorch for difference target propagation with dtp_tf."
        ),
        "rule": "dtp",
        "recipe": None if data is None else recipe.to_dict(),
        "data": None if data is None else fingerprint(data),
        "class_names": names,
        "results": None,
        "source": {"file": pathlib.Path(path).name, "sha256": file_hash(path)},
        "license": license,
    }
    network.compile(
        keras.optimizers.Adam(recipe.learning_rate),
        keras.optimizers.Adam(recipe.inverse_learning_rate),
    )
    if data is not None:
        facts["results"] = {"test": evaluate(network, data.test, names)}
    facts = save_preset(network, folder, facts)
    fresh = [i + 1 for i in network.inverted if i + 1 not in taken]
    lines = [f"inverses taken for layers {_numbers(taken)}; drawn afresh: {_numbers(fresh)}"]
    if left_out:
        lines.append(
            f"left out: the inverses of layers {_numbers(left_out)}, which the rule does not use"
        )
    return facts, lines


def _numbers(layers):
    return ", ".join(map(str, layers)) or "none"
