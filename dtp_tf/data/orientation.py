"""Which way up a photo is: cameras keep the sensor's rows, and say in EXIF how to turn them."""

from PIL import Image

TAG = 0x0112
#: The values of the tag, 1 .. 8, of which the picture is to be changed: first rows and columns
#: exchanged, then the order of the columns reversed, and of the rows.
EXCHANGED, MIRRORED, UPSIDE_DOWN = (5, 6, 7, 8), (2, 3, 6, 7), (3, 4, 7, 8)


def orientation(image):
    """Return the EXIF orientation, 1 .. 8, in the header of a Pillow image that is not loaded; 1
    where there is none.

    Of a TIFF it is 1, for Pillow turns it itself.
    """
    exif = image.info.get("exif")
    if not exif or image.format == "TIFF":
        return 1
    found = Image.Exif()
    try:
        found.load(exif)
        value = found.get(TAG, 1)
    except Exception:  # Pillow's reader of EXIF raises whatever a damaged one makes it
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def upright(pixels, value):
    """Return pixels `(H, W, C)` as they are to be seen, for an orientation."""
    if value in EXCHANGED:
        pixels = pixels.swapaxes(0, 1)
    rows = slice(None, None, -1 if value in UPSIDE_DOWN else 1)
    columns = slice(None, None, -1 if value in MIRRORED else 1)
    return pixels[rows, columns]
