"""Provenance of artifacts, and files that appear only when they are complete."""

from dsnet.provenance.code import code_digest
from dsnet.provenance.files import alone, keep_input, remove_leftovers, replacing
from dsnet.provenance.records import PACKAGE, canonical, digest, file_digest, record

__all__ = [
    "PACKAGE",
    "alone",
    "canonical",
    "code_digest",
    "digest",
    "file_digest",
    "keep_input",
    "record",
    "remove_leftovers",
    "replacing",
]
