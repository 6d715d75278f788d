"""TV-L1 optical flow (Zach et al. 2007, Sánchez Pérez et al. 2013) behind one function."""

from dsnet.flow.backends import (
    BACKENDS,
    BackendError,
    compute,
    describe,
    following,
    resolve,
)
from dsnet.flow.params import SEMANTICS
from dsnet.flow.planes import decode, encode, from_bytes, to_bytes

# Raise when the same settings give other bytes; shards computed before are then made anew.
SPEC_VERSION = 2

__all__ = [
    "BACKENDS",
    "SEMANTICS",
    "SPEC_VERSION",
    "BackendError",
    "compute",
    "decode",
    "describe",
    "encode",
    "following",
    "from_bytes",
    "resolve",
    "to_bytes",
]
