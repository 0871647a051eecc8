"""What files say of a trained network: the schemas of its data, its results and a preset.

This module does not import TensorFlow.
"""

from dtp_tf.schema import (
    COUNT,
    MAPPING,
    NUMBER,
    POSITIVE,
    SHARE,
    TEXT,
    WHOLE,
    by_name,
    listed,
    mapping,
    maybe,
)

SHAPE = listed(POSITIVE)
CLASS_NAMES = listed(TEXT, at_least=1)
VERSIONS = mapping(
    dict.fromkeys(("dtp_tf", "keras", "tensorflow", "python", "device"), TEXT),
    {"rule_sha256": TEXT, "model_sha256": TEXT},
)
# What `dtp_tf.runs.provenance.fingerprint` says; trials of a search have no test images.
DATA = mapping(
    {
        "name": TEXT,
        "training_images": COUNT,
        "validation_images": COUNT,
        "test_images": maybe(COUNT),
    },
    {
        "image_shape": SHAPE,
        "classes": POSITIVE,
        "test_origin": maybe(TEXT),
        **dict.fromkeys(("content_sha256", "names_sha256"), TEXT),
        "left_out": by_name(COUNT),
        "named": mapping(
            {
                "version": TEXT,
                "splits": by_name(
                    mapping({**dict.fromkeys(("examples", "shards", "bytes"), COUNT),
                             "sha256": TEXT})
                ),
            }
        ),
    },
)
# What `dtp_tf.evaluate` gives.
REPORT = mapping(
    {"accuracy": SHARE, "loss": NUMBER, "images": COUNT, "per_class": by_name(maybe(SHARE))},
    {
        "confusion_matrix": listed(listed(COUNT)),
        "balanced_accuracy": SHARE,
        "top_5_accuracy": SHARE,
    },
)
SETTINGS = mapping({"rule": TEXT, "seed": WHOLE})  # `Recipe.from_dict` checks the others

PRESET = mapping(
    {
        "name": TEXT,
        "versions": MAPPING,
        "class_names": CLASS_NAMES,
        "parameters": mapping({"forward": COUNT, "inverse": COUNT}),
        "files": by_name(mapping({"bytes": COUNT, "sha256": TEXT})),
    },
    {
        "description": TEXT,
        "rule": TEXT,
        "layers": TEXT,
        "weights_dtype": TEXT,
        "license": maybe(TEXT),
        "image_shape": maybe(listed(POSITIVE, at_least=3, maxItems=3)),
        "recipe": maybe(SETTINGS),
        "data": maybe(DATA),
        "results": maybe(
            mapping(
                {},
                {
                    "test": maybe(REPORT),
                    "validation": maybe(REPORT),
                    "best_epoch": maybe(COUNT),
                    "epochs": COUNT,
                },
            )
        ),
        "seeds": maybe(mapping({}, {"validation_accuracy": maybe(by_name(SHARE))})),
        "source": maybe(mapping({"file": TEXT, "sha256": TEXT})),
    },
)
# `config.json` of a preset, as Keras serializes a network.
NETWORK = mapping(
    {
        "class_name": TEXT,
        "config": mapping({}, {"rule": maybe(mapping({}, {"registered_name": maybe(TEXT)}))}),
    },
    {
        "registered_name": maybe(TEXT),
        "compile_config": maybe(MAPPING),
        "build_config": maybe(MAPPING),
    },
)
