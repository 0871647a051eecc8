"""A model's file goes to the disk as it is made, and its HDF5 is made in memory."""

import json
import zipfile

import h5py
import keras
import pytest

from dtp_tf.runs.models import ENTRY, save_model


@pytest.fixture(scope="module")
def model():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])


def test_a_file_has_what_is_said_of_it_beside_keras_entries(model, tmp_path):
    save_model(model, tmp_path / "model.keras", {"said": 5})
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        assert json.loads(archive.read(ENTRY)) == {"said": 5}
        assert "model.weights.h5" in archive.namelist()
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert (again.get_weights()[0] == model.get_weights()[0]).all()
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]


def test_hdf5_is_made_in_memory_even_where_memory_is_short(model, tmp_path, monkeypatch):
    monkeypatch.setattr("keras.src.saving.saving_lib.is_memory_sufficient", lambda model: False)
    made, real = [], h5py.File

    def file(where, *args, **kwargs):
        made.append(where)
        return real(where, *args, **kwargs)

    monkeypatch.setattr(h5py, "File", file)
    save_model(model, tmp_path / "model.keras", {})
    assert made and all(hasattr(where, "getvalue") for where in made)
