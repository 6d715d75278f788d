"""Reading of a file through a memory map."""

from __future__ import annotations

import errno
import json
import logging
import os
import time
import zlib
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from tqdm import tqdm

from dsnet.disk import PathLike, reading_hdf5
from dsnet.hdf5 import check_plain
from dsnet.images import ITEMS_PER_FRAME
from dsnet.provenance import check_seal, digest, naming_damage
from dsnet.store.layout import (
    FORMAT,
    VERSION,
    DamagedError,
    StoreError,
    Video,
    check,
    check_images,
    check_tables,
)

log = logging.getLogger(__name__)


class Reader:
    """A file of the format, read through a memory map; each process opens it on first use.

    Attributes: ``videos`` (dict of id to :class:`Video`, in the table's order), ``spec``,
    ``source``, ``extra``, ``provenance``.

    Raises:
        StoreError: a file of another format or version.
        DamagedError: not a complete file of the format; only :meth:`verify` checks the images.
        UserError: another program has locked the file.
        OSError: no such file, or the system refuses it.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = Path(path)
        self._maps: dict[str, np.ndarray] = {}
        self._offsets: dict[str, np.ndarray] = {}
        self._begins: dict[str, int] = {}
        if not self.path.exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.path))
        # First, because HDF5 may never return from a damaged file.
        check_seal(self.path, error=DamagedError)
        with (
            naming_damage(self.path, f"{FORMAT} file", DamagedError),
            reading_hdf5(self.path) as file,
        ):
            self._read(file)

    def _read(self, file: h5py.File) -> None:
        found = (file.attrs.get("format"), file.attrs.get("version"))
        if found != (FORMAT, VERSION) and found[0] is not None:
            raise StoreError(
                f"{self.path}: expected format {FORMAT} version {VERSION}, found {found[0]} "
                f"version {found[1]}; delete it and run again"
            )
        check_plain(file, self.path.stat().st_size)
        if file.attrs["check"] != check(file):
            raise ValueError("its tables are not those that were written")
        check_tables(file)
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
        """Digest of the content: spec, order of the videos and the CRC-32 of their bytes."""
        rows = [(video.id, video.items, video.crc, video.reason) for video in self.videos.values()]
        return digest([self.spec, rows])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_maps": {}}  # each process opens its own maps

    def _bytes(self, modality: str, first: int, last: int) -> np.ndarray:
        if modality not in self._maps:
            size = int(self._offsets[modality][-1])
            begin = self._begins[modality]
            mapped = np.memmap(self.path, np.uint8, "r", begin, (size,))
            self._maps[modality] = np.asarray(mapped)  # whose slices cost a tenth
        offsets = self._offsets[modality]
        return self._maps[modality][int(offsets[first]) : int(offsets[last])]

    def item(self, id: str, modality: str, index: int) -> np.ndarray:
        """Return the encoded bytes of one item of a video, uint8 (n,), a view into the map."""
        video = self.videos[id]
        if not 0 <= index < video.items[modality]:
            raise IndexError(f"{self.path}: {id} has {video.items[modality]} {modality} items")
        first = video.start[modality] + index
        return self._bytes(modality, first, first + 1)

    def items(self, id: str, modality: str, verify: bool = False) -> list[bytes]:
        """Return all encoded images of a video, in order.

        Raises:
            DamagedError: ``verify`` is set, and the bytes have another CRC-32 than in the table.
        """
        if verify:
            self._verify(id, modality)
        block = self._block(id, modality).tobytes()
        return [block[a:b] for a, b in pairwise(self._ends(id, modality))]

    def views(self, id: str, modality: str) -> list[memoryview]:
        """Return what :meth:`items` does, verified, as views into the map: they take no memory."""
        self._verify(id, modality)
        return [self.item(id, modality, i).data for i in range(self.videos[id].items[modality])]

    def verify(self, ids: Iterable[str], modalities: Sequence[str]) -> None:
        """Check all bytes of some videos; raise DamagedError for the first damaged video."""
        started, size = time.monotonic(), 0
        # The bar appears if this takes longer than some seconds.
        with tqdm(desc="checking", unit="B", unit_scale=True, disable=None, delay=5) as bar:
            for id in ids:
                for modality in modalities:
                    size += self._verify(id, modality)
                bar.update(size - bar.n)
        seconds = time.monotonic() - started
        log.info("%s: %.3g GB have their checksums (%.1f s)", self.path, size / 1e9, seconds)

    def _verify(self, id: str, modality: str) -> int:
        """Check the bytes of a video and the sizes of its images, and return their number."""
        try:
            block = self._block(id, modality)
            if zlib.crc32(block.data) != self.videos[id].crc[modality]:
                raise ValueError("CRC-32 differs")
            check_images(block, self._ends(id, modality))
        except ValueError as error:  # also if the file ends before
            raise DamagedError(
                self.path, f"{self.path}: the {modality} bytes of {id} are damaged ({error})"
            ) from error
        return len(block)

    def _ends(self, id: str, modality: str) -> np.ndarray:
        """Return where the images of a video begin in its bytes, and the end: (items + 1,)."""
        first, count = self.videos[id].start[modality], self.videos[id].items[modality]
        offsets = self._offsets[modality][first : first + count + 1]
        return offsets - offsets[0]

    def _block(self, id: str, modality: str) -> np.ndarray:
        """Return all bytes of a video, uint8 (n,), a view into the map."""
        first = self.videos[id].start[modality]
        return self._bytes(modality, first, first + self.videos[id].items[modality])
