"""`.keras` files: what is added to them survives, and what is no model is refused."""

import json
import shutil
import zipfile

import keras
import numpy as np
import pytest
from helpers import (
    arrays,
    assert_same_arrays,
    digits,
    full_disk,
    hidden_files,
    python,
    trained,
)

import dtp_tf
from dtp_tf.errors import UserError
from dtp_tf.network.network import DTPNetwork
from dtp_tf.runs.models import ENTRY, SavedModel, load_model, save_model
from dtp_tf.training.building import build_network


@pytest.fixture(scope="module")
def stock():
    """A Keras model of another make, for images of 4x4 pixels."""
    layers = [keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(3, "softmax")]
    return keras.Sequential(layers)


@pytest.fixture
def best(tmp_path):
    """A copy of the shared run's best checkpoint, to be damaged."""
    return shutil.copy(trained()[0] / "best.keras", tmp_path)


def refusal(path):
    """Return the sentence with which a file is refused."""
    with pytest.raises(UserError) as caught:
        load_model(path)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    assert len(text) < 400
    assert text.endswith(".")
    return text


# what is saved comes back


def test_what_is_said_about_a_model_comes_back_with_it(stock, tmp_path):
    about = {"class_names": ["a", "ü", "[b]"], "history": [{"loss": 0.1234567890123456}]}
    save_model(stock, tmp_path / "m.keras", about)
    assert load_model(tmp_path / "m.keras").about == about


def test_the_further_entry_leaves_a_file_that_keras_opens(stock, tmp_path):
    save_model(stock, tmp_path / "m.keras", {"class_names": ["a", "b", "c"]})
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        assert archive.testzip() is None
        assert json.loads(archive.read(ENTRY)) == {"class_names": ["a", "b", "c"]}
    again = keras.saving.load_model(tmp_path / "m.keras")
    images = np.random.default_rng(0).random((5, 4, 4, 1), dtype="float32")
    np.testing.assert_array_equal(again(images), stock(images))


def test_saving_leaves_no_temporary_file(stock, tmp_path):
    save_model(stock, tmp_path / "m.keras", {})
    assert [path.name for path in tmp_path.iterdir()] == ["m.keras"]


@pytest.mark.slow
def test_a_checkpoint_comes_back_with_its_very_weights_and_optimizers(tmp_path):
    path = trained()[0] / "last.keras"
    saved = load_model(path)
    save_model(saved.model, tmp_path / "again.keras", saved.about)
    before, after = arrays(path), arrays(tmp_path / "again.keras")
    assert any(name.startswith("inverse_optimizer/") for name in before)
    assert any(name.startswith("optimizer/") for name in before)
    assert_same_arrays(before, after)


def test_both_optimizers_come_back_with_their_kinds_and_settings(tmp_path):
    recipe = dtp_tf.recipe(
        "digits", units=(4, 4), optimizer="sgd", learning_rate=0.5, learning_rate_schedule="cosine",
        inverse_optimizer="rmsprop-graves", inverse_learning_rate=0.25,
    )  # fmt: skip
    network = build_network(recipe, digits())
    save_model(network, tmp_path / "m.keras", {})
    again = load_model(tmp_path / "m.keras").model
    for name, kind in (("optimizer", "SGD"), ("inverse_optimizer", "RMSprop")):
        before, after = getattr(network, name), getattr(again, name)
        assert type(after).__name__ == type(before).__name__ == kind
        assert after.get_config() == before.get_config()


@pytest.mark.slow
def test_keras_alone_opens_a_checkpoint_after_dtp_tf_was_imported(tmp_path):
    images = digits().test.images[:50]
    np.save(tmp_path / "images.npy", images)
    program = """
import sys, keras, numpy as np
import dtp_tf
model = keras.saving.load_model(sys.argv[1])
images = np.load("images.npy")
np.save("scores.npy", model.predict(images, verbose=0))
before = [int(o.iterations) for o in (model.optimizer, model.inverse_optimizer)]
model.fit(images, np.arange(50) % 10, batch_size=25, epochs=1, verbose=0)
after = [int(o.iterations) for o in (model.optimizer, model.inverse_optimizer)]
print(*before, *after)
"""
    path = trained()[0] / "best.keras"
    printed = python("-c", program, path, cwd=tmp_path)
    saved = load_model(path)
    expected = np.asarray(saved.model(images, training=False))
    np.testing.assert_allclose(np.load(tmp_path / "scores.npy"), expected, rtol=1e-5, atol=1e-7)
    updates = int(saved.model.optimizer.iterations)
    assert updates > 0
    assert [int(word) for word in printed.split()] == [updates, updates, updates + 2, updates + 2]


# what a saved model knows


def test_a_checkpoint_knows_its_recipe_its_classes_and_its_images():
    saved = load_model(trained()[0] / "best.keras")
    assert saved.recipe().units == (16, 12)
    assert saved.class_names == [str(digit) for digit in range(10)]
    assert saved.image_shape() == (8, 8, 1)
    assert saved.check_fits(digits()) is None


@pytest.mark.slow
def test_the_classifier_of_a_network_is_of_stock_layers_and_gives_the_same_scores():
    saved = load_model(trained()[0] / "best.keras")
    classifier = saved.classifier()
    assert isinstance(saved.model, DTPNetwork)
    assert not isinstance(classifier, DTPNetwork)
    assert classifier.input.dtype == "uint8"
    images = digits().test.images
    np.testing.assert_allclose(classifier(images), saved.model(images), rtol=1e-5, atol=1e-7)


def test_the_saved_classifier_knows_the_same_as_the_network():
    saved = load_model(trained()[0] / "classifier.keras")
    assert saved.recipe().units == (16, 12)
    assert saved.image_shape() == (8, 8, 1)
    assert saved.classifier() is saved.model
    assert saved.check_fits(digits()) is None


def test_a_model_of_another_make_has_its_class_numbers_for_names(stock, tmp_path):
    stock.save(tmp_path / "m.keras")
    saved = load_model(tmp_path / "m.keras")
    assert saved.about == {}
    assert saved.class_names == ["0", "1", "2"]
    assert saved.image_shape() == (4, 4, 1)


def test_a_model_of_another_make_does_not_know_its_data(stock):
    with pytest.raises(UserError, match="does not say what data it was trained on"):
        SavedModel(stock, {}).recipe()


def test_a_recipe_of_another_version_is_refused_by_the_setting(stock):
    about = {"recipe": {"units": [3], "momentum": 0.9}}
    with pytest.raises(UserError, match="does not fit this version: unknown setting 'momentum'"):
        SavedModel(stock, about).recipe()


def test_a_model_of_other_inputs_takes_no_images():
    model = keras.Sequential([keras.Input((7,)), keras.layers.Dense(3)])
    with pytest.raises(UserError, match=r"inputs of shape \(7,\), which are no images"):
        SavedModel(model, {}).image_shape()


def test_a_model_of_other_images_does_not_fit(stock):
    with pytest.raises(UserError, match=r"takes images of \(4, 4, 1\), those of digits are"):
        SavedModel(stock, {}).check_fits(digits())


def test_a_model_of_other_classes_does_not_fit():
    saved = load_model(trained()[0] / "best.keras")
    other = SavedModel(saved.model, {**saved.about, "class_names": list("abcdefghij")})
    with pytest.raises(UserError, match="classes are not those of digits"):
        other.check_fits(digits())


# what is no model


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    assert refusal(tmp_path / "m.keras") == f"model {tmp_path / 'm.keras'} does not exist."


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(best, share):
    with open(best, "r+b") as file:
        file.truncate(int(share * file.seek(0, 2)))
    assert "is damaged or no Keras model" in refusal(best)


def test_a_file_with_damaged_weights_is_refused(best, tmp_path):
    path = tmp_path / "damaged.keras"
    with zipfile.ZipFile(best) as archive, zipfile.ZipFile(path, "w") as damaged:
        for name in archive.namelist():
            content = archive.read(name)
            if name == "model.weights.h5":
                content = content[: len(content) // 2]
            damaged.writestr(name, content)
    assert "is damaged or no Keras model" in refusal(path)


def test_a_bit_that_flipped_in_the_weights_is_noticed(best):
    with zipfile.ZipFile(best) as archive:
        info = archive.getinfo("model.weights.h5")
        middle = info.header_offset + info.compress_size // 2
    with open(best, "r+b") as file:
        file.seek(middle)
        byte = file.read(1)[0]
        file.seek(middle)
        file.write(bytes([byte ^ 1]))
    assert "is damaged or no Keras model" in refusal(best)


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04", b"an arbitrary text", b"\x89HDF\r\n\x1a\n" + bytes(100)],
    ids=["empty", "zip header", "text", "hdf5 header"],
)
def test_a_file_that_is_no_model_is_refused(tmp_path, content):
    (tmp_path / "m.keras").write_bytes(content)
    assert "is damaged or no Keras model" in refusal(tmp_path / "m.keras")


def test_a_zip_file_of_other_things_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("letter.txt", "Dear reader")
    assert "is damaged or no Keras model" in refusal(tmp_path / "m.keras")


def test_a_folder_is_no_model(tmp_path):
    assert refusal(tmp_path) == f"model {tmp_path} cannot be read: Is a directory."


@pytest.mark.slow
def test_a_full_disk_is_not_taken_for_a_damaged_model(best):
    with full_disk(200):  # Keras unpacks a model into the folder for temporary files
        assert refusal(best) == f"model {best} cannot be read: File too large."
    assert load_model(best).class_names


def test_a_model_that_says_nonsense_about_itself_is_refused(stock, tmp_path):
    stock.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras", "a") as archive:
        archive.writestr(ENTRY, "{")
    assert "is damaged or no Keras model" in refusal(tmp_path / "m.keras")


def test_a_model_that_cannot_be_written_leaves_nothing(stock, tmp_path):
    with pytest.raises(UserError, match="cannot write"):
        save_model(stock, tmp_path / "missing" / "m.keras", {})
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_said_in_json_leaves_the_old_model(stock, tmp_path):
    save_model(stock, tmp_path / "m.keras", {"old": True})
    with pytest.raises(TypeError):
        save_model(stock, tmp_path / "m.keras", {"new": object()})
    assert load_model(tmp_path / "m.keras").about == {"old": True}
    assert not hidden_files(tmp_path)


@pytest.mark.slow
def test_loading_a_checkpoint_makes_no_network_of_random_weights(tmp_path):
    network = load_model(trained()[0] / "best.keras").model
    network.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    images = digits().test.images[:20]
    np.testing.assert_array_equal(again(images), network(images))
    assert isinstance(again, dtp_tf.DTPNetwork)
