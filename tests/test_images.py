"""Stored images, as a whole and in bands."""

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


@settings(max_examples=150)
@given(
    st.integers(0, 999), st.integers(1, 300), st.integers(1, 90), st.booleans(), st.data(),
    st.sampled_from([30, 75, 95, 100]),
)  # fmt: skip
def test_some_rows_are_those_of_the_whole_image_to_the_bit(
    seed, height, width, gray, data, quality
):
    encoded = stored(picture(seed, height, width, gray), quality)
    whole = cv2.imdecode(encoded, images.MODES[gray])
    first = data.draw(st.integers(0, height - 1))
    last = data.draw(st.integers(first + 1, height))
    np.testing.assert_array_equal(
        images.decode(encoded, gray, slice(first, last)), whole[first:last]
    )
    np.testing.assert_array_equal(images.decode(encoded, gray), whole)
    assert images.size(encoded) == (height, width)


@pytest.mark.parametrize("gray", [False, True])
def test_bands_change_no_pixel_and_few_bytes(gray):
    image = picture(0, 256, 340, gray)
    plain = cv2.imencode(
        ".jpg", image if gray else image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95]
    )[1]
    banded = stored(image)
    whole = cv2.imdecode(plain, images.MODES[gray])
    for rows in (slice(None), slice(0, 256), slice(1, None), slice(None, -1)):
        np.testing.assert_array_equal(images.decode(banded, gray, rows), whole[rows])
    assert len(plain) < len(banded) < 1.005 * len(plain)


@pytest.mark.parametrize("gray", [False, True])
def test_rows_come_from_their_bands_alone(gray):
    """What lies in bands that are not needed does not matter, even where it is damaged."""
    image = picture(1, 160, 64, gray)
    encoded = stored(image).copy()
    whole = images.decode(encoded, gray)
    encoded[-40:-2] = 0
    assert not np.array_equal(images.decode(encoded, gray), whole)
    np.testing.assert_array_equal(images.decode(encoded, gray, slice(20, 60)), whole[20:60])


@pytest.fixture
def decoded(monkeypatch):
    """The heights of all images that OpenCV decodes."""
    heights, imdecode = [], cv2.imdecode

    def recording(data, mode):
        image = imdecode(data, mode)
        heights.append(len(image))
        return image

    monkeypatch.setattr(cv2, "imdecode", recording)
    return heights


@pytest.mark.parametrize(
    ("gray", "first", "last", "height"),
    [
        (True, 20, 60, 48),  # rows 16 to 64
        (True, 0, 16, 16),
        (True, 600, 640, 48),  # 592 to 640, beyond the eight numbers that markers have
        (True, 639, 640, 16),
        (False, 20, 60, 80),  # 0 to 80: a band more on both sides
        (False, 320, 321, 48),
        (False, 630, 640, 32),
        (False, 0, 640, 640),
    ],
)
def test_bands_that_are_not_needed_are_not_decoded(decoded, gray, first, last, height):
    encoded = stored(picture(3, 640, 40, gray))
    found = images.decode(encoded, gray, slice(first, last))
    assert decoded == [height]
    np.testing.assert_array_equal(found, images.decode(encoded, gray)[first:last])
    assert decoded == [height, 640]


def test_the_size_is_read_from_the_header(decoded):
    for gray in (True, False):
        assert images.size(stored(picture(4, 50, 30, gray))) == (50, 30)
    assert decoded == []


def test_a_header_may_have_long_segments(decoded):
    encoded = stored(picture(6, 64, 30, True)).tobytes()
    comment = b"\xff\xfe" + struct.pack(">H", 2 + 700) + bytes(700)
    longer = np.frombuffer(encoded[:2] + comment + encoded[2:], np.uint8)
    found = images.decode(longer, True, slice(20, 30))
    assert decoded == [16]
    np.testing.assert_array_equal(found, images.decode(longer, True)[20:30])
    assert images.size(longer) == (64, 30)
    assert decoded == [16, 64]


def test_an_image_may_be_as_high_as_jpeg_allows(decoded):
    encoded = stored(picture(5, 65_000, 8, True))
    assert images.size(encoded) == (65_000, 8)
    found = images.decode(encoded, True, slice(8, 64_000))
    np.testing.assert_array_equal(found, images.decode(encoded, True)[8:64_000])
    assert decoded == [64_000, 65_000]


@pytest.mark.parametrize(
    ("suffix", "options"),
    [(".png", []), (".jpg", []), (".jpg", [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])],
)
def test_images_without_bands_are_decoded_whole(suffix, options):
    image = picture(2, 70, 40, True)
    encoded = cv2.imencode(suffix, image, options)[1]
    whole = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)
    np.testing.assert_array_equal(images.decode(encoded, True, slice(30, 50)), whole[30:50])
    assert images.size(encoded) == (70, 40)


@pytest.mark.parametrize("data", [b"no image", b"\xff\xd8", b"\xff\xd8\xff\xe0" + bytes(20), b""])
def test_bytes_that_are_no_image_are_an_error(data):
    damaged = np.frombuffer(data, np.uint8)
    message = "^an image of the clips cannot be decoded; the file is damaged$"
    with pytest.raises(ValueError, match=message):
        images.decode(damaged, True)
    with pytest.raises(ValueError, match=message):
        images.size(damaged)
