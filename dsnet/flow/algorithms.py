"""The flow algorithm that a spec names: one of dsnet's, or a user's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from dsnet import registry
from dsnet.experiment.data import IMPORTED, TVL1_NAME
from dsnet.experiment.specs import FlowSpec
from dsnet.flow.backends import BACKENDS, PAIRS, BackendError, compute, describe, resolve
from dsnet.flow.params import TVL1
from dsnet.flow.paths import along
from dsnet.flow.planes import Rounding, encode

# 8-bit flow of videos, see :meth:`Method.planes`.
Quantise = Callable[[Sequence[np.ndarray], float, Rounding], list[np.ndarray]]


@dataclass(frozen=True)
class Method:
    """An algorithm with its parameters.

    Attributes:
        name, where: its name, and where it runs.
        run: the function that computes the flow of frames.
        quantise: computes 8-bit flow of several videos at once, see :meth:`planes`, if it can.
        pairs: of frames to give it at once; this bounds the memory.
        threads: number of other threads that may use it at once; 0: only the one that asks for it.
        bind: prepares another thread for it.
    """

    name: str
    where: str
    run: Callable[[np.ndarray], np.ndarray]
    quantise: Quantise | None = None
    pairs: int = PAIRS
    threads: float = 0
    bind: Callable[[], object] | None = None

    def __call__(self, gray: np.ndarray) -> np.ndarray:
        """Compute flow in pixels, (T-1, H, W, 2) float32, x and y, of frames, (T, H, W) uint8.

        Raises PluginError if a user's algorithm gives anything else.
        """
        flow = np.asarray(self.run(gray), np.float32)
        expected = (len(gray) - 1, *gray.shape[1:], 2)
        if flow.shape != expected or not np.isfinite(flow).all():
            raise registry.PluginError(
                f"flow: {self.name} gave {flow.shape}; expected {expected}, finite numbers"
            )
        return flow

    def planes(
        self, videos: Sequence[np.ndarray], bound: float, rounding: Rounding, stride: int = 1
    ) -> list[np.ndarray]:
        """Compute 8-bit flow, (T-S, H, W, 2) uint8, x and y, of each video, (T, H, W) uint8.

        It is that over ``stride`` frames, S. For ``bound`` and ``rounding`` see
        :func:`dsnet.flow.encode`.
        """
        if self.quantise is not None and stride == 1:
            return self.quantise(videos, bound, rounding)
        return [encode(along(self(gray), stride), bound, rounding) for gray in videos]


class TVL1Flow:
    """TV-L1 by one of its backends; see :func:`dsnet.flow.compute`, also for errors.

    ``cores`` is the number of CPU cores to compute on; see :func:`dsnet.flow.resolve`.
    """

    def __init__(self, backend: str, semantics: str, cores: int = 1, **params: Any) -> None:
        self.name = resolve(backend, semantics, cores)
        self.params = {"semantics": semantics, **params}
        self.where = describe(self.name, semantics)

    def __call__(self, gray: np.ndarray) -> np.ndarray:
        """Compute (T-1, H, W, 2) float32 flow of (T, H, W) uint8 frames."""
        return compute(gray, self.name, **self.params)

    def method(self) -> Method:
        """Return it with what its backend can do."""
        backend = BACKENDS[self.name]
        module = backend.load()
        quantised, bind = (getattr(module, name, None) for name in ("quantised", "bind"))
        return Method(
            self.name,
            self.where,
            self,
            quantised and partial(quantised, params=TVL1(**self.params)),
            backend.pairs,
            backend.threads,
            bind and bind(),
        )


def of_spec(spec: FlowSpec, backend: str | None = None, cores: int = 1) -> Method:
    """Make the algorithm of a spec; ``backend`` replaces the spec's backend of TV-L1.

    ``cores`` is the number of CPU cores to compute on. Raises BackendError if the backend cannot
    run here, or not with these semantics, or RAFT's weights are others, or the flow was imported;
    PretrainedError if there are no weights; PluginError if a user's class cannot be made of its
    options.
    """
    name, options = spec.algorithm, spec.options
    if name == IMPORTED:
        raise BackendError(
            "flow: it was imported, so nothing is known that computes the same; use an RGB stream, "
            "or train the flow stream on computed flow (flow.algorithm: tvl1)"
        )
    own = name in registry.FLOWS
    if own:
        options = getattr(spec, name).values()
    if name == "raft":
        options |= {"digest": spec.weights}
    if name == TVL1_NAME:
        options |= {"backend": backend or spec.backend, "semantics": spec.semantics, "cores": cores}
    made = registry.make("flow", "FLOWS", name, **options)
    if isinstance(made, TVL1Flow):
        return made.method()
    threads = made.threads if own else 0
    where = getattr(made, "where", name)
    return Method(getattr(made, "name", name), where, made, threads=threads)
