"""Flow over several frames by three ways, against the truth.

    python benchmarks/stride.py [--bound 20] [--size 128]

Clips may use every n-th frame (``clips.stride``). Their flow can be computed from a frame to the
n-th after it; or be the sum of the n stored fields between them, at the same pixel; or be summed
along the path of each pixel before it is stored, which dsnet does. All are compared as they are
read from the store: 8 bits in JPEG. The error is the mean end-point error in pixels, on scenes
whose flow is known: of all pixels, and, where something moves over something else, of those up to
three pixels from its edge. Prints Markdown; docs/method.md keeps a run.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

from dsnet import flow, images
from dsnet.flow.paths import along

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/flow"))
from scenes import MOTIONS, end_point_error, known  # the scenes that the tests judge by

STRIDES = (1, 2, 3, 4)
NEAR = 7  # side of the square of pixels around one at an edge


def stored(field: np.ndarray, bound: float) -> np.ndarray:
    """Flow, (N, H, W, 2) in pixels, as it is read from the store."""
    kept = flow.to_bytes(field, bound, 95)
    planes = np.stack([images.decode(np.frombuffer(plane, np.uint8), True) for plane in kept])
    pairs = planes.reshape(len(field), 2, *field.shape[1:3]).transpose(0, 2, 3, 1)
    return flow.decode(pairs, bound)


def edges(truth: np.ndarray) -> np.ndarray:
    """Pixels, (H, W) bool, near a place where the flow jumps."""
    jump = np.abs(np.stack(np.gradient(truth, axis=(0, 1)))).max(axis=(0, 3)) > 0.25
    return cv2.dilate(jump.astype(np.uint8), np.ones((NEAR, NEAR), np.uint8)).astype(bool)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bound", type=float, default=20, help="pixels that 255 stands for")
    parser.add_argument("--size", type=int, default=128, help="side of the frames in pixels")
    options = parser.parse_args()
    print(f"bound {options.bound:g}, {options.size} x {options.size}, TV-L1 as by default\n")
    print("| scene | stride | largest motion, px | at once | summed | along the path |")
    print("|---|---|---|---|---|---|")
    for name in (*MOTIONS, "sprite"):
        for stride in STRIDES:
            frames, truth, inner = known(name, options.size, stride)
            fields = flow.compute(frames)
            found = (
                stored(flow.compute(frames[[0, -1]]), options.bound)[0],
                stored(fields, options.bound).sum(axis=0),
                stored(along(fields, stride), options.bound)[0],
            )
            places = {name: inner}
            if name == "sprite":
                places["its edge"] = inner & edges(truth)
            for place, where in places.items():
                errors = [f"{end_point_error(field, truth, where):.3f}" for field in found]
                largest = np.linalg.norm(truth, axis=-1)[where].max()
                print(f"| {place} | {stride} | {largest:.1f} | " + " | ".join(errors) + " |")


if __name__ == "__main__":
    main()
