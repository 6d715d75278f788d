"""The flow algorithm that a spec names: TV-L1, or a user's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dsnet import registry
from dsnet.experiment.data import TVL1_NAME
from dsnet.experiment.specs import FlowSpec
from dsnet.flow.backends import compute, describe, resolve


@dataclass(frozen=True)
class Method:
    """An algorithm with its parameters: its name, where it runs, and the function."""

    name: str
    where: str
    run: Callable[[np.ndarray], np.ndarray]

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


class TVL1Flow:
    """TV-L1 by one of its backends; see :func:`dsnet.flow.compute`, also for errors."""

    def __init__(self, backend: str, semantics: str, **params: Any) -> None:
        self.name, self.params = resolve(backend, semantics), {"semantics": semantics, **params}
        self.where = describe(self.name, semantics)

    def __call__(self, gray: np.ndarray) -> np.ndarray:
        """Compute (T-1, H, W, 2) float32 flow of (T, H, W) uint8 frames."""
        return compute(gray, self.name, **self.params)


def of_spec(spec: FlowSpec, backend: str | None = None) -> Method:
    """Make the algorithm of a spec; ``backend`` replaces the spec's backend of TV-L1.

    Raises BackendError if the backend cannot run here, or not with these semantics; PluginError if
    a user's class cannot be made of its options.
    """
    name, options = spec.algorithm, spec.options
    if name == TVL1_NAME:
        options = {"backend": backend or spec.backend, "semantics": spec.semantics}
        options |= spec.tvl1.values()
    made = registry.make("flow", "FLOWS", name, **options)
    return Method(getattr(made, "name", name), getattr(made, "where", name), made)
