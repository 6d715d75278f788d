"""Data sets: from a folder of videos to a manifest with one row per video."""

from dsnet.datasets.catalogue import fingerprint
from dsnet.datasets.listing import DataSetError
from dsnet.datasets.manifest import (
    MISSING,
    BrokenVideosError,
    check_broken,
    make_manifest,
    read_manifest,
    write_manifest,
)

__all__ = [
    "MISSING",
    "BrokenVideosError",
    "DataSetError",
    "check_broken",
    "fingerprint",
    "make_manifest",
    "read_manifest",
    "write_manifest",
]
