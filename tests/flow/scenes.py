"""Pairs of frames whose flow is known, and real ones."""

from itertools import islice

import cv2
import numpy as np

from dsnet import video

LIGHT = {"nscales": 3, "warps": 3, "inner_iterations": 10, "outer_iterations": 3}


def texture(seed=0, height=64, width=64, sigma=2.5):
    """Smooth noise over the full range of grey, on which the data term weighs as on real frames."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), sigma), None, 0, 255, cv2.NORM_MINMAX)


def warped(image, matrix):
    """``image`` moved by an affine map (2, 3) from old to new positions, in float precision."""
    matrix = np.asarray(matrix, np.float32)
    return cv2.warpAffine(
        image, matrix, image.shape[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )


def affine_flow(shape, matrix):
    """The flow (H, W, 2) of that map: where every pixel goes, less where it is."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    a = np.asarray(matrix, np.float32)
    return np.stack(
        [a[0, 0] * x + a[0, 1] * y + a[0, 2] - x, a[1, 0] * x + a[1, 1] * y + a[1, 2] - y], -1
    )


def about_centre(size, angle=0.0, zoom=1.0, dx=0.0, dy=0.0):
    """Rotation by degrees and zoom about the middle of a square, then a translation."""
    matrix = cv2.getRotationMatrix2D(((size - 1) / 2, (size - 1) / 2), angle, zoom)
    return np.add(matrix, [[0, 0, dx], [0, 0, dy]])


MOTIONS = {
    "translation": {"dx": 3, "dy": -2},
    "sub-pixel shift": {"dx": 0.3, "dy": 0.6},
    "rotation": {"angle": 2.5},
    "zoom": {"zoom": 1.04},
}


def known(name, size=96, steps=1):
    """Frames (steps + 1, size, size) uint8 of a motion or the sprite, flow, where to judge it.

    Every step is the same motion. The flow is that from the first frame to the last.
    """
    inner = np.zeros((size, size), bool)
    inner[10:-10, 10:-10] = True
    if name != "sprite":
        image, matrix = texture(3, size, size), about_centre(size, **MOTIONS[name])
        powers = [repeated(matrix, step) for step in range(1, steps + 1)]
        frames = np.stack([image, *(warped(image, power) for power in powers)])
        return frames, affine_flow(image.shape, powers[-1]), inner
    # A textured square moves over a background that moves otherwise, and hides a part of it.
    ground, square = texture(4, size, size), texture(5, size // 3, size // 3, 1.5)
    frames = np.stack([np.roll(ground, -step, 0) for step in range(steps + 1)])
    flow = np.zeros((size, size, 2), np.float32)
    flow[..., 1] = -steps
    at, n = size // 3, size // 3
    for step, frame in enumerate(frames):
        frame[at + step : at + step + n, at + 4 * step : at + 4 * step + n] = square
    flow[at : at + n, at : at + n] = 4 * steps, steps
    return frames, flow, inner


def repeated(matrix, steps):
    """The affine map (2, 3) that does as much as ``steps`` times ``matrix``."""
    return np.linalg.matrix_power(np.vstack([matrix, [0, 0, 1]]), steps)[:2]


def end_point_error(found, flow, where):
    """Mean distance in pixels."""
    return float(np.linalg.norm(found - flow, axis=-1)[where].mean())


def real_frames(path, count=2, size=256, start=10):
    """(count, size, size) uint8 grey frames of a video, as the pipeline makes them."""
    frames = islice(video.decode(path, 25, "square", size), start, start + count)
    return np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])


def moving(seed, count=2, height=48, width=48):
    """(count, height, width) frames of a texture that turns, grows and shifts."""
    step = about_centre(min(height, width), angle=1.5, zoom=1.01, dx=1.3, dy=-0.8)
    frames = [texture(seed, height, width)]
    while len(frames) < count:
        frames.append(warped(frames[-1], step))
    return np.stack(frames)
