"""Folders of frames and flow images, as MARS's, denseflow's and TSN's tools write them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

# Of each layout: frames, flow, and the numbers of the first frame and of the flow from it.
NAMES = {
    "mars": ("{:05d}.{}", "TVL1jpg_{}_{:05d}.jpg", 1, 1),
    "denseflow": ("img_{:05d}.{}", "flow_{}_{:05d}.jpg", 0, 0),
    "tsn": ("img_{:05d}.{}", "flow_{}_{:05d}.jpg", 1, 2),
}


def write(
    folder: Path,
    frames: Sequence[np.ndarray],
    planes: Sequence[bytes],
    layout: str,
    suffix: str = "png",
) -> Path:
    """Write (H, W, 3) RGB frames, and encoded planes, x and y in turn."""
    frame, flow, first, second = NAMES[layout]
    folder.mkdir(parents=True)
    for number, image in enumerate(frames, first):
        cv2.imwrite(str(folder / frame.format(number, suffix)), image[..., ::-1])
    for index, plane in enumerate(planes):
        (folder / flow.format("xy"[index % 2], second + index // 2)).write_bytes(plane)
    if layout == "mars":
        (folder / "done").touch()
    if layout == "tsn":  # the flow from a frame before the first one that is stored
        for axis in "xy":
            (folder / flow.format(axis, 1)).write_bytes(planes[0])
    return folder
