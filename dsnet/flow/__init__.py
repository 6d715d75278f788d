"""Optical flow: TV-L1 (Zach et al. 2007, Sánchez Pérez et al. 2013), and a user's algorithms."""

from dsnet.flow.algorithms import algorithm, of_spec
from dsnet.flow.backends import BACKENDS, BackendError, compute, describe, following, resolve
from dsnet.flow.params import SEMANTICS
from dsnet.flow.planes import decode, encode, to_bytes

# Raise when the same settings give other bytes; shards computed before are then made anew.
SPEC_VERSION = 2

__all__ = [
    "BACKENDS",
    "SEMANTICS",
    "SPEC_VERSION",
    "BackendError",
    "algorithm",
    "compute",
    "decode",
    "describe",
    "encode",
    "following",
    "of_spec",
    "resolve",
    "to_bytes",
]
