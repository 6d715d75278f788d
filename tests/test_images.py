"""Stored images: their pixels, their restart markers and their size."""

import struct

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsnet import images


def picture(seed, height, width, gray):
    """Coarse shapes with noise on them."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 5, 3)).astype(np.uint8)
    image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    noisy = np.clip(image + rng.normal(0, 9, image.shape), 0, 255).astype(np.uint8)
    return noisy[..., 0] if gray else noisy


def stored(image, quality=95):
    return np.frombuffer(images.encode(image, quality), np.uint8)


@settings(max_examples=50)
@given(
    st.integers(0, 999), st.integers(1, 300), st.integers(1, 90), st.booleans(),
    st.sampled_from([30, 75, 95, 100]),
)  # fmt: skip
def test_the_pixels_are_those_of_a_plain_jpeg(seed, height, width, gray, quality):
    image = picture(seed, height, width, gray)
    encoded = stored(image, quality)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    plain = cv2.imencode(".jpg", image if gray else image[..., ::-1], options)[1]
    np.testing.assert_array_equal(
        images.decode(encoded, gray), cv2.imdecode(plain, images.MODES[gray])
    )
    assert images.size(encoded) == (height, width)


@given(st.integers(0, 999), st.integers(1, 90), st.integers(1, 90), st.booleans())
def test_raw_images_are_the_pixels_themselves(seed, height, width, gray):
    image = picture(seed, height, width, gray)
    encoded = stored(image, "raw")
    np.testing.assert_array_equal(images.decode(encoded, gray), image)
    assert images.size(encoded) == (height, width)
    assert len(encoded) < image.size + 20
    whole = cv2.imdecode(encoded, images.MODES[gray])  # any program reads them
    np.testing.assert_array_equal(whole, image)
    with pytest.raises(ValueError, match="too few or too many pixels; the file is damaged"):
        images.decode(encoded[:-1], gray)


@pytest.mark.parametrize("header", [b"P6\n0 5\n255\n", b"P5\n65500 65500\n255\n"])
@pytest.mark.parametrize("gray", [False, True])
def test_raw_images_of_other_sizes_than_their_pixels_are_damaged(header, gray):
    with pytest.raises(ValueError, match="the file is damaged"):
        images.decode(np.frombuffer(header, np.uint8), gray)


def test_a_raw_image_in_colours_is_read_grey_for_flow():
    image = picture(3, 20, 30, False)
    expected = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    np.testing.assert_array_equal(images.decode(stored(image, "raw"), True), expected)


@pytest.mark.parametrize(("gray", "blocks"), [(False, 22), (True, 86)])
def test_a_restart_marker_follows_every_sixteen_rows(gray, blocks):
    """Stored bytes carry no version: frames made before and after a change are alike."""
    data = images.encode(picture(0, 256, 340, gray), 95)
    assert data.count(b"\xff\xdd" + struct.pack(">HH", 4, blocks)) == 1
    assert sum(data.count(bytes([0xFF, 0xD0 + number])) for number in range(8)) == 256 // 16 - 1


@pytest.fixture
def no_decoding(monkeypatch):
    monkeypatch.setattr(cv2, "imdecode", None)


@pytest.mark.parametrize("gray", [False, True])
def test_the_size_is_read_from_the_header(no_decoding, gray):
    assert images.size(stored(picture(4, 50, 30, gray))) == (50, 30)
    assert images.size(stored(picture(5, 65_000, 8, gray))) == (65_000, 8)


def test_a_header_may_have_long_segments(no_decoding):
    encoded = images.encode(picture(6, 64, 30, True), 95)
    comment = b"\xff\xfe" + struct.pack(">H", 2 + 700) + bytes(700)
    longer = np.frombuffer(encoded[:2] + comment + encoded[2:], np.uint8)
    assert images.size(longer) == (64, 30)


@pytest.mark.parametrize(
    ("suffix", "options"), [(".png", []), (".jpg", [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])]
)
def test_other_images_have_a_size_too(suffix, options):
    encoded = cv2.imencode(suffix, picture(2, 70, 40, True), options)[1]
    assert images.size(encoded) == (70, 40)


@pytest.mark.parametrize("data", [b"no image", b"\xff\xd8", b"\xff\xd8\xff\xe0" + bytes(20), b""])
def test_bytes_that_are_no_image_are_an_error(data):
    damaged = np.frombuffer(data, np.uint8)
    message = "^an image of the clips cannot be decoded; the file is damaged$"
    with pytest.raises(ValueError, match=message):
        images.decode(damaged, True)
    with pytest.raises(ValueError, match=message):
        images.size(damaged)
