"""The stage flow for flow that is there already: images of x and y beside the frames of a video."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from dsnet import images
from dsnet.datasets.manifest import read_manifest
from dsnet.disk import PathLike
from dsnet.errors import UserError
from dsnet.experiment.specs import FlowSpec
from dsnet.flow.planes import resize, stored
from dsnet.provenance import alone, digest
from dsnet.shards import check_video
from dsnet.store import Reader, Writer
from dsnet.video import VideoError
from dsnet.video.numbered import frames_in, image_names, sequence

log = logging.getLogger(__name__)
# Of each layout, what the names of x begin with, and how many flows fewer than frames there are.
NAMES = {"mars": "TVL1jpg_x_", "denseflow": "flow_x_", "tsn": "flow_x_"}
FEWER = {"mars": 1, "denseflow": 1, "tsn": 0}


def flow_shard(
    manifest: PathLike | None, frames: PathLike, spec: FlowSpec, output: PathLike
) -> None:
    """Take the flow images of a shard's videos, which are beside the frames in ``manifest``.

    The file's ``extra`` has the folder and the digest of each video. A video whose flow cannot be
    used is stored without it and with the reason.

    Raises:
        ReplacedError: a video's images are not those that the manifest was made from.
        DamagedError: the frames are damaged.
        UserError: there is no manifest.
    """
    if manifest is None:
        raise UserError("flow_shard: imported flow needs the manifest; give --manifest")
    shard, rows = Reader(frames), read_manifest(manifest).set_index("id")
    origins = {id: dict(rows.loc[id, ["path", "digest"]]) for id in shard.videos}
    source = {"frames": shard.digest, "images": digest(origins)}
    with alone(output), Writer(output, ["flow"], spec.values(), source) as writer:
        for id, video in tqdm(shard.videos.items(), "flow", unit="video", disable=None):
            if id in writer.done:
                continue
            path, reason = origins[id]["path"], video.reason
            check_video(path, origins[id]["digest"], manifest)
            try:
                found = () if reason else planes(path, *_size(shard, id), spec)
                writer.add(id, {"flow": found}, reason)
            except VideoError as error:
                log.warning("%s cannot be used: %s", path, error)
                writer.add(id, {}, str(error))
        layout = f"imported from images of layout {spec.imported.layout}"
        writer.close(list(shard.videos), {"backend": layout, "imported": origins})


def _size(shard: Reader, id: str) -> tuple[int, tuple[int, int]]:
    """Return the number of frames of a video of a shard, and their height and width."""
    shard.verify([id], ["rgb"])
    return shard.videos[id].frames("rgb"), images.size(shard.item(id, "rgb", 0))


def planes(folder: PathLike, count: int, size: tuple[int, int], spec: FlowSpec) -> Iterator[bytes]:
    """Yield the stored planes of ``count`` frames of ``size``: 2(count - 1), x and y in turn.

    Images of that size (height and width) and of the spec's bound are taken as they are, byte by
    byte, unless the spec's quality is raw. Others are resized, as :func:`dsnet.flow.planes.resize`
    does. Raises VideoError unless there are as many images as ``spec.imported`` says, all of one
    size and readable.
    """
    bounds, first = (spec.imported.bound, spec.bound), None
    for names in zip(*flow_names(folder, count, spec.imported.layout), strict=True):
        encoded = [Path(folder, name).read_bytes() for name in names]
        read = [_read(*pair) for pair in zip(names, encoded, strict=True)]
        first = first or read[0].shape
        for name, plane in zip(names, read, strict=True):
            if plane.shape != first:
                raise VideoError(f"{name} has another size than the flow before it")
        if first == size and bounds[0] == bounds[1] and spec.quality != "raw":
            yield from encoded
        else:
            field = resize(np.stack(read, axis=-1), size, bounds, spec.rounding)
            yield from stored(field, spec.quality)


def flow_names(folder: PathLike, count: int, layout: str) -> list[list[str]]:
    """Return the names of the x and of the y images, each ``count - 1``, in the order of time.

    Flow i is from frame i to the next one, as it has the number of the former. In the layout tsn it
    has that of the latter, and the first one, from a frame that is not there, is left out. Raises
    VideoError for other numbers than those of the frames say.
    """
    found, first = [], frames_in(folder).first
    for start in (NAMES[layout], NAMES[layout].replace("_x_", "_y_")):
        names = [n for n in image_names(folder) if re.match(rf"{start}\d", n)]
        what = f"images {start}NUMBER, which flow.imported.layout {layout} expects"
        if not names:
            raise VideoError(f"no {what}")
        own, expected = sequence(names), count - FEWER[layout]
        if len(names) != expected or own.first != first:
            raise VideoError(
                f"{len(names)} {what}, from {own.first} on; expected {expected} from {first} on, "
                f"for {count} frames"
            )
        found.append(own.names[len(names) - (count - 1) :])
    return found


def _read(name: str, encoded: bytes) -> np.ndarray:
    """Return an image of flow, (H, W) uint8; VideoError if it is damaged."""
    try:
        return images.decode(np.frombuffer(encoded, np.uint8), True)
    except ValueError:
        raise VideoError(f"{name} cannot be read as an image") from None
