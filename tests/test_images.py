"""Stored images, as a whole and in bands."""

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
    np.testing.assert_array_equal(
        images.decode(banded, gray), cv2.imdecode(plain, images.MODES[gray])
    )
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


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_images_without_bands_are_decoded_whole(suffix):
    image = picture(2, 70, 40, True)
    encoded = cv2.imencode(suffix, image)[1]
    whole = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)
    np.testing.assert_array_equal(images.decode(encoded, True, slice(30, 50)), whole[30:50])
    assert images.size(encoded) == (70, 40)


@pytest.mark.parametrize("data", [b"no image", b"\xff\xd8", b"\xff\xd8\xff\xe0" + bytes(20), b""])
def test_bytes_that_are_no_image_are_an_error(data):
    damaged = np.frombuffer(data, np.uint8)
    with pytest.raises(ValueError, match="cannot be decoded; the file is damaged"):
        images.decode(damaged, True)
    with pytest.raises(ValueError, match="cannot be decoded; the file is damaged"):
        images.size(damaged)
