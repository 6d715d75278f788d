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

from dsnet.store.layout import VERSION, DamagedError, StoreError, Video
from dsnet.store.reader import Reader
from dsnet.store.writer import Writer

__all__ = [
    "VERSION",
    "DamagedError",
    "Reader",
    "StoreError",
    "Video",
    "Writer",
]
