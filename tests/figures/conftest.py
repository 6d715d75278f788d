"""Clips that the tests of figures share."""

import cv2
import numpy as np
import pytest

from dsnet.flow.planes import to_bytes
from dsnet.store import Reader, Writer


@pytest.fixture
def clips(tmp_path):
    """Video ``long`` of 9 frames moves right by 4 px, ``short`` of 2 down; ``empty`` has none."""

    def images(shape, count):
        for value in np.linspace(0, 240, count):
            frame = np.full((*shape, 3), (20, value, 255), np.uint8)  # BGR: red is 255
            yield cv2.imencode(".jpg", frame)[1].tobytes()

    with Writer(
        tmp_path / "clips.h5", ("rgb", "flow"), {"rgb": {}, "flow": {"bound": 20}}
    ) as writer:
        for id, shape, count, motion in (
            ("long", (32, 48), 9, (4, 0)),
            ("short", (32, 32), 2, (0, 4)),
        ):
            flow = np.broadcast_to(np.float32(motion), (count - 1, *shape, 2))
            writer.add(id, {"rgb": images(shape, count), "flow": to_bytes(flow, 20, 95)})
        writer.add("empty", {}, "no video stream")
        writer.close(["long", "short", "empty"])
    return Reader(tmp_path / "clips.h5")
