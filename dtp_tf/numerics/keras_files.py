"""Keras's files, made in memory: HDF5 that meets a full disk may end the whole process."""

import io
import zipfile

import keras

WEIGHTS = "model.weights.h5"  # Keras's name, in its zip file as in a preset


class _KerasFile(io.BytesIO):
    """An open file in memory. Keras tells the format by the end of what a file is printed as."""

    def __str__(self):
        return "model.keras"


def keras_file(model):
    """Return the `.keras` file of a model, an open `io.BytesIO`."""
    file = _KerasFile()
    keras.saving.save_model(model, file)
    return file


def weights_file(model):
    """Return the HDF5 file of a model's weights, an open `io.BytesIO`."""
    with zipfile.ZipFile(keras_file(model)) as archive:
        return io.BytesIO(archive.read(WEIGHTS))
