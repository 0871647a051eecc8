"""Config files of other people: how large they may be, and what is no file."""

import os
import time

import pytest

from dtp_tf.errors import SettingError
from dtp_tf.recipes.config_files import MAX_CONFIG, read_config, read_mapping

LAUGHS = "a0: &a0 [ha, ha]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 8)
)


def refused(path):
    start = time.perf_counter()
    with pytest.raises(SettingError) as caught:
        read_config(path)
    assert "\n" not in str(caught.value)
    return str(caught.value), time.perf_counter() - start


def test_a_few_bytes_of_aliases_are_refused_at_once(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(LAUGHS)
    assert len(LAUGHS) < 500
    text, seconds = refused(path)
    assert "it has more than 100,000 values" in text
    assert seconds < 10


@pytest.mark.parametrize("name", ["a.yaml", "a.json"])
def test_a_file_of_too_many_bytes_is_not_read(tmp_path, name):
    path = tmp_path / name
    with open(path, "wb") as file:
        file.truncate(10**12)
    text, seconds = refused(path)
    assert text == (
        f"config file {path} cannot be read: it has 1,000,000,000,000 bytes, which is above the "
        f"limit of {MAX_CONFIG:,}."
    )
    assert seconds < 1


@pytest.mark.parametrize("name", ["a.yaml", "a.json"])
@pytest.mark.slow
def test_deep_nesting_is_one_sentence(tmp_path, name):
    path = tmp_path / name
    path.write_text('{"epochs": ' + "[" * 5000 + "]" * 5000 + "}")
    assert "nested more than" in refused(path)[0]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["a.yaml", "a.json"])
def test_what_is_no_file_is_refused_at_once(tmp_path, name):
    path = tmp_path / name
    os.mkfifo(path)
    assert "it is a pipe, a socket or a device, and no file" in refused(path)[0]
    path.unlink()
    path.symlink_to(path)
    assert "Too many levels of symbolic links" in refused(path)[0]


def test_a_file_at_the_limit_is_read(tmp_path):
    text = '{"epochs": 3}'
    (tmp_path / "a.json").write_text(text + " " * (MAX_CONFIG - len(text)))
    assert read_mapping(tmp_path / "a.json") == {"epochs": 3}
