"""What the tests of image sets share: numbered images, and the text of a refusal."""

import numpy as np
import pytest

from dtp_tf.data.sets import Split
from dtp_tf.errors import UserError


def numbered(count):
    """Return a split of 1x1 images whose pixel and label are their number."""
    numbers = np.arange(count)
    return Split(numbers.astype(np.uint8).reshape(count, 1, 1, 1), numbers.astype(np.int32))


def refusal(call, *args, **kwargs):
    """Return the text of the UserError that a call must raise: one sentence in one line."""
    with pytest.raises(UserError) as caught:
        call(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def values(split):
    """Return the numbers of the images in a split of blocks."""
    assert (split.images == split.images[:, :1, :1, :1]).all()
    return split.images[:, 0, 0, 0].tolist()
