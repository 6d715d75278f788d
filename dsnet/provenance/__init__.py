"""Provenance of artifacts, and files that appear only when they are complete."""

from dsnet.provenance.code import code_digest
from dsnet.provenance.files import alone, keep_input, remove_leftovers, replacing
from dsnet.provenance.records import PACKAGE, canonical, digest, file_digest, record
from dsnet.provenance.seals import check_seal, is_refusal, naming_damage, opened, seal_of

__all__ = [
    "PACKAGE",
    "alone",
    "canonical",
    "check_seal",
    "code_digest",
    "digest",
    "file_digest",
    "is_refusal",
    "keep_input",
    "naming_damage",
    "opened",
    "record",
    "remove_leftovers",
    "replacing",
    "seal_of",
]
