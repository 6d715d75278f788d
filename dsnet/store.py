"""The HDF5 format of frames, flow and clips: written once, resumable, read by memory map.

A file holds one group per modality (``rgb``, ``flow``) with

* ``data``: uint8 (bytes,), the encoded images one after another, contiguous and unfiltered;
* ``offsets``: int64 (items + 1,), where each image begins and ends in ``data``;

and a table ``videos`` with one row per video in the order of ``ids``: for every modality the
first item and the number of items, and a CRC-32 of its bytes. RGB has one item per frame, flow
two per pair of frames (plane x, then plane y). ``extra`` holds JSON of the
maker's choice. Attributes: ``format``, ``version``, ``spec``, ``source`` and ``provenance`` (JSON),
and ``check``, a SHA-256 of everything but ``data``: it is compared whenever a file is opened, so
that the table's checksums can be relied on.

Contiguous and unfiltered means that a reader maps the file's bytes: no HDF5 lock, nothing to
share across processes. Files appear under their name only when complete.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
from tqdm import tqdm

from dsnet.errors import RemakeError, UserError
from dsnet.provenance import canonical, digest, record, replacing

log = logging.getLogger(__name__)
FORMAT = "dsnet"
VERSION = 2
ITEMS_PER_FRAME = {"rgb": 1, "flow": 2}


class StoreError(UserError):
    """A file that is not what it should be: wrong format, version or spec."""


class DamagedError(RemakeError, StoreError):
    """A file whose bytes are not those that were written."""


@dataclass(frozen=True)
class Video:
    """One row of the table: ``items`` and ``start`` by modality, in items (not frames)."""

    id: str
    start: dict[str, int]
    items: dict[str, int]
    crc: dict[str, int]
    reason: str  # why the video has no items; empty for a usable one

    def frames(self, modality: str) -> int:
        """Number of frames (``rgb``) or of flow fields (``flow``)."""
        return self.items[modality] // ITEMS_PER_FRAME[modality]


class Writer:
    """Write one file of the format, resuming what an earlier attempt with this spec completed.

    Encoded images go to a side file next to ``path`` with a journal of the videos completed;
    :meth:`close` assembles the HDF5 file, renames it into place and removes the side files.
    A journal of another spec or source is discarded.

    Args:
        path: the file to make.
        modalities: names of the groups, of :data:`ITEMS_PER_FRAME`.
        spec: settings that determine the bytes; JSON-serialisable.
        source: what the bytes are made from, such as the digest of an input; an earlier attempt
            is resumed only when both are the same.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        modalities: Sequence[str],
        spec: Any,
        source: Any = None,
    ) -> None:
        self.path = Path(path)
        self.modalities = tuple(modalities)
        self.spec = spec
        self.source = source
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._parts = {m: self._side(f"{m}.part") for m in self.modalities}
        self._journal_path = self._side("journal")
        self._rows: dict[str, dict[str, Any]] = {}
        self._resume()
        self._blobs: dict[str, BinaryIO] = {m: open(p, "r+b") for m, p in self._parts.items()}  # noqa: SIM115
        for modality, blob in self._blobs.items():
            blob.truncate(sum(sum(row["sizes"][modality]) for row in self._rows.values()))
            blob.seek(0, os.SEEK_END)
        self._journal = open(self._journal_path, "a", encoding="utf-8")  # noqa: SIM115

    def _side(self, suffix: str) -> Path:
        return self.path.with_name(f".{self.path.name}.{suffix}")

    @property
    def done(self) -> frozenset[str]:
        """Ids of the videos already complete."""
        return frozenset(self._rows)

    def _resume(self) -> None:
        """Read the journal; start anew when there is none, or it is of another spec."""
        head = canonical({"version": VERSION, "spec": self.spec, "source": self.source})
        try:
            lines = self._journal_path.read_text(encoding="utf-8").splitlines(keepends=True)
        except FileNotFoundError:
            lines = []
        if (
            not lines
            or lines[0] != head + "\n"
            or not all(p.exists() for p in self._parts.values())
        ):
            self._journal_path.unlink(missing_ok=True)  # before the parts that it vouches for
            for part in self._parts.values():
                part.write_bytes(b"")
            self._journal_path.write_text(head + "\n", encoding="utf-8")
            return
        complete = [line for line in lines[1:] if line.endswith("\n")]  # the last may be cut short
        self._rows = {row["id"]: row for row in map(json.loads, complete)}
        self._journal_path.write_text("".join([lines[0], *complete]), encoding="utf-8")

    def add(self, id: str, items: Mapping[str, Iterable[bytes]], reason: str = "") -> None:
        """Append one video: for each modality its encoded images, in order.

        ``reason`` says why a video without items could not be used. An exception from the
        iterators leaves the file as if the video had not been begun.
        """
        if id in self._rows:
            raise ValueError(f"{self.path}: video {id} is there already")
        begins = {m: blob.tell() for m, blob in self._blobs.items()}
        sizes: dict[str, list[int]] = {m: [] for m in self.modalities}
        crcs = dict.fromkeys(self.modalities, 0)
        try:
            for modality in self.modalities:
                for item in items.get(modality, ()):
                    self._blobs[modality].write(item)
                    sizes[modality].append(len(item))
                    crcs[modality] = zlib.crc32(item, crcs[modality])
        except BaseException:
            for modality, begin in begins.items():
                # What is still buffered is written on seeking: a full disk gets room for it first.
                os.ftruncate(self._blobs[modality].fileno(), begin)
                self._blobs[modality].seek(begin)
                self._blobs[modality].truncate()
            raise
        row = {"id": id, "sizes": sizes, "crc": crcs, "reason": reason}
        for blob in self._blobs.values():
            blob.flush()
            os.fsync(blob.fileno())
        self._journal.write(json.dumps(row) + "\n")
        self._journal.flush()
        self._rows[id] = row

    def close(self, order: Sequence[str], extra: Any = None) -> None:
        """Assemble the file with its table in the given order of ids and remove the side files.

        Raises:
            ValueError: a video of ``order`` was not added.
        """
        absent = [id for id in order if id not in self._rows]
        if absent:
            raise ValueError(f"{self.path}: not added: {', '.join(absent[:5])}")
        self.abandon()
        with replacing(self.path) as temporary, h5py.File(temporary, "w") as file:
            file.attrs.update(
                format=FORMAT,
                version=VERSION,
                spec=canonical(self.spec),
                source=canonical(self.source),
                provenance=canonical(record()),
            )
            # A dataset and not an attribute, which may have no more than 64 KiB.
            file.create_dataset("extra", data=canonical(extra), dtype=h5py.string_dtype())
            firsts = {
                m: _write_items(file.create_group(m), self._parts[m], self._rows, m)
                for m in self.modalities
            }
            _write_table(file.create_group("videos"), [self._rows[id] for id in order], firsts)
            file.attrs["check"] = _check(file)
        # The journal first: it must never vouch for parts that are gone.
        for side in (self._journal_path, *self._parts.values()):
            side.unlink(missing_ok=True)

    def abandon(self) -> None:
        """Close the side files and leave them for a later attempt."""
        for blob in self._blobs.values():
            blob.close()
        self._journal.close()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.abandon()


def _write_items(
    group: h5py.Group, part: Path, rows: Mapping[str, dict[str, Any]], modality: str
) -> dict[str, int]:
    """Copy a side file into ``data`` and give the first item of each video."""
    counts = [len(row["sizes"][modality]) for row in rows.values()]
    sizes = [size for row in rows.values() for size in row["sizes"][modality]]
    offsets = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64)
    group.create_dataset("offsets", data=offsets)
    data = group.create_dataset("data", shape=(int(offsets[-1]),), dtype=np.uint8)
    with open(part, "rb") as stream:
        position = 0
        while chunk := stream.read(1 << 24):
            data[position : position + len(chunk)] = np.frombuffer(chunk, np.uint8)
            position += len(chunk)
    if position != offsets[-1]:
        raise StoreError(f"{part} has {position} bytes, its journal says {offsets[-1]}")
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(int)
    return {id: int(start) for id, start in zip(rows, starts, strict=False)}


def _write_table(
    group: h5py.Group, rows: Sequence[dict[str, Any]], firsts: Mapping[str, Mapping[str, int]]
) -> None:
    text = h5py.string_dtype("utf-8")
    group.create_dataset("ids", data=[row["id"] for row in rows], dtype=text)
    group.create_dataset("reason", data=[row["reason"] for row in rows], dtype=text)
    for modality, first in firsts.items():
        columns = {
            "start": np.array([first[row["id"]] for row in rows], np.int64),
            "items": np.array([len(row["sizes"][modality]) for row in rows], np.int64),
            "crc32": np.array([row["crc"][modality] for row in rows], np.uint32),
        }
        for name, values in columns.items():
            group.create_dataset(f"{modality}/{name}", data=values)


def _check(file: h5py.File) -> str:
    """SHA-256 of all attributes and datasets, and of the images' shape."""
    found = hashlib.sha256()
    for name in ("format", "version", "spec", "source", "provenance"):
        found.update(f"{name}={file.attrs[name]!r}\n".encode("utf-8", "surrogatepass"))

    def visit(name: str, item: Any) -> None:
        if not isinstance(item, h5py.Dataset):
            return
        found.update(f"{name} {item.shape} {item.dtype}\n".encode())
        if h5py.check_string_dtype(item.dtype):
            texts = np.atleast_1d(item.asstr(errors="surrogateescape")[()]).tolist()
            found.update(canonical(texts).encode("utf-8", "surrogatepass"))
        elif not name.endswith("/data"):
            found.update(item[()].tobytes())

    file.visititems(visit)
    return found.hexdigest()


class Reader:
    """Read a file of the format through a memory map, opened when first used in each process.

    Attributes: ``videos`` (dict of id to :class:`Video`, in the table's order), ``spec``,
    ``source``, ``extra``, ``provenance``.

    Raises:
        StoreError: a file of another format or version.
        DamagedError: not a whole file of the format; only :meth:`verify` looks at the images.
        FileNotFoundError: no such file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._maps: dict[str, np.ndarray] = {}
        self._offsets: dict[str, np.ndarray] = {}
        self._begins: dict[str, int] = {}
        if not self.path.exists():
            raise FileNotFoundError(self.path)
        try:
            with h5py.File(self.path, "r") as file:
                self._read(file)
        except StoreError:
            raise
        except Exception as error:  # damage surfaces in HDF5 as almost any
            raise DamagedError(
                self.path, f"{self.path} is damaged or not a {FORMAT} file ({error})"
            ) from error

    def _read(self, file: h5py.File) -> None:
        found = (file.attrs.get("format"), file.attrs.get("version"))
        if found != (FORMAT, VERSION) and found[0] is not None:
            raise StoreError(
                f"{self.path}: expected format {FORMAT} version {VERSION}, found {found[0]} "
                f"version {found[1]}; delete it and run again"
            )
        if file.attrs["check"] != _check(file):
            raise ValueError("its tables are not those that were written")
        self.spec, self.source, self.provenance = (
            json.loads(file.attrs[name]) for name in ("spec", "source", "provenance")
        )
        self.extra = json.loads(file["extra"].asstr()[()])
        self.modalities = tuple(m for m in ITEMS_PER_FRAME if m in file)
        for modality in self.modalities:
            self._offsets[modality] = file[modality]["offsets"][:]
            # HDF5 gives an empty dataset no place in the file.
            self._begins[modality] = file[modality]["data"].id.get_offset() or 0
        table = file["videos"]
        ids, reasons = table["ids"].asstr()[:], table["reason"].asstr()[:]
        columns = {
            column: {m: table[m][column][:].tolist() for m in self.modalities}
            for column in ("start", "items", "crc32")
        }

        def row(column: str, index: int) -> dict[str, int]:
            return {m: values[index] for m, values in columns[column].items()}

        self.videos = {
            id: Video(id, row("start", i), row("items", i), row("crc32", i), reasons[i])
            for i, id in enumerate(ids)
        }

    @property
    def digest(self) -> str:
        """Identifies the content: spec, order of the videos and the CRC-32 of their bytes."""
        rows = [(video.id, video.items, video.crc, video.reason) for video in self.videos.values()]
        return digest([self.spec, rows])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_maps": {}}  # maps are opened anew in each process

    def _bytes(self, modality: str, first: int, last: int) -> np.ndarray:
        if modality not in self._maps:
            size = int(self._offsets[modality][-1])
            self._maps[modality] = (
                np.memmap(self.path, np.uint8, "r", self._begins[modality], (size,))
                if size
                else np.empty(0, np.uint8)
            )
        offsets = self._offsets[modality]
        return self._maps[modality][int(offsets[first]) : int(offsets[last])]

    def item(self, id: str, modality: str, index: int) -> np.ndarray:
        """The encoded bytes, uint8 (n,), of one item of a video; a view into the map."""
        video = self.videos[id]
        if not 0 <= index < video.items[modality]:
            raise IndexError(f"{self.path}: {id} has {video.items[modality]} {modality} items")
        first = video.start[modality] + index
        return self._bytes(modality, first, first + 1)

    def items(self, id: str, modality: str, verify: bool = False) -> list[bytes]:
        """All encoded images of a video, in order.

        Raises:
            DamagedError: ``verify`` is set and the bytes do not have the CRC-32 of the table.
        """
        if verify:
            self._verify(id, modality)
        first, count = self.videos[id].start[modality], self.videos[id].items[modality]
        block = self._block(id, modality).tobytes()
        ends = self._offsets[modality][first : first + count + 1] - self._offsets[modality][first]
        return [block[a:b] for a, b in pairwise(ends)]

    def verify(self, ids: Iterable[str], modalities: Sequence[str]) -> None:
        """Compare all bytes of some videos with the checksums of the table.

        Raises:
            DamagedError: naming the first video whose bytes are damaged.
        """
        started, size = time.monotonic(), 0
        # The bar shows where that takes longer than some seconds.
        with tqdm(desc="checking", unit="B", unit_scale=True, disable=None, delay=5) as bar:
            for id in ids:
                for modality in modalities:
                    size += self._verify(id, modality)
                bar.update(size - bar.n)
        seconds = time.monotonic() - started
        log.info("%s: %.3g GB have their checksums (%.1f s)", self.path, size / 1e9, seconds)

    def _verify(self, id: str, modality: str) -> int:
        """Compare the bytes of a video with its checksum; their number."""
        try:
            block = self._block(id, modality)
            right = zlib.crc32(block.data) == self.videos[id].crc[modality]
        except (OSError, ValueError):  # the file ends before
            right = False
        if not right:
            raise DamagedError(
                self.path, f"{self.path}: the {modality} bytes of {id} are damaged (CRC-32 differs)"
            )
        return len(block)

    def _block(self, id: str, modality: str) -> np.ndarray:
        """All bytes of a video, uint8 (n,); a view into the map."""
        first = self.videos[id].start[modality]
        return self._bytes(modality, first, first + self.videos[id].items[modality])
