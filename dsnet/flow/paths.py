"""Flow over several frames, from the flow between consecutive ones."""

from __future__ import annotations

import cv2
import numpy as np


def along(flow: np.ndarray, steps: int) -> np.ndarray:
    """Sum flow along the path of each pixel, over ``steps`` consecutive fields.

    A pixel of frame i is at x + u(x) in frame i+1, where u is the flow between them. So the next
    field is read there, bilinearly; beyond the border, at its nearest pixel.

    Args:
        flow: (N, H, W, 2) float32, pixels to the right and down, from frame i to frame i+1.
        steps: 1 returns ``flow`` as it is.

    Returns:
        (N+1-``steps``, H, W, 2) float32, from frame i to frame i+``steps``.
    """
    if steps == 1:
        return flow
    y, x = np.indices(flow.shape[1:3], np.float32)
    total = flow[: len(flow) + 1 - steps].copy()
    for number, path in enumerate(total):
        for field in flow[number + 1 : number + steps]:
            place = x + path[..., 0], y + path[..., 1]
            path += cv2.remap(field, *place, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return total
