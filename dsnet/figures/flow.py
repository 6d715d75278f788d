"""Optical flow of one video, as a video to look at and as numbers."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
from tqdm import tqdm

from dsnet import flow, video
from dsnet.disk import PathLike
from dsnet.errors import UserError
from dsnet.experiment.data import TVL1_NAME
from dsnet.experiment.specs import FlowSpec
from dsnet.figures.colours import colour_wheel, flow_colours
from dsnet.figures.videos import check_name, write_video
from dsnet.flow.algorithms import Method
from dsnet.provenance import keep_input, replacing

log = logging.getLogger(__name__)
CHUNK = 2**23  # pixels per call; this bounds the memory, about 50 bytes per pixel
Chunk = tuple[np.ndarray, np.ndarray]  # N frames, and the N fields to the next frames


def flow_video(
    source: PathLike,
    output: PathLike,
    raw: PathLike | None = None,
    *,
    fps: float = 25,
    algorithm: str = TVL1_NAME,
    backend: Any = "auto",
    semantics: Any = "cuda",
) -> None:
    """Write the frames of ``source``, at ``fps`` and in their size, beside their flow in colours.

    The full colour is the 95th percentile of the speeds of about the first second. A wheel in the
    corner explains the colours. ``raw`` is a ``.npy`` file for the flow, (T-1, H, W, 2) float32 in
    pixels. The algorithm has its usual parameters; backend and semantics are TV-L1's.

    Raises:
        BackendError: the backend cannot run here.
        PretrainedError: there are no weights of RAFT.
        UserError: the video cannot be decoded, or has fewer than two frames or than 3 x 3 pixels;
            or ``output`` has a wrong suffix; or it or ``raw`` is the video itself, or both are one.
    """
    check_name(output)
    for file in (output, *([raw] if raw is not None else [])):
        keep_input(source, file)
    if raw is not None and os.path.realpath(raw) == os.path.realpath(output):
        raise UserError(f"{os.fspath(raw)} is the file of two outputs; name two")
    spec = FlowSpec(algorithm=algorithm, backend=backend, semantics=semantics)
    method = flow.of_spec(spec)
    log.info("flow by %s", method.where)
    chunks = _chunks(source, fps, method, _pairs(source, fps))
    first = next(chunks, None)
    if first is None:
        raise UserError(f"{source}: flow needs two frames, and at {fps} fps there are fewer")
    full = max(float(np.percentile(np.linalg.norm(first[1], axis=-1), 95)), 0.5)
    log.info("the 95th percentile of the first speeds, the full colour, is %.1f pixels", full)
    everything: Iterable[Chunk] = chain([first], chunks)
    with ExitStack() as stack:
        if raw is not None:
            everything = _kept(everything, stack.enter_context(replacing(raw)))
        write_video(output, _pictures(everything, full), fps)


def _pairs(source: PathLike, fps: float) -> int | None:
    """Count the pairs of frames of a video; ``None`` if it is unusable, which decoding explains."""
    try:
        info = video.probe(source)
    except video.VideoError:
        return None
    return max(round(info.frames / info.fps * fps) - 1, 0)


def _chunks(source: PathLike, fps: float, method: Method, expected: int | None) -> Iterator[Chunk]:
    frames = _frames(source, fps)
    kept = list(islice(frames, 1))
    if kept and min(kept[0].shape[:2]) < 3:
        height, width, _ = kept[0].shape
        raise UserError(
            f"{source}: flow needs 3 x 3 pixels at least, and it has {width} x {height}"
        )
    pairs = max(1, CHUNK // kept[0][..., 0].size) if kept else 1
    with tqdm(total=expected, desc=f"flow ({method.name})", unit="pair", disable=None) as bar:
        while new := list(islice(frames, pairs)):
            kept += new
            gray = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in kept])
            field = method(gray)
            yield np.stack(kept[:-1]), field
            bar.update(len(field))
            kept = kept[-1:]


def _frames(source: PathLike, fps: float) -> Iterator[np.ndarray]:
    try:
        yield from video.decode(source, fps, resize=None)
    except video.VideoError as error:
        raise UserError(f"{source}: {error}") from error


def _pictures(chunks: Iterable[Chunk], full: float) -> Iterator[np.ndarray]:
    for frames, fields in chunks:
        wheel, inside = colour_wheel(min(frames.shape[1:3]) // 6, full)
        for frame, field in zip(frames, fields, strict=True):
            colours = flow_colours(field, full)
            corner = colours[-len(wheel) :, -len(wheel) :]
            corner[inside] = wheel[inside]
            yield np.hstack([frame, colours])


def _kept(chunks: Iterable[Chunk], path: Path) -> Iterator[Chunk]:
    """Pass ``chunks`` on, and write their flow as one array; its length is known at the end."""
    shape: tuple[int, ...] = ()

    def header(stream: BinaryIO) -> None:
        # NumPy leaves room in the header for the first axis to grow.
        about = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, about)

    with open(path, "wb") as stream:
        for frames, fields in chunks:
            if not shape:
                shape = (0, *fields.shape[1:])
                header(stream)
            stream.write(np.ascontiguousarray(fields, "<f4").data)
            shape = (shape[0] + len(fields), *shape[1:])
            yield frames, fields
        stream.seek(0)
        header(stream)
