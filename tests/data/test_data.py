"""Image sets by name or folder: their splits, their batches, and the sets that are refused."""

import types

import numpy as np
import psutil
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image
from sklearn.datasets import load_digits

import dtp_tf.data.sets as data_module
from dtp_tf.data.sets import ImageData, Split, TrainingBatches, hold_out, load_data
from dtp_tf.errors import SettingError, UserError
from dtp_tf.numerics.replicas import shares
from dtp_tf.recipes.recipe import recipe


def numbered(count):
    """Return a split of 1x1 images whose pixel and label are their number."""
    numbers = np.arange(count)
    return Split(numbers.astype(np.uint8).reshape(count, 1, 1, 1), numbers.astype(np.int32))


def labels_of(batches):
    return [labels.tolist() for _, labels in batches.as_numpy_iterator()]


def refusal(call, *args, **kwargs):
    """Return the text of the UserError that a call must raise: one sentence in one line."""
    with pytest.raises(UserError) as caught:
        call(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# The bundled digits


@pytest.fixture(scope="module")
def digits():
    return load_data(recipe("digits"))


def test_digits_are_split_into_training_validation_and_test(digits):
    assert isinstance(digits, ImageData)
    assert digits.name == "digits"
    assert (len(digits.train), len(digits.validation), len(digits.test)) == (1150, 287, 360)
    assert digits.image_shape == (8, 8, 1)
    assert digits.class_names == ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
    assert digits.test_origin == "every fifth image"


def test_digits_may_be_loaded_without_their_test_split(digits):
    data = load_data(recipe("digits"), test=False)
    assert data.test is None
    for split in ("train", "validation"):
        mine, theirs = getattr(data, split), getattr(digits, split)
        np.testing.assert_array_equal(mine.images, theirs.images)
        np.testing.assert_array_equal(mine.labels, theirs.labels)


def test_images_are_bytes_and_labels_small_integers(digits):
    for split in (digits.train, digits.validation, digits.test):
        assert split.images.dtype == np.uint8
        assert split.labels.dtype == np.int32
        assert (split.images.min(), split.images.max()) == (0, 255)
        assert set(split.labels) == set(range(10))


def test_every_digit_is_in_exactly_one_split(digits):
    splits = (digits.train, digits.validation, digits.test)
    found = [
        (image.tobytes(), int(label))
        for split in splits
        for image, label in zip(split.images, split.labels, strict=True)
    ]
    bunch = load_digits()
    scaled = np.round(bunch.images * 255 / 16).astype(np.uint8)
    wanted = [(i.tobytes(), int(t)) for i, t in zip(scaled, bunch.target, strict=True)]
    assert len(set(wanted)) == len(wanted)  # no two digits are equal, so that they tell apart
    assert sorted(found) == sorted(wanted)


def test_every_fifth_digit_is_for_testing(digits):
    np.testing.assert_array_equal(digits.test.labels, load_digits().target[::5])


def test_the_test_split_depends_on_no_setting(digits):
    other = load_data(recipe("digits", seed=1, validation_fraction=0.5))
    np.testing.assert_array_equal(digits.test.images, other.test.images)
    np.testing.assert_array_equal(digits.test.labels, other.test.labels)


def test_the_validation_split_depends_on_the_seed_alone(digits):
    again = load_data(recipe("digits", epochs=2, batch_size=7))
    other = load_data(recipe("digits", seed=1))
    np.testing.assert_array_equal(digits.validation.images, again.validation.images)
    assert len(other.validation) == len(digits.validation)
    assert (digits.validation.images != other.validation.images).any()


def test_the_validation_fraction_is_a_share_of_the_training_split():
    data = load_data(recipe("digits", validation_fraction=0.5))
    assert (len(data.train), len(data.validation)) == (719, 718)


def test_digits_may_be_resized():
    data = load_data(recipe("digits", image_size="4,6"))
    assert data.image_shape == (4, 6, 1)
    assert data.test.images.shape == (360, 4, 6, 1)
    assert data.test.images.dtype == np.uint8


# hold_out and Split


@pytest.mark.parametrize(("count", "fraction", "held"), [(10, 0.2, 2), (7, 0.5, 4), (3, 0.1, 0)])
@pytest.mark.parametrize("seed", [0, 5])
def test_hold_out_divides_a_split_and_keeps_its_order(count, fraction, held, seed):
    rest, out = hold_out(numbered(count), fraction, seed)
    assert len(out) == held
    assert sorted([*rest.labels, *out.labels]) == list(range(count))
    for part in (rest, out):
        assert list(part.labels) == sorted(part.labels)
        np.testing.assert_array_equal(part.images.ravel(), part.labels)


def test_hold_out_follows_its_seed():
    def held(seed):
        return hold_out(numbered(50), 0.3, seed)[1].labels.tolist()

    assert held(1) == held(1)
    assert held(1) != held(2)


def test_a_split_takes_images_with_their_labels():
    taken = numbered(9).take([7, 2])
    assert len(taken) == 2
    assert taken.labels.tolist() == [7, 2]
    assert taken.images.ravel().tolist() == [7, 2]


@pytest.mark.parametrize(("count", "sizes"), [(10, [4, 4, 2]), (8, [4, 4]), (3, [3])])
def test_batches_come_in_order_with_the_remainder_last(count, sizes):
    batches = numbered(count).batches(4)
    assert [len(labels) for labels in labels_of(batches)] == sizes
    assert sum(labels_of(batches), []) == list(range(count))
    for images, labels in batches:
        assert (images.dtype, labels.dtype) == (tf.uint8, tf.int32)
        np.testing.assert_array_equal(images[:, 0, 0, 0], labels)


# TrainingBatches


def one_pass(split, size, seed=0, epoch=0, passage=0, **augmentation):
    batches = TrainingBatches(split, size, seed, **augmentation)
    batches.select(epoch, passage)
    return batches.dataset


def test_the_order_is_that_of_seed_epoch_and_passage():
    def order(*keys):
        return labels_of(one_pass(numbered(40), 8, *keys))

    assert order(3, 1, 0) == order(3, 1, 0)
    orders = [order(3, 1, 0), order(4, 1, 0), order(3, 2, 0), order(3, 1, 1), order(1, 3, 0)]
    assert len({str(one) for one in orders}) == len(orders)


def test_any_pass_can_be_selected_again():
    split = numbered(40)
    batches = TrainingBatches(split, 8, seed=3)
    batches.select(2, 0)
    first = labels_of(batches.dataset)
    assert labels_of(batches.dataset) == first
    batches.select(5, 1)
    assert labels_of(batches.dataset) == labels_of(one_pass(split, 8, 3, 5, 1)) != first
    batches.select(2, 0)
    assert labels_of(batches.dataset) == first


@pytest.mark.parametrize(("count", "size", "steps"), [(23, 5, 4), (20, 5, 4), (9, 1, 9)])
def test_every_batch_has_one_size_and_no_image_comes_twice(count, size, steps):
    batches = labels_of(one_pass(numbered(count), size))
    assert [len(batch) for batch in batches] == [size] * steps
    seen = sum(batches, [])
    assert len(set(seen)) == len(seen)
    assert set(seen) <= set(range(count))


def test_what_one_pass_leaves_out_comes_in_another():
    batches = TrainingBatches(numbered(11), 4, seed=0)
    seen = set()
    for epoch in range(6):
        batches.select(epoch, 0)
        seen.update(*labels_of(batches.dataset))
    assert seen == set(range(11))


def test_a_split_smaller_than_a_batch_is_one_batch():
    batches = labels_of(one_pass(numbered(6), 100))
    assert len(batches) == 1
    assert sorted(batches[0]) == list(range(6))


def test_the_number_of_batches_is_known_beforehand():
    batches = TrainingBatches(numbered(23), 5, seed=0)
    assert batches.steps == len(batches.dataset) == 4


def test_labels_stay_with_their_images():
    for images, labels in one_pass(numbered(40), 8, seed=2, epoch=5, passage=1):
        assert (images.dtype, labels.dtype) == (tf.uint8, tf.int32)
        np.testing.assert_array_equal(images[:, 0, 0, 0], labels)


def two_columns(count):
    """Return a split of equal images, dark on the left and bright on the right."""
    images = np.tile(np.array([10, 200], np.uint8).reshape(1, 1, 2, 1), (count, 2, 1, 1))
    return Split(images, np.zeros(count, np.int32))


def columns(*keys, **augmentation):
    """Return the two columns of each of 64 images of one pass, `(64, 2)`."""
    batches = one_pass(two_columns(64), 16, *keys, **augmentation)
    return np.concatenate([images[:, 0, :, 0] for images, _ in batches.as_numpy_iterator()])


def test_augmentation_is_that_of_seed_epoch_and_passage():
    first = columns(3, 1, 0, flip=True, crop=1)
    np.testing.assert_array_equal(first, columns(3, 1, 0, flip=True, crop=1))
    for other in [(4, 1, 0), (3, 2, 0), (3, 1, 1)]:
        assert (first != columns(*other, flip=True, crop=1)).any()


@pytest.mark.parametrize(
    ("augmentation", "rows"),
    [
        ({}, {(10, 200)}),
        ({"flip": True}, {(10, 200), (200, 10)}),
        ({"crop": 1}, {(10, 200), (10, 10), (200, 200)}),
    ],
    ids=["none", "flip", "crop"],
)
def test_images_are_augmented_as_it_is_asked_for(augmentation, rows):
    assert {tuple(row) for row in columns(**augmentation).tolist()} == rows


def test_each_batch_of_a_pass_is_augmented_in_its_own_way():
    batches = columns(flip=True).reshape(4, 32)
    assert len({batch.tobytes() for batch in batches}) == 4


@pytest.mark.parametrize("crop", [2, 9])
def test_a_shift_beyond_the_image_is_refused(crop):
    with pytest.raises(SettingError, match=f"`crop` must be below .* 2, got {crop}"):
        TrainingBatches(two_columns(4), 2, seed=0, crop=crop)


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


def values(split):
    """Return the numbers of the images in a split of blocks."""
    assert (split.images == split.images[:, :1, :1, :1]).all()
    return split.images[:, 0, 0, 0].tolist()


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


def test_a_set_with_a_validation_split_only_is_tested_on_that(data_dir):
    data = blocks("tiny_blocks_with_validation", data_dir)
    assert sorted(values(data.test)) == list(range(10))
    assert len(data.train) + len(data.validation) == 40
    assert data.test_origin == "the set's own validation split"


@pytest.mark.parametrize("name", ["tiny_blocks", "tiny_blocks_without_test"])
def test_a_set_may_be_loaded_without_its_test_split(name, data_dir, monkeypatch):
    whole, read = blocks(name, data_dir), []
    load = data_module._read

    def noted(builder, split, *rest):
        read.append(split)
        return load(builder, split, *rest)

    monkeypatch.setattr(data_module, "_read", noted)
    data = load_data(recipe("digits", dataset=name), data_dir, test=False)
    assert data.test is None
    assert read == ["train"]
    assert values(data.train) == values(whole.train)
    assert values(data.validation) == values(whole.validation)


def test_the_supervised_keys_choose_among_several_labels(data_dir):
    data = blocks("tiny_blocks_with_two_labels", data_dir)
    assert data.class_names == ("circle", "square")
    np.testing.assert_array_equal(data.test.labels, np.array(values(data.test)) % 2)


def test_the_image_and_the_label_are_found_without_supervised_keys(data_dir):
    data = blocks("tiny_blocks_without_keys", data_dir)
    assert data.class_names == ("circle", "square")
    assert sorted(values(data.test)) == list(range(10))


def test_grey_images_and_classes_without_names_are_loaded(data_dir):
    data = blocks("tiny_blocks_in_grey", data_dir)
    assert data.image_shape == (6, 5, 1)
    assert data.class_names == ("0", "1")


def test_images_of_several_sizes_need_an_image_size(data_dir):
    with pytest.raises(SettingError) as caught:
        blocks("tiny_blocks_of_many_sizes", data_dir)
    assert "'tiny_blocks_of_many_sizes' differ in size" in str(caught.value)
    assert "--image-size HEIGHT,WIDTH" in str(caught.value)


def test_images_of_several_sizes_are_resized_to_the_one_given(data_dir):
    data = blocks("tiny_blocks_of_many_sizes", data_dir, image_size="4,7")
    assert data.image_shape == (4, 7, 3)
    assert sorted(values(data.train) + values(data.validation)) == list(range(40))


def test_a_set_without_a_class_label_is_refused(data_dir):
    text = refusal(blocks, "tiny_blocks_with_a_number", data_dir)
    assert "'tiny_blocks_with_a_number' is no image classification" in text
    assert "its features are image, label" in text


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


def test_a_prepared_set_is_not_downloaded_again(data_dir, monkeypatch):
    first = blocks("tiny_blocks", data_dir)

    def fail(builder):
        raise ConnectionError

    monkeypatch.setattr(TinyBlocks, "download_and_prepare", fail)
    assert values(blocks("tiny_blocks", data_dir).test) == values(first.test)


def test_a_set_too_large_for_the_memory_is_refused(data_dir, monkeypatch):
    blocks("tiny_blocks", data_dir)
    needed = 50 * 6 * 5 * 3 * 2

    def free(count):
        memory = types.SimpleNamespace(available=count)
        monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)

    free(needed)
    text = refusal(blocks, "tiny_blocks", data_dir)
    assert "tiny_blocks needs 0.0 GB of memory at 6x5" in text
    assert "--image-size HEIGHT,WIDTH" in text
    assert blocks("tiny_blocks", data_dir, image_size="3,3").image_shape == (3, 3, 3)
    free(needed * 2)
    assert len(blocks("tiny_blocks", data_dir).test) == 10


# Image folders


def image_folder(path, count):
    """Save `count` images of each of two classes; the value of the pixels is their number."""
    for label, name in enumerate(["cat", "dog"]):
        (path / name).mkdir()
        for i in range(count):
            pixel = np.full((4, 3), 2 * i + label, np.uint8)
            Image.fromarray(pixel).save(path / name / f"{i}.png")
    return path


def test_an_image_folder_is_loaded_instead_of_the_set(tmp_path):
    folder = image_folder(tmp_path, 10)
    data = load_data(recipe("cifar10", image_folder=folder))
    assert data.name == str(folder)
    assert data.class_names == ("cat", "dog")
    assert data.image_shape == (4, 3, 1)
    assert (len(data.train), len(data.validation), len(data.test)) == (13, 3, 4)
    everything = values(data.train) + values(data.validation) + values(data.test)
    assert sorted(everything) == list(range(20))
    for split in (data.train, data.validation, data.test):
        np.testing.assert_array_equal(split.labels, np.array(values(split)) % 2)
    assert data.test_origin == "20 % of the folder, the same for every seed"


def test_the_test_split_of_a_folder_does_not_depend_on_the_seed(tmp_path):
    folder = image_folder(tmp_path, 10)
    first = load_data(recipe("digits", image_folder=folder))
    other = load_data(recipe("digits", image_folder=folder, seed=1))
    assert values(first.test) == values(other.test)
    assert values(first.validation) != values(other.validation)
    without = load_data(recipe("digits", image_folder=folder), test=False)
    assert without.test is None
    assert values(without.train) == values(first.train)


def test_an_image_folder_may_be_resized(tmp_path):
    folder = image_folder(tmp_path, 5)
    data = load_data(recipe("digits", image_folder=folder, image_size=(8, 2)))
    assert data.image_shape == (8, 2, 1)


def test_an_image_folder_that_does_not_exist_is_named(tmp_path):
    folder = tmp_path / "none"
    text = refusal(load_data, recipe("digits", image_folder=folder))
    assert f"image folder {folder} is not a folder" in text


@pytest.mark.parametrize(
    ("settings", "split"), [({}, "validation"), ({"validation_fraction": 0.9}, "training")]
)
def test_an_image_folder_that_is_too_small_is_refused(tmp_path, settings, split):
    folder = image_folder(tmp_path, 1)
    text = refusal(load_data, recipe("digits", image_folder=folder, **settings))
    assert text == f"{folder} is too small: no image is left for the {split} split."


def test_no_pipeline_has_a_tuning_thread_whose_wait_would_lengthen_an_epoch():
    training = TrainingBatches(numbered(8), 4, seed=0)
    everyone = shares(numbered(8).batches(4), replicas=2, first=0, local=2)
    for dataset in (training.dataset, numbered(8).batches(4), everyone):
        assert dataset.options().autotune.enabled is False
