from __future__ import annotations

import base64

import numpy as np
import pytest
from tests.support.pictures import photo
from tests.support.web_host import PICTURE, decode

from underdrawing.core.errors import BadImage
from underdrawing.serving import pictures
from underdrawing.serving.pictures import read_picture, write_picture, write_values


def test_pictures_survive_both_ways() -> None:
    assert np.array_equal(read_picture(PICTURE, "image").pixels, photo(64, 96))
    assert np.array_equal(decode(write_picture(photo(), {})), photo())


@pytest.mark.parametrize("start", ["data:image/png;base64,", "data:;base64,", "data:image/png;name=a.png;base64,", ""])
def test_data_urls_are_read(start: str) -> None:
    text = f"{start}{PICTURE[:40]}\n{PICTURE[40:]}"
    assert read_picture(text, "image").pixels.shape == (64, 96, 3)


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1/a.png",
        "file:///etc/passwd",
        "/etc/passwd",
        "../a.png",
        "data:image/png,raw",
        "",
        " ",
        "=",
        "\0",
    ],
)
def test_addresses_and_paths_are_no_pictures(text: str) -> None:
    with pytest.raises(BadImage):
        read_picture(text, "image")


def test_what_is_no_picture_says_so() -> None:
    with pytest.raises(BadImage, match=r"^image: "):
        read_picture(base64.b64encode(b"MZ no picture").decode(), "image")


def test_long_texts_are_refused_before_they_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MOST_CHARACTERS", 10)
    with pytest.raises(BadImage, match="too long"):
        read_picture(PICTURE, "image")


def test_values_of_one_channel_are_written() -> None:
    ramp = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    assert write_values(ramp, {})
    assert write_values(ramp[..., None], {}) == write_values(ramp, {})
    assert write_values(np.zeros((3, 4, 3), np.float32), {}) is None
