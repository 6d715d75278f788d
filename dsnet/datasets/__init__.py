"""Data sets: from a folder of videos to a manifest with one row per video."""

from dsnet.datasets.catalogue import fingerprint
from dsnet.datasets.listing import DataSetError

__all__ = ["DataSetError", "fingerprint"]
