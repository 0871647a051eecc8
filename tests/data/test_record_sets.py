"""Record files are a set: their images, classes and splits, or a sentence on what is wrong."""

import numpy as np
import pytest
from data_support import refusal
from records_support import encoded, example, photos, write

from dtp_tf.data.image_files import decode_pixels
from dtp_tf.data.sets import load_data
from dtp_tf.data.splits import Split
from dtp_tf.data.streaming import StreamedImages
from dtp_tf.errors import SettingError
from dtp_tf.recipes.recipe import recipe
from dtp_tf.runs.provenance import changes, fingerprint


def load(pattern, in_memory="no", **settings):
    return load_data(recipe("digits", records=str(pattern), **settings), in_memory=in_memory)


def splits_of(data):
    """Return {pixels: split} of all images."""
    return {
        image.tobytes(): split
        for split in ("train", "validation", "test")
        for image in getattr(data, split).images[:]
    }


@pytest.mark.parametrize("name", ["a.tfrecord", "a.array_record-00000-of-00001", "array"])
def test_images_and_labels_of_both_kinds_of_files_are_read_alike_either_way(tmp_path, name):
    records = photos(0, 40)
    write(tmp_path / name, records)
    here, there = (load(tmp_path / name, way) for way in ("yes", "no"))
    assert here.class_names == ("0", "1", "2")
    assert here.image_shape == (6, 5, 3)
    count = 0
    for split in ("train", "validation", "test"):
        one, other = getattr(here, split), getattr(there, split)
        assert isinstance(other.images, StreamedImages) and not isinstance(one, StreamedImages)
        np.testing.assert_array_equal(one.images, other.images[:])
        np.testing.assert_array_equal(one.labels, other.labels)
        count += len(one)
    assert count == 40
    kinds = "PNG", "JPEG", "WEBP", "BMP"
    wanted = {
        decode_pixels(encoded(i, i % 3, kinds[i % 4]), "").tobytes(): i % 3 for i in range(40)
    }
    for split in (here.train, here.validation, here.test):
        assert [wanted[image.tobytes()] for image in split.images] == split.labels.tolist()


def test_a_split_depends_on_the_content_and_not_on_files_or_order(tmp_path):
    records = photos(0, 60, kinds=("PNG",))
    one = splits_of(load(write(tmp_path / "one.tfrecord", records)))
    for i in range(3):
        write(tmp_path / "three" / f"{i}.tfrecord", records[i::3][::-1] + photos(100 + i, 1))
    three = splits_of(load(tmp_path / "three" / "*.tfrecord"))
    assert len(three) == 63 and len(one) == 60
    assert {image: three[image] for image in one} == one
    other = splits_of(load(tmp_path / "one.tfrecord", seed=1))
    assert other != one
    assert {i for i, split in other.items() if split == "test"} == {
        i for i, split in one.items() if split == "test"
    }


def test_identical_images_are_in_one_split_and_counted(tmp_path):
    records = photos(0, 30)
    data = load(write(tmp_path / "a.tfrecord", records + records[:4]))
    assert data.records.copies == (8, 4)
    assert len(data.train) + len(data.validation) + len(data.test) == 34
    assert len(splits_of(data)) == 30


def test_files_named_after_splits_are_those_splits_and_do_not_leak(tmp_path):
    train, validation, test = photos(0, 12), photos(20, 5), photos(30, 6)
    write(tmp_path / "train-00000-of-00001", train + test[:2])
    write(tmp_path / "validation-00000-of-00001", validation)
    write(tmp_path / "test-00000-of-00001", test)
    data = load(tmp_path / "*")
    assert [len(one) for one in (data.train, data.validation, data.test)] == [12, 5, 6]
    assert data.test_origin == "the records' own" and data.records.leaks == 2
    write(tmp_path / "more", photos(50, 2))
    assert "more says nothing" in refusal(load, tmp_path / "*")


def test_files_that_are_all_for_training_have_splits_drawn(tmp_path):
    for i in range(2):
        write(tmp_path / f"set-train.tfrecord-{i}", photos(40 * i, 40))
    data = load(tmp_path / "set-train*")
    assert data.test_origin.startswith("20 % of the records") and len(data.test) > 4


def test_features_may_have_any_names(tmp_path):
    records = [
        example(image__encoded=encoded(i, i % 2), image__class__text=b"dog cat".split()[i % 2],
                image__class__label=i % 2) for i in range(30)
    ]  # fmt: skip
    path = write(tmp_path / "a.tfrecord", records)
    text = refusal(load, path)
    assert f"record 0 of {path} has no feature 'image', it has image/class/label" in text
    assert "--image-feature" in text
    named = dict(image_feature="image/encoded")
    assert "--label-feature" in refusal(load, path, **named)
    numbers = load(path, label_feature="image/class/label", **named)
    names = load(path, label_feature="image/class/text", **named)
    assert numbers.class_names == ("0", "1") and names.class_names == ("cat", "dog")
    np.testing.assert_array_equal(numbers.train.labels, 1 - names.train.labels)


@pytest.mark.parametrize("given", [4, "4", "none,some,more,most", "FILE"])
def test_classes_are_counted_or_named(tmp_path, given):
    path = write(tmp_path / "a.tfrecord", photos(0, 30))
    names = ("none", "some", "more", "most")
    if given == "FILE":
        (tmp_path / "names.txt").write_text("\n".join(names) + "\n")
        given = str(tmp_path / "names.txt")
    data = load(path, classes=given)
    assert data.class_names == (("0", "1", "2", "3") if str(given) == "4" else names)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"classes": 2}, "record 2 of .* has the label 2, and there are 2 classes, '0' to '1'"),
        ({"classes": "a,b"}, "has the label 2, and there are 2 classes, 'a' to 'b'"),
        ({"classes": "many"}, "`classes` must be names"),
        ({"classes": "/no/such.txt"}, "class names /no/such.txt cannot be read"),
        ({"classes": 3000}, "above the limit of 2,000"),
        ({"classes": "a,a,b"}, "2 classes with the name 'a'"),
        ({"label_feature": "image"}, "has the class name|are not one value|classes"),
        ({"image_feature": "label"}, "feature 'label' of record 0 .* is not one value of the kind"),
    ],
)
def test_classes_and_features_that_do_not_fit_are_refused(tmp_path, settings, said):
    path = write(tmp_path / "a.tfrecord", photos(0, 30))
    with pytest.raises(Exception, match=said):
        load(path, **settings)


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (b"\xff no Example", "record 3 of PATH is no tf.train.Example"),
        (example(image=b"\0" * 90, label=0), "image in record 3 of PATH cannot be read"),
        (example(image=encoded(1), label=-1), "record 3 of PATH has the label -1"),
        (example(image=encoded(1), label=10**7), "10,000,000, which is above the limit of 2,000"),
        (example(image=encoded(1), label=b"cat"), "numbers or names, not both; record 0 of"),
        (example(image=encoded(1), label=[1, 2]), "is not one value of the kind int64 or bytes"),
        (example(image=encoded(1), label=0.5), "is not one value of the kind int64 or bytes"),
        (example(image=encoded(1, size=(7, 7)), label=0), "differ in size (from 6x5 to 7x7)"),
    ],
)
def test_a_record_that_is_wrong_is_named_before_training(tmp_path, record, said):
    records = photos(0, 30)
    path = write(tmp_path / "a.tfrecord", records[:3] + [record] + records[3:])
    assert said.replace("PATH", str(path)) in refusal(load, path)


def test_patterns_and_files_that_are_wrong_are_refused(tmp_path):
    assert "matches no file" in refusal(load, tmp_path / "*.tfrecord")
    assert "is a folder" in refusal(load, tmp_path)
    (tmp_path / "empty").touch()
    assert "have no records" in refusal(load, tmp_path / "empty")
    (tmp_path / "text").write_text("no records at all, but long enough to be some")
    assert f"record file {tmp_path / 'text'} is damaged or no file" in refusal(
        load, tmp_path / "text"
    )
    import gzip

    whole = write(tmp_path / "whole", photos(0, 9)).read_bytes()
    (tmp_path / "packed").write_bytes(gzip.compress(whole))
    assert "is compressed" in refusal(load, tmp_path / "packed")
    (tmp_path / "cut").write_bytes(whole[:-20])
    assert "is damaged" in refusal(load, tmp_path / "cut")


def test_an_image_damaged_below_its_header_is_named_as_it_is_read(tmp_path):
    records = photos(0, 30)
    half = encoded(5, 0, "PNG", (40, 40))
    records[7] = example(image=half[: len(half) // 2], label=0)
    path = write(tmp_path / "a.tfrecord", records)
    data = load(path, image_size="4,4")
    for split in (data.train, data.validation, data.test):
        assert isinstance(split, Split)
    text = refusal(splits_of, data)
    assert f"image in record 7 of {path} cannot be read: it is damaged" in text
    assert text == refusal(load, path, "yes", image_size="4,4")


def test_what_changed_since_a_training_is_said(tmp_path):
    records = photos(0, 30)
    path = write(tmp_path / "a.tfrecord", records)
    before = fingerprint(load(path))
    assert changes(before, load(write(tmp_path / "b.tfrecord", records[::-1]))).startswith("name")
    write(path, records[::-1])
    assert changes(before, load(path)) == ""
    write(path, [*records[:-1], example(image=encoded(29, 2), label=1)])
    assert "some of its images, their classes or their splits" in changes(before, load(path))
    write(path, photos(0, 31))
    assert "images was" in changes(before, load(path))


def test_settings_of_records_need_records():
    for settings in ({"classes": 3}, {"image_feature": "a"}, {"label_feature": "a"}):
        with pytest.raises(SettingError, match="is of records, got none"):
            recipe("digits", **settings)
    with pytest.raises(SettingError, match="both say where images come from"):
        recipe("digits", records="a", image_folder="b")
