"""The backends of TV-L1 by name, how one is chosen, and the one function that computes flow."""

from __future__ import annotations

import logging
from types import ModuleType
from typing import Any

import numpy as np

from dsnet.errors import UserError
from dsnet.flow import opencv, opencv_cuda
from dsnet.flow.params import TVL1

log = logging.getLogger(__name__)
# In the order in which `auto` tries them.
BACKENDS: dict[str, ModuleType] = {"opencv-cuda": opencv_cuda, "opencv": opencv}


class BackendError(UserError):
    """A backend that was asked for and cannot run; the message says what is missing."""


def resolve(backend: str = "auto") -> str:
    """The name of the backend that ``backend`` stands for here.

    ``auto`` is the first of :data:`BACKENDS` that can run.

    Raises:
        BackendError: the backend named cannot run here, or none can; says what is missing.
        ValueError: no backend has this name.
    """
    if backend != "auto" and backend not in BACKENDS:
        raise ValueError(f"no flow backend {backend!r}; there are auto, {', '.join(BACKENDS)}")
    reasons = {}
    for name in BACKENDS if backend == "auto" else [backend]:
        reason = BACKENDS[name].why_not()
        if reason is None:
            log.debug("flow backend %s: %s", backend, name)
            return name
        reasons[name] = reason
    raise BackendError(
        f"flow backend {backend} cannot run here: "
        + "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    )


def describe(backend: str) -> str:
    """A backend and where it runs, for logs."""
    return f"{backend} on {BACKENDS[backend].device()}"


def compute(gray: np.ndarray, backend: str = "auto", **params: Any) -> np.ndarray:
    """TV-L1 optical flow between consecutive frames.

    Args:
        gray: (T, H, W) uint8 frames, T at least 2.
        backend: ``auto`` or a name of :data:`BACKENDS`.
        params: fields of :class:`dsnet.flow.params.TVL1`.

    Returns:
        (T-1, H, W, 2) float32, displacement in pixels (x to the right, y down) that takes frame i
        to frame i+1.

    Raises:
        BackendError: the backend cannot run here.
        ValueError: ``gray`` is not such an array, or the backend's name is unknown.
        TypeError: an unknown parameter.
    """
    if gray.ndim != 3 or gray.dtype != np.uint8 or len(gray) < 2:
        raise ValueError(f"expected (T >= 2, H, W) uint8 frames, got {gray.shape} {gray.dtype}")
    return BACKENDS[resolve(backend)].compute(np.ascontiguousarray(gray), TVL1(**params))
