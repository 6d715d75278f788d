"""Frames of a synthetic video; the classes differ in motion alone.

A textured blob moves over a textured background that drifts while the camera shakes. A single frame
must tell nothing about the class. So everything except the motion is drawn independently of the
class, and what the motion changes has the same distribution in every frame of every class:

- Positions are on a torus: what leaves the picture on one side returns on the other. So a uniform
  first position stays uniform; the same is true for the angle.
- Growth has no end. The pattern grows within the blob's shape, as two layers that fade in while
  small and out while large (Shepard's ever-rising tone, for the eye). The phase of this cycle is
  uniform, whether it runs forwards, backwards or stands still.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

CLASSES = (
    "left", "right", "up", "down", "rotate_cw", "rotate_ccw", "expand", "contract",
    "shake_horizontal", "shake_vertical",
)  # fmt: skip
Range = tuple[float, float]
ROLES = ("train", "test")

# Lengths are in pixels of a 64-pixel frame and grow with the frame's size.
REFERENCE_SIZE = 64
BLOB_RADIUS = (17.0, 22.0)
LAYERS = 2  # patterns of the blob at different points of the same cycle
OCTAVES = 2.4  # from the smallest to the largest scale of the cycle
SPEED = (0.8, 2.5)  # pixels per frame
TURN = (0.07, 0.18)  # radians per frame: about SPEED near the blob's rim
GROWTH = (0.08, 0.16)  # e-folds per frame: likewise
SHAKE_AMPLITUDE = (2.5, 4.5)  # pixels
SHAKE_PERIOD = (6.0, 10.0)  # frames
# The camera, as it moves by default. With the jitter, the drift is slower than any blob.
DRIFT = 0.3  # pixels per frame, at most
JITTER = 0.15  # pixels, standard deviation
# Nearly grey. With strong colours, a network tells 200 training videos apart before it learns any
# motion, and all RGB streams stay at chance.
GREY = (70.0, 185.0)  # mean grey value
TINT = 6.0  # largest difference of a channel's mean, in grey values
TEXTURE_TINT = 0.1  # contrast of colour in a texture, as a share of its contrast
# Standard deviation of the smoothing, in pixels, and contrast, in grey values.
BACKGROUND_TEXTURE = ((2.5, 4.0), (12.0, 22.0))
BLOB_TEXTURE = ((2.2, 3.2), (30.0, 42.0))


@dataclass(frozen=True)
class Blob:
    """Opacity (H, W) from 0 to 1, mean colour (3,), and patterns around it, (H, W, 3); float32."""

    opacity: np.ndarray
    colour: np.ndarray
    layers: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Trajectory:
    """Position (T, 2) in pixels, angle (T,) in radians, and phase (T,) of the pattern's cycle."""

    position: np.ndarray
    angle: np.ndarray
    phase: np.ndarray


def render(
    class_name: str,
    role: str,
    index: int,
    seed: int = 0,
    size: int = 64,
    length: int = 20,
    camera: float = 1,
) -> np.ndarray:
    """Render the frames of one video before encoding, (length, size, size, 3) uint8 RGB.

    The camera drifts and shakes ``camera`` times as fast as :data:`DRIFT` and :data:`JITTER` say.
    """
    label = CLASSES.index(class_name)
    rng = np.random.default_rng([seed, label, ROLES.index(role), index])
    unit = size / REFERENCE_SIZE
    background = _texture(rng, size, unit, *BACKGROUND_TEXTURE)
    background += _colour(rng)
    blob = _blob(rng, size, unit)
    path = _motion(class_name, rng, size, length)
    offset = _camera(rng, length) * (camera * unit)
    return np.stack(
        [
            _compose(background, blob, offset[t], path.position[t], path.angle[t], path.phase[t])
            for t in range(length)
        ]
    )


def _texture(
    rng: np.random.Generator, size: int, unit: float, smoothing: Range, contrasts: Range
) -> np.ndarray:
    """Draw a smooth random pattern that tiles, of mean zero, (size, size, 3) float32."""
    tint = TEXTURE_TINT * rng.standard_normal((size, size, 3))
    noise = tint + rng.standard_normal((size, size, 1))
    sigma = float(rng.uniform(*smoothing)) * unit
    margin = math.ceil(4 * sigma)
    tiled = np.pad(noise, ((margin, margin), (margin, margin), (0, 0)), mode="wrap")
    smooth = cv2.GaussianBlur(tiled, (0, 0), sigma)[margin:-margin, margin:-margin]
    smooth -= smooth.mean((0, 1))
    return (rng.uniform(*contrasts) / smooth.std() * smooth).astype(np.float32)


def _colour(rng: np.random.Generator) -> np.ndarray:
    """Draw red, green and blue of a surface, float32 grey values."""
    return (rng.uniform(*GREY) + rng.uniform(-TINT, TINT, 3)).astype(np.float32)


def _blob(rng: np.random.Generator, size: int, unit: float) -> Blob:
    """Draw a random shape with soft edges at the centre, and its patterns."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    angle = np.arctan2(y, x)
    radius = np.full_like(angle, rng.uniform(*BLOB_RADIUS))
    for order in (2, 3, 4):
        radius *= 1 + rng.uniform(0, 0.25) / order * np.cos(
            order * angle + rng.uniform(0, 2 * np.pi)
        )
    opacity = 1 / (1 + np.exp(np.hypot(x, y) / unit - radius))
    return Blob(
        opacity.astype(np.float32),
        _colour(rng),
        tuple(_texture(rng, size, unit, *BLOB_TEXTURE) for _ in range(LAYERS)),
    )


def _camera(rng: np.random.Generator, length: int) -> np.ndarray:
    """Draw the offset of the picture in each frame, (T, 2): a steady drift, and jitter."""
    speed, direction = rng.uniform(0, DRIFT), rng.uniform(0, 2 * np.pi)
    drift = speed * np.array([np.cos(direction), np.sin(direction)])
    return np.arange(length)[:, None] * drift + rng.normal(0, JITTER, (length, 2))


def _motion(class_name: str, rng: np.random.Generator, size: int, length: int) -> Trajectory:
    """Draw the blob's start, and move the blob by its class alone."""
    unit = size / REFERENCE_SIZE
    # Every class draws the same numbers, in the same order, whether it uses them or not.
    start, angle, phase = rng.uniform(0, size, 2), rng.uniform(0, 2 * np.pi), rng.uniform()
    speed, turn, growth = rng.uniform(*SPEED) * unit, rng.uniform(*TURN), rng.uniform(*GROWTH)
    amplitude, period = rng.uniform(*SHAKE_AMPLITUDE) * unit, rng.uniform(*SHAKE_PERIOD)
    time = np.arange(length)
    shake = amplitude * np.sin(2 * np.pi * (time / period + rng.uniform()))
    still = np.zeros(length)
    along_x = {"left": -speed * time, "right": speed * time, "shake_horizontal": shake}
    along_y = {"up": -speed * time, "down": speed * time, "shake_vertical": shake}
    turned = {"rotate_cw": turn * time, "rotate_ccw": -turn * time}
    cycles = growth * time / (OCTAVES * np.log(2))
    grown = {"expand": cycles, "contract": -cycles}
    moved = np.stack([along_x.get(class_name, still), along_y.get(class_name, still)], axis=1)
    return Trajectory(
        start + moved, angle + turned.get(class_name, still), phase + grown.get(class_name, still)
    )


def _compose(
    background: np.ndarray,
    blob: Blob,
    camera: np.ndarray,
    position: np.ndarray,
    angle: float,
    phase: float,
) -> np.ndarray:
    """Compose one frame, (H, W, 3) uint8: the blob over the background, with camera motion."""
    size = background.shape[0]
    shift = np.array([[1, 0, camera[0]], [0, 1, camera[1]]])
    frame = cv2.warpAffine(background, shift, (size, size), borderMode=cv2.BORDER_WRAP)
    # By a fraction of a pixel around the centre, then by whole pixels around the torus.
    whole = np.floor(position + camera).astype(int)
    centre = size / 2 + position + camera - whole
    pattern = blob.colour
    for number, layer in enumerate(blob.layers):
        step = (phase + number / LAYERS) % 1
        # The squares of these weights, and so the contrast, stay constant over the cycle.
        weight = np.sin(np.pi * step) * np.sqrt(2 / LAYERS)
        zoomed = _place(layer, centre, angle, 2 ** (OCTAVES * (step - 0.5)), cv2.BORDER_WRAP)
        pattern = pattern + weight * zoomed
    opacity = _place(blob.opacity, centre, angle, 1.0, cv2.BORDER_CONSTANT)[..., None]
    around = (whole[1] - size // 2, whole[0] - size // 2)
    opacity, pattern = (np.roll(plane, around, axis=(0, 1)) for plane in (opacity, pattern))
    return np.clip(np.rint(frame + opacity * (pattern - frame)), 0, 255).astype(np.uint8)


def _place(
    plane: np.ndarray, centre: np.ndarray, angle: float, scale: float, border: int
) -> np.ndarray:
    """Turn ``plane`` (clockwise, as y points down), scale it, and move its middle to ``centre``."""
    size = plane.shape[0]
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    turn = np.array([[cos, -sin], [sin, cos]])
    matrix = np.column_stack([turn, centre - turn @ np.full(2, (size - 1) / 2)])
    return cv2.warpAffine(plane, matrix, (size, size), borderMode=border)
