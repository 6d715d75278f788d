"""Optical flow: TV-L1 (Zach et al. 2007, Sánchez Pérez et al. 2013), and a user's algorithms."""

from dsnet.flow.algorithms import of_spec
from dsnet.flow.backends import BACKENDS, BackendError, compute, describe, resolve
from dsnet.flow.params import SEMANTICS
from dsnet.flow.planes import decode, encode, to_bytes

__all__ = [
    "BACKENDS",
    "SEMANTICS",
    "BackendError",
    "compute",
    "decode",
    "describe",
    "encode",
    "of_spec",
    "resolve",
    "to_bytes",
]
