"""The HDF5 format of frames, flow and clips: written once, resumable, read by memory map.

A file has one group per modality (``rgb``, ``flow``) with

* ``data``: uint8 (bytes,), the encoded images one after another, contiguous and unfiltered;
* ``offsets``: int64 (items + 1,), start and end of each image in ``data``;

and a table ``videos`` with one row per video in the order of ``ids``: for every modality the first
item, the number of items, and a CRC-32 of its bytes. RGB has one item per frame, flow two per pair
of frames (plane x, then plane y). ``extra`` is any JSON. Attributes: ``format``, ``version``,
``spec``, ``source`` and ``provenance`` (JSON), and ``check``, a SHA-256 of everything except
``data``. It is compared whenever a file is opened, so the checksums of the table are reliable.

Contiguous and unfiltered bytes can be mapped: a reader needs no HDF5 lock and shares nothing with
other processes. Files appear under their name when they are complete.
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
