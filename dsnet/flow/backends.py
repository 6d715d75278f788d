"""Backends of TV-L1 by name, the choice of one, and the function that computes flow."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from dsnet.errors import UserError
from dsnet.experiment.data import FOLLOWED, following
from dsnet.flow.params import TVL1
from dsnet.flow.sizes import check

log = logging.getLogger(__name__)
PAIRS = 64  # of frames that a backend is given at once; this bounds the memory for a long video


@dataclass(frozen=True)
class Backend:
    """A module of :mod:`dsnet.flow`, and when it may be chosen.

    The module is imported on first use. It has ``why_not()``, the reason why it cannot run here, or
    ``None``; ``device()``, where it runs; and ``compute(gray, params)``. It may have
    ``quantised(videos, bound, rounding, params)``, 8-bit flow of several videos at once, and
    ``bind()``, a function that gives another thread the current GPU of this one.
    """

    module: str
    auto: bool = True  # `auto` may choose it
    needs_gpu: bool = False  # `auto` chooses it only with a GPU
    cores: float = math.inf  # with as many CPU cores `auto` prefers numba
    pairs: int = PAIRS  # of frames that it is given at once
    threads: float = 0  # that may use it at once, beside the one that decodes and encodes

    def load(self) -> ModuleType:
        """Import the module."""
        return import_module(f"dsnet.flow.{self.module}")


# In the order in which `auto` tries them. The numbers of cores follow from estimates: 150 pairs per
# second by opencv-cuda and 110 by torch on an H100, and 25 by numba on a core.
BACKENDS = {
    "cuda": Backend("cuda", pairs=256, threads=1),
    "opencv-cuda": Backend("opencv_cuda", cores=6, threads=1),
    "torch": Backend("torch", needs_gpu=True, cores=5, threads=1),
    "numba": Backend("numba", threads=math.inf),
    "opencv": Backend("opencv", auto=False),
}


class BackendError(UserError):
    """A backend that cannot run; the message says what is missing."""


def resolve(backend: str = "auto", semantics: str | None = None, cores: int = 1) -> str:
    """Return the name of the backend to use here; the log says why not another.

    ``auto`` is the first that can run and has these ``semantics``: cuda, opencv-cuda, torch on a
    GPU, numba; but numba before opencv-cuda and torch if there are enough ``cores`` for it to be
    faster. ``semantics`` is ``cpu``, ``cuda``, or ``None`` for either.

    Raises:
        BackendError: the named backend cannot run here, or not with these semantics; the message
            says why.
        ValueError: unknown name.
    """
    if backend != "auto" and backend not in BACKENDS:
        raise ValueError(f"no flow backend {backend!r}; there are auto, {', '.join(BACKENDS)}")
    candidates = [n for n, b in BACKENDS.items() if b.auto] if backend == "auto" else [backend]
    if backend == "auto":  # numba before those that are slower than it on so many cores
        candidates.sort(key=lambda name: cores >= BACKENDS[name].cores)
    reasons: dict[str, str] = {}
    for name in candidates:
        reason = _why_not(name, semantics, chosen=backend != "auto")
        if reason is None:
            reasons |= {
                other: f"{name} is faster on {cores} cores"
                for other in candidates[candidates.index(name) + 1 :]
                if cores >= BACKENDS[other].cores
            }
            for other, why in reasons.items():
                log.info("not %s: %s", other, why)
            return name
        reasons[name] = reason
    raise BackendError(
        f"flow backend {backend} cannot run here: "
        + "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    )


def _why_not(name: str, semantics: str | None, *, chosen: bool) -> str | None:
    entry = BACKENDS[name]
    if semantics is not None and semantics not in FOLLOWED[name]:
        return (
            f"it follows the semantics {' and '.join(FOLLOWED[name])}, not {semantics}; "
            f"set flow.semantics to that, or the backend to {' or '.join(following(semantics))}"
        )
    try:
        module = entry.load()
    except (ImportError, OSError, AttributeError) as error:  # the package or a library is missing
        return f"{error}; install it"
    except RuntimeError as error:  # numba finds no folder for compiled code
        return f"{error}; set NUMBA_CACHE_DIR to a folder that can be written to"
    reason = module.why_not()
    if reason is None and entry.needs_gpu and not chosen and module.device() == "cpu":
        return "no GPU"
    return reason


def describe(backend: str, semantics: str) -> str:
    """Describe a backend for logs: its name, where it runs and its semantics."""
    return f"{backend} on {BACKENDS[backend].load().device()}, semantics {semantics}"


def compute(gray: np.ndarray, backend: str = "auto", **params: Any) -> np.ndarray:
    """Compute TV-L1 optical flow between consecutive frames.

    Args:
        gray: (T, H, W) uint8 frames, T at least 2, H and W at least 3.
        backend: ``auto`` or a name of :data:`BACKENDS`.
        params: fields of :class:`dsnet.flow.params.TVL1`. The default of ``semantics`` is ``cuda``
            for ``auto``, as in the pipeline. For a named backend it is ``cpu`` if possible.

    Returns:
        (T-1, H, W, 2) float32, displacement in pixels (x to the right, y down) from frame i to
        frame i+1.

    Raises:
        BackendError: the backend cannot run here, or not with these semantics.
        ValueError: wrong shape or dtype, unknown backend, or a parameter out of range.
        TypeError: an unknown parameter.
    """
    check(gray)
    semantics = params.pop("semantics", "cuda" if backend == "auto" else None)
    name = resolve(backend, semantics)
    settings = TVL1(**params, semantics=semantics or FOLLOWED[name][0])
    return BACKENDS[name].load().compute(np.ascontiguousarray(gray), settings)
