"""Keras's files. Their HDF5 is made in memory: what meets a full disk may end the whole process."""

import io
import zipfile

import keras

WEIGHTS = "model.weights.h5"  # Keras's name, in its zip file as in a preset


class _Keras:
    """An open file. Keras tells the format by the end of what it is printed as."""

    def __str__(self):
        return "model.keras"

    @property
    def name(self):
        """None: Keras would have HDF5 write beside it where memory is short."""
        raise AttributeError("name")


class _InMemory(_Keras, io.BytesIO):
    pass


class KerasFile(_Keras, io.BufferedRandom):
    """A new file on the disk for `keras.saving.save_model`; only its HDF5 is made in memory first.

    Args:
        path: of the file.
    """

    def __init__(self, path):
        super().__init__(io.FileIO(path, "w+"))


def weights_file(model):
    """Return the HDF5 file of a model's weights, an open `io.BytesIO`."""
    file = _InMemory()
    keras.saving.save_model(model, file)
    with zipfile.ZipFile(file) as archive:
        return io.BytesIO(archive.read(WEIGHTS))
