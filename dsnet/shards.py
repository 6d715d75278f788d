"""The stages frames, flow and pack: from a manifest to ``clips.h5``, one shard at a time."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from itertools import chain, islice
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from dsnet import images, video
from dsnet.datasets.manifest import MISSING, check_broken, read_manifest
from dsnet.disk import PathLike
from dsnet.errors import RemakeError
from dsnet.experiment.specs import FlowSpec, FramesSpec
from dsnet.flow import of_spec
from dsnet.flow.algorithms import Method
from dsnet.flow.planes import stored
from dsnet.images import Stored
from dsnet.overlap import ahead
from dsnet.provenance import alone, digest, replacing
from dsnet.store import Reader, StoreError, Video, Writer

log = logging.getLogger(__name__)
TELL = 10  # seconds between two log lines


class ReplacedError(RemakeError):
    """A video that changed after the manifest was made."""

    kept = "outdated"


def frames(manifest: PathLike, shard: int, spec: FramesSpec, output: PathLike) -> None:
    """Decode the videos of a shard into RGB frames, JPEG, at the spec's rate and size.

    Videos that an interrupted attempt completed are kept. A video that cannot be decoded, or has
    fewer than two frames at that rate, is stored without frames and with the reason.

    Raises:
        ReplacedError: a video's bytes are not those that the manifest was made from.
        FfmpegError: ffmpeg was stopped within a video, which is not stored.
    """
    rows = read_manifest(manifest)
    rows = rows[rows["shard"] == shard]
    identity = rows[["id", "path", "frames", "width", "height", "digest"]].to_csv(index=False)
    with alone(output), Writer(output, ["rgb"], spec.values(), source=digest(identity)) as writer:
        # From the first time stamp to the last; two less, because rounding depends on the sampling.
        least = ((rows["frames"] - 1) / rows["fps"] * spec.fps).round().astype(int) - 2
        columns = (rows[name] for name in ("id", "path", "digest", "fps"))
        videos = list(zip(*columns, least, strict=True))
        for id, path, expected, rate, count in tqdm(videos, "frames", unit="video", disable=None):
            if id in writer.done:
                continue
            check_video(path, expected, manifest)
            try:
                encoded = encoded_frames(path, spec, count, rate if os.path.isdir(path) else None)
                first = list(islice(encoded, 2))
                if len(first) < 2:
                    raise video.VideoError(f"only one frame at {spec.fps} fps")
                writer.add(id, {"rgb": chain(first, encoded)})
            except video.VideoError as error:
                log.warning("%s cannot be used: %s", path, error)
                writer.add(id, {}, str(error))
        writer.close(list(rows["id"]))


def encoded_frames(
    path: PathLike, spec: FramesSpec, least: int = 0, rate: float | None = None
) -> Iterator[bytes]:
    """Yield the frames of a video as they are stored.

    ``least`` is how many there must be. For ``rate`` and errors see :func:`dsnet.video.decode`.
    """
    how = (spec.fps, spec.resize, spec.size, spec.sampling)
    for frame in video.decode(path, *how, least=least, rate=rate):
        yield images.encode(frame, spec.quality)


def check_video(path: str, expected: str, manifest: PathLike) -> None:
    """Check that a video is the one in the manifest; reading costs less than decoding.

    Raises ReplacedError.
    """
    try:
        found = video.source_digest(path)
    except FileNotFoundError:
        raise ReplacedError(manifest, f"{path} is gone since {manifest} was made") from None
    if found != expected:
        raise ReplacedError(manifest, f"{path} was replaced or changed after {manifest} was made")


def flow_shard(frames: PathLike, spec: FlowSpec, output: PathLike, threads: int = 1) -> None:
    """Compute the flow over ``spec.stride`` frames of a shard, as 8-bit JPEG planes.

    Images are decoded and encoded by ``threads`` threads while flow is computed, of as many frames
    as the backend takes at once. A backend on the CPU computes on ``threads`` threads too.

    Files that are packed together must have the same spec. Machines with and without a GPU may work
    on one data set, so the spec has the semantics of TV-L1, and the file's ``extra`` has the
    backend that finished it. Videos that an interrupted attempt completed are kept. A video that is
    too short for a pair is stored without flow and with the reason.

    Raises:
        BackendError: the backend cannot run here.
        PluginError: a user's algorithm cannot be used.
        DamagedError: the frames are damaged.
    """
    method = of_spec(spec, cores=threads)
    log.info("flow by %s", method.where)
    source = Reader(frames)
    with alone(output), Writer(output, ["flow"], spec.values(), source=source.digest) as writer:
        pairs = {id: max(v.frames("rgb") - spec.stride, 0) for id, v in source.videos.items()}
        missing = {id: count for id, count in pairs.items() if id not in writer.done}
        frames_of = (source.views(id, "rgb") for id in missing)
        with closing(encoded_planes(frames_of, method, spec, threads)) as planes:
            for id in _told(missing, method.name):
                own = islice(planes, 2 * missing[id])
                writer.add(id, {"flow": own}, _without_flow(source.videos[id], spec.stride))
        writer.close(list(source.videos), {"backend": method.where})


def _without_flow(video: Video, stride: int) -> str:
    """Return why a video of a shard of frames has no flow, or an empty text."""
    count = video.frames("rgb")
    if video.reason or count > stride:
        return video.reason
    return f"it has {count} frames, and clips.stride {stride} needs one more than {stride}"


def _told(pairs: Mapping[str, int], name: str) -> Iterator[str]:
    """Yield the ids of ``pairs`` and report progress by a bar, or in the log if none is shown."""
    total, done = sum(pairs.values()), 0
    start = logged = time.monotonic()
    with tqdm(total=total, desc=f"flow ({name})", unit="pair", disable=None) as bar:
        for id, count in pairs.items():
            yield id
            bar.update(count)
            done += count
            now = time.monotonic()
            if bar.disable and now - logged > TELL:
                logged, rate = now, done / (now - start)
                left = (total - done) / rate / 60
                # The live view (logger/) finds this line and reads its first two numbers.
                log.info("%d of %d pairs, %.1f per second, %.0f min left", done, total, rate, left)
    log.info("flow of %d pairs in %.1f s", total, time.monotonic() - start)


def encoded_planes(
    videos: Iterable[Sequence[Stored]], method: Method, spec: FlowSpec, threads: int = 1
) -> Generator[bytes, None, None]:
    """Compute the flow of the stored frames of videos.

    Yields the stored planes of one video after the other, x and y in turn: of T frames 2(T-S), for
    a ``spec.stride`` S.
    """
    workers = int(min(threads, method.threads))
    with ExitStack() as stack:

        def started(count: int, prepare: Callable[[], object] | None = None) -> ThreadPoolExecutor:
            pool = ThreadPoolExecutor(count, initializer=prepare)
            # What has not begun is not wanted if this is left early.
            stack.callback(pool.shutdown, cancel_futures=True)
            return pool

        coding = started(threads)
        computing = started(workers, method.bind) if workers else None

        def quantised(batch: list[list[Future[np.ndarray]]]) -> list[np.ndarray]:
            grays = [np.stack([frame.result() for frame in piece]) for piece in batch]
            return method.planes(grays, spec.bound, spec.rounding, spec.stride)

        decoding = (
            [[coding.submit(_gray, frame) for frame in piece] for piece in batch]
            for batch in _batches(videos, method.pairs, spec.stride)
        )
        batches = ahead(computing, quantised, decoding, workers or 1)
        fields = (field for batch in batches for piece in batch for field in piece)
        encode = partial(stored, quality=spec.quality)
        for planes in ahead(coding, encode, fields, method.pairs):
            yield from planes


def _batches(
    videos: Iterable[Sequence[Stored]], pairs: int, stride: int = 1
) -> Iterator[list[Sequence[Stored]]]:
    """Gather consecutive frames of videos; a long video is cut, and ``stride`` frames are in both.

    A batch has at most so many pairs of frames, ``stride`` apart, which bounds the memory. If
    ``videos`` fails, what came before is yielded first.
    """
    batch: list[Sequence[Stored]] = []
    room = pairs
    try:
        for frames in videos:
            for first in range(0, len(frames) - stride, pairs):
                piece = frames[first : first + pairs + stride]
                if len(piece) - stride > room:
                    yield batch
                    batch, room = [], pairs
                batch.append(piece)
                room -= len(piece) - stride
    except Exception:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def _gray(frame: Stored) -> np.ndarray:
    return images.decode(np.frombuffer(frame, np.uint8), True)


def pack(
    manifest: PathLike,
    frames: Sequence[PathLike],
    flow: Sequence[PathLike],
    name: str,
    max_broken: float,
    output: PathLike,
    broken: PathLike,
) -> None:
    """Join the shards of frames and flow into ``clips.h5``, and list unusable videos.

    ``clips.h5`` has the usable videos in the manifest's order. Its ``extra`` has the classes, the
    numbers of listed and missing videos, the backends that computed the flow, and label, group and
    roles of every video. ``name``, of the data set, is for messages.

    Raises:
        StoreError: the shards have different specs, or the flow was made from other frames.
        DamagedError: damaged bytes.
        BrokenVideosError: more than ``max_broken`` of the videos present cannot be used.
    """
    rows = read_manifest(manifest)
    rgb, fields = [Reader(path) for path in frames], [Reader(path) for path in flow]
    spec = {"rgb": _common_spec(rgb), "flow": _common_spec(fields)}
    _check_sources(rgb, fields)
    origin = {id: pair for pair in zip(rgb, fields, strict=True) for id in pair[0].videos}
    unusable = _unusable(rows, origin)
    broken_rows = unusable.loc[unusable["reason"] != MISSING, ["id", "reason"]]
    present = len(rows) - (len(unusable) - len(broken_rows))
    check_broken(name, list(broken_rows.itertuples(index=False)), present, max_broken)
    usable = rows[~rows["id"].isin(unusable["id"])]
    with (
        alone(output),
        Writer(output, ["rgb", "flow"], spec, [r.digest for r in (*rgb, *fields)]) as writer,
    ):
        for id in tqdm(usable["id"], "pack", unit="video", disable=None):
            if id not in writer.done:
                pair = zip(("rgb", "flow"), origin[id], strict=True)
                writer.add(id, {m: reader.views(id, m) for m, reader in pair})
        writer.close(list(usable["id"]), _extra(rows, usable, fields))
    with replacing(broken) as temporary:
        unusable.to_csv(temporary, index=False, errors="surrogateescape")
    log.info("packed %d videos; %d cannot be used (%s)", len(usable), len(unusable), broken)


def _common_spec(readers: Sequence[Reader]) -> Any:
    """Return the settings of all shards of one kind; raise StoreError if they differ."""
    for reader in readers[1:]:
        if reader.spec != readers[0].spec:
            raise StoreError(
                "the shards were made with different settings:\n"
                f"  {readers[0].path}: {readers[0].spec}\n  {reader.path}: {reader.spec}\n"
                "delete those that are wrong and run again"
            )
    return readers[0].spec


def _check_sources(rgb: Sequence[Reader], fields: Sequence[Reader]) -> None:
    """Raise StoreError unless the shards of flow were made from the shards of frames, in order."""
    for ours, theirs in zip(rgb, fields, strict=True):
        source = theirs.source["frames"] if isinstance(theirs.source, dict) else theirs.source
        if source != ours.digest:
            raise StoreError(
                f"{theirs.path} was computed from other frames than those of {ours.path}; "
                f"delete it and run again"
            )


def _unusable(rows: pd.DataFrame, origin: Mapping[str, tuple[Reader, Reader]]) -> pd.DataFrame:
    """Return the table ``broken.csv``: id, path, stage and reason, in the manifest's order."""
    found = []
    for id, path, error in zip(rows["id"], rows["path"], rows["error"], strict=True):
        reasons = {"manifest": error}
        if not error:
            shards = zip(("frames", "flow"), origin[id], strict=True)
            reasons = {stage: reader.videos[id].reason for stage, reader in shards}
        found += [(id, path, *pair) for pair in reasons.items() if pair[1]][:1]
    return pd.DataFrame(found, columns=["id", "path", "stage", "reason"])


def _extra(rows: pd.DataFrame, usable: pd.DataFrame, fields: Sequence[Reader]) -> dict[str, Any]:
    names = rows.drop_duplicates("label").sort_values("label")["class_name"]
    columns = ["id", "label", "group", *(c for c in rows.columns if c.startswith("split"))]
    return {
        "classes": list(names),
        "n_missing": int((rows["error"] == MISSING).sum()),
        "n_listed": len(rows),
        "flow_backends": sorted({reader.extra["backend"] for reader in fields}),
        **_origins(fields),
        "videos": {column: usable[column].tolist() for column in columns},
    }


def _origins(fields: Sequence[Reader]) -> dict[str, Any]:
    """Return where imported flow is from, by video; nothing if it was computed."""
    found = {id: of for reader in fields for id, of in reader.extra.get("imported", {}).items()}
    return {"imported": found} if found else {}
