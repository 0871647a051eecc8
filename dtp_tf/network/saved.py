"""What a network leaves in files: its random states, the export of its forward layers."""

import pathlib

import keras
import tensorflow as tf
from keras.src.backend.common import global_state

from dtp_tf.errors import SettingError

_STATE = "random_state_"


class Saved:
    """The part of a `DTPNetwork` that says what `save`, `save_weights` and `export` write."""

    def export(self, filepath, format="tf_saved_model", **kwargs):
        """Write the forward network alone, `classifier()`, for inference.

        A SavedModel's `serve` takes float32, and what the preprocessing says that it takes, such as
        uint8 images; the default signature is for the latter.

        Args:
            filepath, format, **kwargs: see `keras.Model.export`.

        Raises:
            ValueError: a network that is not built.
        """
        own = getattr(self.preprocessing, "inputs", None) or [None]  # of a keras.Sequential
        dtypes = dict.fromkeys(["float32" if own[0] is None else own[0].dtype, "float32"])
        classifier = self.classifier(next(iter(dtypes)))
        if format != "tf_saved_model" or kwargs.get("input_signature") or len(dtypes) == 1:
            return classifier.export(filepath, format, **kwargs)
        serve = tf.function(lambda inputs: classifier(inputs, training=False), autograph=False)
        for dtype in dtypes:
            serve.get_concrete_function(
                tf.TensorSpec((None, *self.example_shape), dtype, name="inputs")
            )
        archive = keras.export.ExportArchive()
        archive.track(classifier)
        archive.add_endpoint("serve", serve)
        return archive.write_out(str(filepath), verbose=kwargs.get("verbose"))

    def save(self, filepath, *args, **kwargs):
        """As `keras.Model.save`.

        Raises:
            SettingError: a file of Keras's legacy format, HDF5.
        """
        if pathlib.Path(filepath).suffix.lower() in (".h5", ".hdf5"):
            raise _legacy()  # before Keras opens the file
        super().save(filepath, *args, **kwargs)

    def get_config(self):
        # `keras.saving.save_model` would write a legacy file that it cannot load.
        if global_state.get_global_attribute("use_legacy_config", None):
            raise _legacy()
        return super().get_config()

    def save_own_variables(self, store):
        super().save_own_variables(store)
        for number, state in enumerate(self._random_states()):
            store[f"{_STATE}{number}"] = state.numpy()

    def load_own_variables(self, store):
        names = [name for name in store.keys() if not name.startswith(_STATE)]
        super().load_own_variables({name: store[name] for name in names})
        for number, state in enumerate(self._random_states()):
            if f"{_STATE}{number}" in store.keys():  # files of earlier versions have none
                state.assign(store[f"{_STATE}{number}"])

    def _random_states(self):
        """The states of the layers' random numbers, which Keras leaves out of its files."""
        others = {id(one) for one in (*self.weights, *self.metrics_variables)}
        return [one for one in self.variables if id(one) not in others]


def _legacy():
    return SettingError(
        "Keras's legacy format, .h5, has no place for a network with inverses; save it as "
        "NAME.keras, its weights alone by save_weights('NAME.weights.h5'), or its forward layers "
        "alone by classifier().save(..)."
    )
