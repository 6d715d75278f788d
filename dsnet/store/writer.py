"""Writing of a file, resumable video by video."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np

from dsnet.disk import PathLike, writing_hdf5
from dsnet.images import Stored
from dsnet.provenance import canonical, record, replacing
from dsnet.store.layout import FORMAT, VERSION, StoreError, check


class Writer:
    """Write a file of the format; resume what an earlier attempt with this spec completed.

    Encoded images go to a side file next to ``path``, with a journal of the completed videos.
    :meth:`close` assembles the HDF5 file, renames it into place and removes the side files. A
    journal of another spec or source is discarded.

    Args:
        path: the file to make.
        modalities: names of the groups, of :data:`ITEMS_PER_FRAME`.
        spec: settings that determine the bytes; JSON-serialisable.
        source: origin of the bytes, such as the digest of an input.
    """

    def __init__(
        self,
        path: PathLike,
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
        """Ids of the completed videos."""
        return frozenset(self._rows)

    def _resume(self) -> None:
        """Read the journal; start anew if there is none, or it is of another spec or source."""
        head = canonical({"version": VERSION, "spec": self.spec, "source": self.source})
        try:
            text = self._journal_path.read_text(encoding="utf-8", errors="replace")
            lines = text.splitlines(keepends=True)
        except FileNotFoundError:
            lines = []
        if (
            not lines
            or lines[0] != head + "\n"
            or not all(p.exists() for p in self._parts.values())
        ):
            self._journal_path.unlink(missing_ok=True)  # before the parts that it describes
            for part in self._parts.values():
                part.write_bytes(b"")
            self._journal_path.write_text(head + "\n", encoding="utf-8")
            return
        complete = list(takewhile(_is_whole, lines[1:]))  # the last line may be cut
        self._rows = {row["id"]: row for row in map(json.loads, complete)}
        self._journal_path.write_text("".join([lines[0], *complete]), encoding="utf-8")

    def add(self, id: str, items: Mapping[str, Iterable[Stored]], reason: str = "") -> None:
        """Append one video: for each modality its encoded images, in order.

        ``reason`` says why a video without items is unusable. An exception from the iterators
        leaves the file as if the video had not been started.
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
                # Seeking writes what is buffered. On a full disk, this truncation makes room for
                # it.
                os.ftruncate(self._blobs[modality].fileno(), begin)
                self._blobs[modality].seek(begin)
                self._blobs[modality].truncate()
            raise
        row = {"id": id, "sizes": sizes, "crc": crcs, "reason": reason}
        check = zlib.crc32(canonical(row).encode("utf-8", "surrogatepass"))
        for blob in self._blobs.values():
            blob.flush()
            os.fsync(blob.fileno())
        self._journal.write(json.dumps({**row, "check": check}) + "\n")
        self._journal.flush()
        self._rows[id] = row

    def close(self, order: Sequence[str], extra: Any = None) -> None:
        """Assemble the file with the videos of ``order``, and remove the side files.

        Raises ValueError if a video of ``order`` was not added.
        """
        absent = [id for id in order if id not in self._rows]
        if absent:
            raise ValueError(f"{self.path}: not added: {', '.join(absent[:5])}")
        self.abandon()
        spans: list[tuple[int, int]] = []  # of the images
        with replacing(self.path, spans) as temporary, writing_hdf5(temporary) as file:
            file.attrs.update(
                format=FORMAT,
                version=VERSION,
                spec=canonical(self.spec),
                source=canonical(self.source),
                provenance=canonical(record()),
            )
            # A dataset, because an attribute may have at most 64 KiB.
            file.create_dataset("extra", data=canonical(extra), dtype=h5py.string_dtype())
            firsts = {
                m: _write_items(file.create_group(m), self._parts[m], self._rows, m)
                for m in self.modalities
            }
            _write_table(file.create_group("videos"), [self._rows[id] for id in order], firsts)
            file.attrs["check"] = check(file)
            images = (file[modality]["data"] for modality in self.modalities)
            spans += sorted((data.id.get_offset() or 0, data.nbytes) for data in images)
        # The journal first: it must never describe missing parts.
        for side in (self._journal_path, *self._parts.values()):
            side.unlink()

    def abandon(self) -> None:
        """Close the side files and keep them for a later attempt."""
        for blob in self._blobs.values():
            blob.close()
        self._journal.close()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.abandon()


def _is_whole(line: str) -> bool:
    """Return whether a line of the journal is as it was written; an older dsnet wrote no check."""
    try:
        row = json.loads(line)
        expected = row.pop("check", None)
        found = zlib.crc32(canonical(row).encode("utf-8", "surrogatepass"))
    except (ValueError, AttributeError):
        return False
    return line.endswith("\n") and expected in (None, found)


def _write_items(
    group: h5py.Group, part: Path, rows: Mapping[str, dict[str, Any]], modality: str
) -> dict[str, int]:
    """Copy a side file into ``data``, and return the first item of each video."""
    counts = [len(row["sizes"][modality]) for row in rows.values()]
    sizes = [size for row in rows.values() for size in row["sizes"][modality]]
    offsets = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64)
    if (size := part.stat().st_size) != offsets[-1]:
        raise StoreError(f"{part} has {size} bytes, its journal says {offsets[-1]}")
    group.create_dataset("offsets", data=offsets)
    data = group.create_dataset("data", shape=(int(offsets[-1]),), dtype=np.uint8)
    with open(part, "rb") as stream:
        position = 0
        while chunk := stream.read(1 << 24):
            data[position : position + len(chunk)] = np.frombuffer(chunk, np.uint8)
            position += len(chunk)
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
