"""What the tests of the command line share: a picture in a file."""

from PIL import Image


def picture(path, pixels, **kwargs):
    Image.fromarray(pixels).save(path, **kwargs)
    return path
