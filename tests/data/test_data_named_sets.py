"""Sets of TensorFlow Datasets are loaded by name, or refused with what else to do."""

import types

import numpy as np
import psutil
import pytest
import tensorflow_datasets as tfds
from data_support import refusal, values

import dtp_tf.data.sets as data_module
from dtp_tf.data.sets import load_data
from dtp_tf.errors import SettingError
from dtp_tf.recipes.recipe import recipe

# Sets of TensorFlow Datasets, from small ones that are made here: no network is needed.


class Blocks(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Plain images, 6x5 in colour; the value of the pixels is the image's number."""

    VERSION = tfds.core.Version("1.0.0")
    sizes = {"train": 40, "test": 10}
    feature = tfds.features.Image(shape=(6, 5, 3))
    label = tfds.features.ClassLabel(names=["circle", "square"])
    keys = ("image", "label")

    def features(self):
        return {"image": self.feature, "label": self.label}

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(self.features()),
            supervised_keys=self.keys,
        )

    def _split_generators(self, manager):
        return {split: self._generate_examples(split) for split in self.sizes}

    def _generate_examples(self, split):
        for i in range(self.sizes[split]):
            yield i, {"image": self.image(i), "label": i % 2}

    def image(self, i):
        return np.full((6, 5, 3), i, np.uint8)


class TinyBlocks(Blocks):
    pass


class TinyBlocksWithoutTest(Blocks):
    sizes = {"train": 40}


class TinyBlocksWithValidation(Blocks):
    sizes = {"validation": 10, "train": 40}


class TinyBlocksWithoutKeys(Blocks):
    keys = None


class TinyBlocksWithTwoLabels(Blocks):
    """A coarse label stands before the one that the set is for, as in CIFAR-100."""

    def features(self):
        return {"coarse": tfds.features.ClassLabel(num_classes=1), **super().features()}

    def _generate_examples(self, split):
        for key, example in super()._generate_examples(split):
            yield key, {**example, "coarse": 0}


class TinyBlocksInGrey(Blocks):
    feature = tfds.features.Image(shape=(6, 5, 1))
    label = tfds.features.ClassLabel(num_classes=2)

    def image(self, i):
        return np.full((6, 5, 1), i, np.uint8)


class TinyBlocksOfManySizes(Blocks):
    feature = tfds.features.Image(shape=(None, None, 3))

    def image(self, i):
        return np.full((3 + i % 4, 9 - i % 5, 3), i, np.uint8)


class TinyBlocksWithANumber(Blocks):
    label = tfds.features.Scalar(np.int64)


class TinyBlocksUnlabelled(Blocks):
    """A test split whose labels are kept back, as competitions do."""

    def _generate_examples(self, split):
        for key, example in super()._generate_examples(split):
            yield key, example if split == "train" else {**example, "label": -1}


class TinyBlocksTransparent(Blocks):
    feature = tfds.features.Image(shape=(6, 5, 4))

    def image(self, i):
        return np.full((6, 5, 4), i, np.uint8)


class TinyBlocksOfAnyChannels(Blocks):
    feature = tfds.features.Image(shape=(6, 5, None))


class TinyBlocksDeep(Blocks):
    feature = tfds.features.Image(shape=(6, 5, 1), dtype=np.uint16)

    def image(self, i):
        return np.full((6, 5, 1), i, np.uint16)


class TinyBlocksOutOfReach(Blocks):
    pass


class TinyBlocksInColours(Blocks):
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name="red")]


def blocks(name, folder, **settings):
    return load_data(recipe("digits", dataset=name, **settings), folder)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """A TFDS folder that the tests of this file share, so that each set is prepared once."""
    return tmp_path_factory.mktemp("tfds")


@pytest.mark.slow
def test_a_set_is_loaded_by_its_name(data_dir):
    data = blocks("tiny_blocks", data_dir)
    assert data.name == "tiny_blocks"
    assert data.class_names == ("circle", "square")
    assert data.image_shape == (6, 5, 3)
    assert (len(data.train), len(data.validation), len(data.test)) == (32, 8, 10)
    assert sorted(values(data.train) + values(data.validation)) == list(range(40))
    assert sorted(values(data.test)) == list(range(10))
    assert data.test_origin == "the set's own test split"
    for split in (data.train, data.validation, data.test):
        assert (split.images.dtype, split.labels.dtype) == (np.uint8, np.int32)
        np.testing.assert_array_equal(split.labels, np.array(values(split)) % 2)


@pytest.mark.slow
def test_a_set_comes_in_the_same_order_every_time(data_dir):
    first, again = blocks("tiny_blocks", data_dir), blocks("tiny_blocks", data_dir)
    assert values(first.train) == values(again.train)
    assert values(first.test) == values(again.test)


def test_preparing_a_set_leaves_standard_output_to_the_results(tmp_path, capsys):
    blocks("tiny_blocks", tmp_path)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "tiny_blocks" in captured.err


def test_a_set_without_a_test_split_has_one_held_out(data_dir):
    data = blocks("tiny_blocks_without_test", data_dir)
    assert (len(data.train), len(data.validation), len(data.test)) == (26, 6, 8)
    everything = values(data.train) + values(data.validation) + values(data.test)
    assert sorted(everything) == list(range(40))
    assert data.test_origin == "20 % of the train split, the same for every seed"


def test_the_held_out_test_split_does_not_depend_on_the_seed(data_dir):
    first = blocks("tiny_blocks_without_test", data_dir)
    other = blocks("tiny_blocks_without_test", data_dir, seed=1)
    assert values(first.test) == values(other.test)
    assert values(first.validation) != values(other.validation)


@pytest.mark.slow
def test_a_set_with_a_validation_split_only_is_tested_on_that(data_dir):
    data = blocks("tiny_blocks_with_validation", data_dir)
    assert sorted(values(data.test)) == list(range(10))
    assert len(data.train) + len(data.validation) == 40
    assert data.test_origin == "the set's own validation split"


@pytest.mark.parametrize("name", ["tiny_blocks", "tiny_blocks_without_test"])
@pytest.mark.slow
def test_a_set_may_be_loaded_without_its_test_split(name, data_dir, monkeypatch):
    whole, read = blocks(name, data_dir), []
    load = data_module.read_split

    def noted(builder, split, *rest):
        read.append(split)
        return load(builder, split, *rest)

    monkeypatch.setattr(data_module, "read_split", noted)
    data = load_data(recipe("digits", dataset=name), data_dir, test=False)
    assert data.test is None
    assert read == ["train"]
    assert values(data.train) == values(whole.train)
    assert values(data.validation) == values(whole.validation)


@pytest.mark.slow
def test_the_supervised_keys_choose_among_several_labels(data_dir):
    data = blocks("tiny_blocks_with_two_labels", data_dir)
    assert data.class_names == ("circle", "square")
    np.testing.assert_array_equal(data.test.labels, np.array(values(data.test)) % 2)


@pytest.mark.slow
def test_the_image_and_the_label_are_found_without_supervised_keys(data_dir):
    data = blocks("tiny_blocks_without_keys", data_dir)
    assert data.class_names == ("circle", "square")
    assert sorted(values(data.test)) == list(range(10))


@pytest.mark.slow
def test_grey_images_and_classes_without_names_are_loaded(data_dir):
    data = blocks("tiny_blocks_in_grey", data_dir)
    assert data.image_shape == (6, 5, 1)
    assert data.class_names == ("0", "1")


def test_images_of_several_sizes_need_an_image_size(data_dir):
    with pytest.raises(SettingError) as caught:
        blocks("tiny_blocks_of_many_sizes", data_dir)
    assert "'tiny_blocks_of_many_sizes' differ in size" in str(caught.value)
    assert "--image-size HEIGHT,WIDTH" in str(caught.value)


@pytest.mark.slow
def test_images_of_several_sizes_are_resized_to_the_one_given(data_dir):
    data = blocks("tiny_blocks_of_many_sizes", data_dir, image_size="4,7")
    assert data.image_shape == (4, 7, 3)
    assert sorted(values(data.train) + values(data.validation)) == list(range(40))


def test_a_set_without_a_class_label_is_refused(data_dir):
    text = refusal(blocks, "tiny_blocks_with_a_number", data_dir)
    assert "'tiny_blocks_with_a_number' is no image classification" in text
    assert "its features are image, label" in text


@pytest.mark.slow
def test_a_set_whose_test_labels_are_kept_back_is_refused(data_dir):
    text = refusal(blocks, "tiny_blocks_unlabelled", data_dir)
    assert text == "the test split of 'tiny_blocks_unlabelled' has images without a label."


@pytest.mark.parametrize(
    ("name", "channels"),
    [("tiny_blocks_transparent", "4"), ("tiny_blocks_of_any_channels", "no fixed number of")],
)
def test_images_of_other_than_one_or_three_channels_are_refused(data_dir, name, channels):
    text = refusal(blocks, name, data_dir)
    assert text == f"the images of {name!r} have {channels} channels; 1 or 3 are supported."


def test_images_deeper_than_bytes_are_refused(data_dir):
    assert "are uint16; only uint8 images" in refusal(blocks, "tiny_blocks_deep", data_dir)


def test_an_unknown_set_is_refused_with_a_suggestion(data_dir):
    text = refusal(blocks, "cifar_10", data_dir)
    assert "there is no data set 'cifar_10' in TensorFlow Datasets." in text
    assert text.endswith("Did you mean 'cifar10'?")
    assert "Did you mean 'digits'?" in refusal(blocks, "digit", data_dir)


@pytest.mark.parametrize("name", ["no set!", "tiny_blocks:7.7.7", "tiny_blocks/no_such_config"])
def test_a_set_that_cannot_be_opened_is_named(data_dir, name):
    assert f"data set {name!r} cannot be opened" in refusal(blocks, name, data_dir)


def test_a_set_that_needs_a_missing_package_is_named(data_dir, monkeypatch):
    def fail(*args, **kwargs):
        raise ModuleNotFoundError("No module named 'huggingface_hub'")

    monkeypatch.setattr(tfds, "builder", fail)
    text = refusal(blocks, "huggingface:mnist", data_dir)
    assert "'huggingface:mnist' cannot be opened: No module named 'huggingface_hub'" in text


@pytest.mark.parametrize(
    "error",
    [
        ConnectionError("no route to host"),
        SystemExit("apache_beam is missing"),
        RuntimeError("three\nlines of\ntext"),
        AssertionError("x" * 5000),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_set_that_cannot_be_had_says_what_else_to_do(tmp_path, monkeypatch, error):
    def fail(builder):
        raise error

    monkeypatch.setattr(TinyBlocksOutOfReach, "download_and_prepare", fail)
    text = refusal(blocks, "tiny_blocks_out_of_reach", tmp_path)
    assert f"'tiny_blocks_out_of_reach' is not prepared in {tmp_path} and cannot" in text
    assert type(error).__name__ in text
    assert " ".join(str(error).split())[:20] in text
    assert "--data-dir" in text
    assert "`digits`" in text
    assert len(text) < 500 + len(str(tmp_path))


def test_the_folder_to_give_is_named_for_a_set_with_variants_too(tmp_path, monkeypatch):
    def fail(builder):
        raise ConnectionError

    monkeypatch.setattr(TinyBlocksInColours, "download_and_prepare", fail)
    text = refusal(blocks, "tiny_blocks_in_colours/red", tmp_path)
    assert f"'tiny_blocks_in_colours/red' is not prepared in {tmp_path} and cannot" in text


def test_an_interrupt_ends_a_download(tmp_path, monkeypatch):
    def interrupt(builder):
        raise KeyboardInterrupt

    monkeypatch.setattr(TinyBlocksOutOfReach, "download_and_prepare", interrupt)
    with pytest.raises(KeyboardInterrupt):
        blocks("tiny_blocks_out_of_reach", tmp_path)


@pytest.mark.slow
def test_a_prepared_set_is_not_downloaded_again(data_dir, monkeypatch):
    first = blocks("tiny_blocks", data_dir)

    def fail(builder):
        raise ConnectionError

    monkeypatch.setattr(TinyBlocks, "download_and_prepare", fail)
    assert values(blocks("tiny_blocks", data_dir).test) == values(first.test)


@pytest.mark.slow
def test_a_set_too_large_for_the_memory_in_which_it_is_wanted_is_refused(data_dir, monkeypatch):
    blocks("tiny_blocks", data_dir)
    needed = 50 * 6 * 5 * 3 * 2

    def free(count):
        memory = types.SimpleNamespace(available=count)
        monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)

    free(needed)
    asked = recipe("digits", dataset="tiny_blocks")
    text = refusal(load_data, asked, data_dir, in_memory="yes")
    assert "tiny_blocks needs 0.0 GB of memory at 6x5" in text
    assert "--image-size HEIGHT,WIDTH" in text
    assert blocks("tiny_blocks", data_dir, image_size="3,3").image_shape == (3, 3, 3)
    free(needed * 2)
    assert len(blocks("tiny_blocks", data_dir).test) == 10
