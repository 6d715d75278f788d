"""Random changes of a training clip: colour of RGB, geometry of RGB and flow alike."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from dsnet.experiment.augmentation import Augment

NO_FLOW = 127.5
LUMA = np.array([0.299, 0.587, 0.114])  # grey of red, green and blue (ITU-R BT.601)


@dataclass(frozen=True)
class Change:
    """A change that was drawn, the same for all frames of a clip.

    Args:
        colour: (3, 4), maps red, green, blue and 1 to colours of 0..255; ``None`` keeps them.
        linear: (2, 2), maps x and y, in pixels from the centre, and so the flow vectors; ``None``
            keeps the geometry.
        shift: (2,), added to x and y, as a share of the side.
        fill: colour, of 0..255, where a frame shows nothing.
    """

    colour: np.ndarray | None
    linear: np.ndarray | None
    shift: np.ndarray
    fill: Sequence[float]

    def __call__(self, clip: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Change a clip, uint8 (T, side, side, C) by modality."""
        return {name: self._changed(frames, name) for name, frames in clip.items()}

    def _changed(self, frames: Tensor, modality: str) -> Tensor:
        pixels = frames.numpy()
        if modality == "rgb" and self.colour is not None:
            pixels = _mapped(pixels, self.colour)
        if self.linear is not None:
            pixels = self._moved(pixels, self.fill if modality == "rgb" else [NO_FLOW] * 2)
            if modality == "flow":
                centre = NO_FLOW * (1 - self.linear.sum(axis=1))
                pixels = _mapped(pixels, np.column_stack([self.linear, centre]))
        return torch.from_numpy(pixels)

    def _moved(self, frames: np.ndarray, fill: Sequence[float]) -> np.ndarray:
        """Move the pixels of frames; what comes from outside is ``fill``."""
        assert self.linear is not None
        side = frames.shape[1]
        centre = np.full(2, (side - 1) / 2)
        offset = centre - self.linear @ centre + side * self.shift
        affine = np.column_stack([self.linear, offset])
        outside = [round(value) for value in fill]
        return np.stack(
            [cv2.warpAffine(f, affine, (side, side), borderValue=outside) for f in frames]
        )


def _mapped(frames: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Map the channels of frames by a matrix (C, C + 1), rounded and clipped to 0..255."""
    return cv2.transform(frames.reshape(-1, *frames.shape[2:]), matrix).reshape(frames.shape)


class Augmentation:
    """What draws a :class:`Change` for every item.

    Args:
        settings: the config's ``training.augment``.
        mean: of red, green and blue in 0..255. A moved frame shows it beyond its border, where the
            flow is zero: after normalisation, both are zero there, as a convolution's padding is.
    """

    def __init__(self, settings: Augment, mean: Sequence[float]) -> None:
        self.settings, self.mean = settings, np.array(mean, dtype=np.float64)
        self.colours = any(
            (settings.brightness, settings.contrast, settings.saturation, settings.hue)
        )
        self.moves = any((settings.rotation, settings.zoom, settings.shift, settings.shear))

    def draw(self, rng: np.random.Generator) -> Change:
        """Draw a change. Every key has a number of its own, also if it is off."""
        own, u = self.settings, rng.uniform(-1, 1, 9)
        return Change(
            self._colour(*u[:4]) if self.colours else None,
            self._linear(*u[4:7]) if self.moves else None,
            own.shift * u[7:9],
            self.mean.tolist(),
        )

    def _colour(
        self, brightness: float, contrast: float, saturation: float, hue: float
    ) -> np.ndarray:
        own = self.settings
        kept = 1 + own.saturation * saturation
        grey = np.ones((3, 1)) * LUMA
        linear = kept * np.eye(3) + (1 - kept) * grey  # grey stays grey, under the next one too
        linear = linear @ _turned_hue(math.radians(own.hue * hue))
        gain = 1 + own.contrast * contrast
        offset = (1 - gain) * LUMA @ self.mean + 255 * own.brightness * brightness
        return np.column_stack([gain * linear, np.full(3, offset)])

    def _linear(self, rotation: float, zoom: float, shear: float) -> np.ndarray:
        own = self.settings
        tilt = math.tan(math.radians(own.shear * shear))
        turn = _rotation(math.radians(own.rotation * rotation))
        return (1 + own.zoom) ** zoom * turn @ np.array([[1, tilt], [0, 1]])


def _rotation(angle: float) -> np.ndarray:
    """Return the rotation by an angle, from x to y: clockwise in images, whose y points down."""
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.array([[cosine, -sine], [sine, cosine]])


def _turned_hue(angle: float) -> np.ndarray:
    """Return the rotation of colours by an angle about the grey axis (Rodrigues' formula)."""
    cosine, sine = math.cos(angle), math.sin(angle) / math.sqrt(3)
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    return cosine * np.eye(3) + (1 - cosine) / 3 + sine * cross
