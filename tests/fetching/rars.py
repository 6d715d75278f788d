"""Small rar archives without compression, byte by byte, since no free program writes them.

After the technical notes that come with RAR 4.20 (RAR 4) and those of RAR 5.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

STORED, NORMAL = 0x30, 0x33
FILE, LINK, FOLDER = 0o100644, 0o120777, 0o040755
LOCKED = 0x04


@dataclass(frozen=True)
class Entry:
    """A member; ``size`` and ``crc`` are what its header says, by default the truth."""

    name: str
    data: bytes = b""
    mode: int = FILE
    method: int = STORED
    flags: int = 0
    size: int | None = None
    crc: int | None = None

    @property
    def announced(self) -> tuple[int, int]:
        size = len(self.data) if self.size is None else self.size
        return size, zlib.crc32(self.data) if self.crc is None else self.crc


def write_rar(path: Path, entries: Iterable[Entry], solid: bool = False) -> Path:
    """A RAR 4 archive, as made on Unix."""
    blocks = [b"Rar!\x1a\x07\x00", _block(0x73, 0x08 if solid else 0, bytes(6))]
    for entry in entries:
        name = entry.name.encode()
        size, crc = entry.announced
        folder = 0xE0 if entry.mode == FOLDER else 0
        header = struct.pack("<IIBIIBBHI", len(entry.data), size, 3, crc, 0x4B5E6000, 29,
                             entry.method, len(name), entry.mode)  # fmt: skip
        blocks += [_block(0x74, 0x8000 | folder | entry.flags, header + name), entry.data]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join([*blocks, _block(0x7B, 0x4000, b"")]))
    return path


def _block(kind: int, flags: int, rest: bytes) -> bytes:
    header = struct.pack("<BHH", kind, flags, 7 + len(rest)) + rest
    return struct.pack("<H", zlib.crc32(header) & 0xFFFF) + header


def write_rar5(path: Path, entries: Iterable[Entry], hard_links: dict[str, str]) -> Path:
    """A RAR 5 archive of files, and of hard links by their names, to what they point to."""
    blocks = [b"Rar!\x1a\x07\x01\x00", _block5(1, 0, _vint(0))]
    files = [(entry.name, entry.data, b"") for entry in entries]
    for name, target in hard_links.items():
        redirection = _vint(5) + _vint(4) + _vint(0) + _vint(len(target)) + target.encode()
        files.append((name, b"", _vint(len(redirection)) + redirection))
    for name, data, extra in files:
        fields = [
            *([_vint(len(extra))] if extra else []),
            _vint(len(data)),
            _vint(0x04),  # a CRC-32 follows
            _vint(len(data)),
            _vint(FILE),
            struct.pack("<I", zlib.crc32(data)),
            _vint(0),  # stored
            _vint(1),  # on Unix
            _vint(len(name.encode())),
            name.encode(),
            extra,
        ]
        blocks += [_block5(2, 0x02 | bool(extra), b"".join(fields)), data]
    path.write_bytes(b"".join([*blocks, _block5(5, 0, _vint(0))]))
    return path


def _block5(kind: int, flags: int, rest: bytes) -> bytes:
    body = _vint(kind) + _vint(flags) + rest
    sized = _vint(len(body)) + body
    return struct.pack("<I", zlib.crc32(sized)) + sized


def _vint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the highest bit says that more follow."""
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])
