"""Image files: what is read, how it is fitted to a shape, and which files are refused."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dtp_tf.data.image_files import read_image
from dtp_tf.data.images import fit_image, read_folder
from dtp_tf.errors import UserError

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
COLOUR = np.random.default_rng(0).integers(0, 256, (3, 4, 3), dtype=np.uint8)


def save(folder, name, pixels, mode=None, **options):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.asarray(pixels, np.uint8))
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def refusal(call, *args):
    """Return the text of the UserError that a call must raise."""
    with pytest.raises(UserError) as caught:
        call(*args)
    return str(caught.value)


# read_image


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tiff", "a.PNG"])
def test_a_grey_image_has_one_channel(tmp_path, name):
    pixels = read_image(save(tmp_path, name, GREY))
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, GREY[..., None])


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.png", {}), ("a.bmp", {}), ("a.tiff", {}), ("a.webp", {"lossless": True})],
)
def test_a_colour_image_has_three_channels(tmp_path, name, options):
    pixels = read_image(save(tmp_path, name, COLOUR, **options))
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, COLOUR)


def test_a_path_may_be_text(tmp_path):
    np.testing.assert_array_equal(read_image(str(save(tmp_path, "a.png", COLOUR))), COLOUR)


@pytest.mark.parametrize(("value", "channels"), [(90, 1), ((200, 40, 90), 3)])
def test_a_jpeg_keeps_its_colours_nearly(tmp_path, value, channels):
    shape = (16, 8) if channels == 1 else (16, 8, 3)
    pixels = read_image(save(tmp_path, "a.jpg", np.broadcast_to(value, shape), quality=95))
    assert pixels.shape == (16, 8, channels)
    np.testing.assert_allclose(pixels, np.broadcast_to(value, (16, 8, channels)), atol=4)


@pytest.mark.parametrize("name", ["a.png", "a.gif"])
def test_a_palette_image_has_the_colours_of_its_palette(tmp_path, name):
    image = Image.new("P", (2, 1))
    image.putpalette([250, 0, 0, 0, 240, 10])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / name)
    np.testing.assert_array_equal(read_image(tmp_path / name), [[[250, 0, 0], [0, 240, 10]]])


def test_a_palette_with_transparency_is_read_without_a_warning(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([250, 0, 0, 0, 240, 10])
    image.save(tmp_path / "a.png", transparency=bytes([0, 255]))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), [[[250, 0, 0]] * 2])


def test_transparency_is_left_out(tmp_path):
    alpha = np.full((3, 4, 1), 128, np.uint8)
    colour = save(tmp_path, "colour.png", np.concatenate([COLOUR, alpha], axis=-1))
    grey = save(tmp_path, "grey.png", np.concatenate([GREY[..., None], alpha], axis=-1))
    with Image.open(colour) as one, Image.open(grey) as other:
        assert (one.mode, other.mode) == ("RGBA", "LA")
    np.testing.assert_array_equal(read_image(colour), COLOUR)
    np.testing.assert_array_equal(read_image(grey), GREY[..., None])


def test_a_one_bit_image_is_black_and_white(tmp_path):
    bits = np.array([[0, 255, 0], [255, 0, 255]])
    path = save(tmp_path, "a.png", bits, mode="1")
    with Image.open(path) as image:
        assert image.mode == "1"
    np.testing.assert_array_equal(read_image(path), bits[..., None])


@pytest.mark.parametrize(
    ("mode", "order", "name"), [("I;16", "<u2", "a.png"), ("I;16B", ">u2", "a.tiff")]
)
def test_a_16_bit_grey_image_keeps_its_range(tmp_path, mode, order, name):
    deep = np.array([[0, 257, 257 * 100], [257 * 200, 65535, 257 * 3 + 100]])
    image = Image.frombytes(mode, (3, 2), deep.astype(order).tobytes())
    image.save(tmp_path / name)
    pixels = read_image(tmp_path / name)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels[..., 0], [[0, 1, 100], [200, 255, 3]])


def test_a_float_image_is_scaled_to_its_brightest_pixel(tmp_path):
    Image.fromarray(np.array([[0, 0.5, 2]], np.float32)).save(tmp_path / "a.tiff")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tiff")[..., 0], [[0, 64, 255]])


def test_a_missing_image_is_named(tmp_path):
    path = tmp_path / "none.png"
    assert refusal(read_image, path) == f"image {path} does not exist."


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp", "a.gif", "a.webp"])
def test_a_truncated_image_is_named(tmp_path, name, share):
    # Noise cannot be compressed: whatever is cut off, pixels are missing.
    noise = np.random.default_rng(3).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    path = save(tmp_path, name, noise)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    assert f"image {path} cannot be read" in refusal(read_image, path)


def test_text_under_the_name_of_an_image_is_refused(tmp_path):
    path = tmp_path / "notes.png"
    path.write_text("no picture")
    assert refusal(read_image, path) == (
        f"image {path} cannot be read: it is damaged or no image of a known kind (BMP, GIF, JPEG, "
        "PNG, PPM, TIFF, WEBP); remove or replace it."
    )


def test_a_folder_is_no_image(tmp_path):
    assert f"image {tmp_path} cannot be read" in refusal(read_image, tmp_path)


# fit_image


@pytest.mark.parametrize("image", [COLOUR, GREY[..., None], np.stack([COLOUR, COLOUR])])
def test_an_image_of_the_right_shape_comes_back_as_it_is(image):
    assert fit_image(image, image.shape[-3:]) is image


def test_grey_is_repeated_where_colour_is_wanted():
    fitted = np.asarray(fit_image(GREY[..., None], (3, 4, 3)))
    assert fitted.dtype == np.uint8
    np.testing.assert_array_equal(fitted, np.repeat(GREY[..., None], 3, axis=-1))


def test_colour_becomes_luminance_where_grey_is_wanted():
    fitted = np.asarray(fit_image(COLOUR, (3, 4, 1)))
    assert fitted.dtype == np.uint8
    luminance = COLOUR @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(fitted[..., 0], luminance, atol=1.01)


@pytest.mark.parametrize("size", [(2, 2), (3, 7), (9, 4), (1, 1), (20, 15)])
@pytest.mark.parametrize("value", [0, 37, 255])
def test_a_plain_image_keeps_its_value_at_every_size(size, value):
    fitted = np.asarray(fit_image(np.full((3, 4, 3), value, np.uint8), (*size, 3)))
    assert fitted.dtype == np.uint8
    assert fitted.shape == (*size, 3)
    assert (fitted == value).all()


def test_shrinking_averages_all_pixels():
    # Without antialiasing the thin bright lines would fall between the pixels that are looked at.
    lines = np.zeros((32, 32, 1), np.uint8)
    lines[:, ::8] = 240
    fitted = np.asarray(fit_image(lines, (4, 4, 1)))
    np.testing.assert_allclose(fitted.mean(), 240 / 8, atol=5)


def test_enlarging_interpolates_between_neighbours():
    edge = np.array([[[0], [200]]], np.uint8)
    fitted = np.asarray(fit_image(edge, (1, 4, 1)))
    np.testing.assert_array_equal(fitted[0, :, 0], [0, 50, 150, 200])


def test_bright_pixels_never_wrap_round_to_black():
    bright = np.random.default_rng(1).integers(250, 256, (7, 7, 3), dtype=np.uint8)
    assert np.asarray(fit_image(bright, (16, 5, 3))).min() >= 250


@pytest.mark.parametrize("shape", [(6, 5, 3), (3, 4, 1), (2, 9, 1)])
def test_a_batch_is_fitted_image_by_image(shape):
    batch = np.random.default_rng(2).integers(0, 256, (4, 3, 4, 3), dtype=np.uint8)
    together = np.asarray(fit_image(batch, shape))
    alone = np.stack([np.asarray(fit_image(image, shape)) for image in batch])
    np.testing.assert_array_equal(together, alone)


def test_images_of_unknown_sizes_are_fitted_in_a_dataset():
    sizes = [(3, 4), (6, 5), (1, 9)]
    images = tf.data.Dataset.from_generator(
        lambda: (np.full((*size, 3), 80, np.uint8) for size in sizes),
        output_signature=tf.TensorSpec((None, None, 3), tf.uint8),
    )
    fitted = list(images.map(lambda image: fit_image(image, (6, 5, 3))).as_numpy_iterator())
    np.testing.assert_array_equal(fitted, np.full((3, 6, 5, 3), 80))


# read_folder


def two_classes(folder):
    """Save two images of cats and one of a dog, told apart by their values."""
    save(folder, "dog/a.png", COLOUR)
    save(folder, "cat/b.png", COLOUR // 2)
    save(folder, "cat/a.png", COLOUR // 3)
    return folder


def test_a_folder_gives_images_labels_and_names_in_order(tmp_path):
    images, labels, names = read_folder(two_classes(tmp_path))
    np.testing.assert_array_equal(images, [COLOUR // 3, COLOUR // 2, COLOUR])
    assert images.dtype == np.uint8
    assert names == ["cat", "dog"]
    np.testing.assert_array_equal(labels, [0, 0, 1])
    assert labels.dtype == np.int32


def test_images_are_ordered_by_their_names_whatever_the_file_system(tmp_path):
    for i in (7, 3, 9, 1, 0, 8, 5, 2, 6, 4):
        save(tmp_path, f"cat/{i}.png", np.full((3, 4), i))
    save(tmp_path, "dog/0.png", GREY)
    images, _, _ = read_folder(tmp_path)
    assert images[:10, 0, 0, 0].tolist() == list(range(10))


def test_suffixes_in_capitals_are_images_too(tmp_path):
    save(two_classes(tmp_path), "dog/B.PNG", COLOUR // 4)
    np.testing.assert_array_equal(read_folder(tmp_path)[1], [0, 0, 1, 1])


def test_images_in_deeper_folders_count_for_their_class(tmp_path):
    save(two_classes(tmp_path), "dog/more/z.png", COLOUR // 4)
    images, labels, _ = read_folder(str(tmp_path))
    np.testing.assert_array_equal(images[-1], COLOUR // 4)
    np.testing.assert_array_equal(labels, [0, 0, 1, 1])


def test_a_grey_folder_has_one_channel(tmp_path):
    save(tmp_path, "a/a.png", GREY)
    save(tmp_path, "b/b.png", GREY)
    assert read_folder(tmp_path)[0].shape == (2, 3, 4, 1)


def test_one_colour_image_makes_the_whole_folder_colour(tmp_path):
    save(tmp_path, "a/a.png", GREY)
    save(tmp_path, "b/b.png", COLOUR)
    images, _, _ = read_folder(tmp_path)
    np.testing.assert_array_equal(images[0], np.repeat(GREY[..., None], 3, axis=-1))
    np.testing.assert_array_equal(images[1], COLOUR)


def test_images_of_several_sizes_need_an_image_size(tmp_path):
    save(two_classes(tmp_path), "dog/z.png", np.zeros((5, 6, 3)))
    text = refusal(read_folder, tmp_path)
    assert f"the images in {tmp_path} differ in size (from 3x4 to 5x6)" in text
    assert "--image-size HEIGHT,WIDTH" in text


def test_images_of_several_sizes_are_resized_to_the_one_given(tmp_path):
    save(two_classes(tmp_path), "dog/z.png", np.full((5, 6, 3), 9))
    images, _, _ = read_folder(tmp_path, (3, 4))
    assert images.shape == (4, 3, 4, 3)
    np.testing.assert_array_equal(images[:3], [COLOUR // 3, COLOUR // 2, COLOUR])
    assert (images[3] == 9).all()


@pytest.mark.parametrize("name", ["no-such-folder", "file.txt"])
def test_what_is_no_folder_is_refused(tmp_path, name):
    (tmp_path / "file.txt").write_text("text")
    assert f"image folder {tmp_path / name} is not a folder" in refusal(
        read_folder, tmp_path / name
    )


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_classes_are_refused(tmp_path, count):
    if count:
        save(tmp_path, "only/a.png", GREY)
    text = refusal(read_folder, tmp_path)
    assert f"image folder {tmp_path} has {count} subfolder(s)" in text
    assert "at least two classes" in text


def test_a_class_without_images_is_named(tmp_path):
    two_classes(tmp_path)
    (tmp_path / "fish").mkdir()
    (tmp_path / "fish" / "list.txt").write_text("herring")
    assert f"class folder {tmp_path / 'fish'} has no images" in refusal(read_folder, tmp_path)


def test_hidden_files_and_folders_are_ignored(tmp_path):
    two_classes(tmp_path)
    save(tmp_path, ".cache/a.png", GREY)
    save(tmp_path, "cat/.thumbnail.png", GREY)
    # Notebooks leave copies of the images there: they would count twice.
    save(tmp_path, "cat/.ipynb_checkpoints/a-checkpoint.png", COLOUR // 3)
    images, _, names = read_folder(tmp_path)
    assert len(images) == 3
    assert names == ["cat", "dog"]


@pytest.mark.parametrize("name", ["notes.txt", "data.csv", "licence.pdf", "no-suffix"])
def test_files_that_are_no_images_by_their_names_are_ignored(tmp_path, name):
    two_classes(tmp_path)
    (tmp_path / "cat" / name).write_text("no picture")
    (tmp_path / name).write_text("no picture")
    assert len(read_folder(tmp_path)[0]) == 3


def test_a_hidden_parent_folder_does_not_hide_the_images(tmp_path):
    assert len(read_folder(two_classes(tmp_path / ".data"))[0]) == 3


def test_a_damaged_image_in_a_folder_is_named(tmp_path):
    two_classes(tmp_path)
    path = tmp_path / "dog" / "broken.jpg"
    path.write_bytes(b"\xff\xd8\xff\xe0 and no more")
    assert f"image {path} cannot be read" in refusal(read_folder, tmp_path)
