"""Backend ``numba``: TV-L1 on one CPU core, bit for bit as OpenCV's CPU code, but faster.

The iterations are in :mod:`dsnet.flow.kernels`. The other steps differ between the two versions of
OpenCV. ``semantics: cpu`` resizes, warps and filters with OpenCV itself, ``cuda`` with
:mod:`dsnet.flow.sampling`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import cv2
import numpy as np

from dsnet.flow import kernels, sampling
from dsnet.flow.params import TVL1
from dsnet.flow.threads import single_threaded


class Level(ABC):
    """One scale of the pyramid: the images of a pair, their flow, and reused arrays."""

    every_sweep: bool  # convergence is tested after every sweep

    def __init__(self, height: int, width: int, params: TVL1):
        self.height, self.width, self.params = height, width, params
        self.padded_u = [kernels.plane(height, width) for _ in range(2)]
        self.dual = [kernels.plane(height, width) for _ in range(4)]
        self.data = [kernels.plane(height, width) for _ in range(5)]
        self.u = [self.inside(plane) for plane in self.padded_u]
        self.gx, self.gy, self.square, self.rho, _ = (self.inside(plane) for plane in self.data)

    def inside(self, plane: np.ndarray) -> np.ndarray:
        """Return the image inside a padded plane."""
        return plane[: self.height, : self.width]

    @abstractmethod
    def resize(self, source: np.ndarray, scale: float | None = None) -> np.ndarray:
        """Resize (h, w) float32 to this level's size; ``scale``: the ratio, if not the sizes'."""

    @abstractmethod
    def set_target(self, image: np.ndarray) -> None:
        """Set the second image of the pair, (height, width) float32."""

    @abstractmethod
    def warp(self) -> None:
        """Sample I1 (into ``rho``) and its gradient at x + u."""

    @abstractmethod
    def iterate(self) -> int:
        """Iterate after a warp until convergence; return the number of sweeps."""

    def solve(self, image0: np.ndarray) -> int:
        """Refine ``u`` to the flow from ``image0`` to the target; return the number of sweeps."""
        for plane in self.dual:
            plane[:] = 0
        sweeps = 0
        for _ in range(self.params.warps):
            self.warp()
            kernels.linearise(image0, *self.padded_u, *self.data[:4])
            sweeps += self.iterate()
        return sweeps

    def sweep(self, iterations: int, bound: float) -> tuple[int, bool]:
        """Sweep up to ``iterations`` times; see :func:`dsnet.flow.kernels.iterate`."""
        tau, lambda_, theta = self.params.tau, self.params.lambda_, self.params.theta
        return kernels.iterate(
            iterations, self.every_sweep, bound, self.height, self.width,
            *self.padded_u, *self.dual, *self.data,
            np.float32(lambda_ * theta), np.float32(theta), np.float32(tau / theta),
        )  # fmt: skip

    @property
    def bound(self) -> float:
        """Σ|Δu|² at convergence."""
        return self.params.epsilon**2 * self.height * self.width


class CpuLevel(Level):
    """A level of ``cv2.optflow.DualTVL1OpticalFlow``."""

    every_sweep = True

    def __init__(self, height: int, width: int, params: TVL1):
        super().__init__(height, width, params)
        self.grid = np.mgrid[:height, :width].astype(np.float32)[::-1]
        self.at = np.empty((2, height, width), np.float32)
        self.gradient = np.empty((2, height, width), np.float32)
        self.target = np.empty(0, np.float32)

    def resize(self, source: np.ndarray, scale: float | None = None) -> np.ndarray:
        if scale is not None:
            return cv2.resize(source, None, fx=scale, fy=scale)
        return cv2.resize(source, (self.width, self.height))

    def set_target(self, image: np.ndarray) -> None:
        self.target = image
        kernels.gradient(image, *self.gradient)

    def warp(self) -> None:
        np.add(self.grid, self.u, out=self.at)
        images = (self.target, *self.gradient)
        for image, out in zip(images, (self.rho, self.gx, self.gy), strict=True):
            cv2.remap(image, self.at[0], self.at[1], cv2.INTER_CUBIC, dst=out)

    def iterate(self) -> int:
        sweeps = 0
        for _ in range(self.params.outer_iterations):
            if self.params.median_filtering > 1:
                for u in self.u:
                    cv2.medianBlur(u, self.params.median_filtering, dst=u)
            done, converged = self.sweep(
                self.params.inner_iterations, float(np.float32(self.bound))
            )
            sweeps += done
            if converged:
                break
        return sweeps


class CudaLevel(Level):
    """A level of ``cv2.cuda.OpticalFlowDual_TVL1``."""

    every_sweep = False

    def __init__(self, height: int, width: int, params: TVL1):
        super().__init__(height, width, params)
        self.texels = sampling.empty_texture(height, width)
        self.scratch = np.empty((4, width), np.float32)

    def resize(self, source: np.ndarray, scale: float | None = None) -> np.ndarray:
        height, width = source.shape
        steps = (1 / scale,) * 2 if scale else (height / self.height, width / self.width)
        out = np.empty((self.height, self.width), np.float32)
        sampling.resize(source, *steps, out)
        return out

    def set_target(self, image: np.ndarray) -> None:
        sampling.texture(image, self.texels)

    def warp(self) -> None:
        sampling.warp(self.texels, *self.padded_u, self.scratch, self.rho, self.gx, self.gy)

    def iterate(self) -> int:
        iterations = self.params.inner_iterations * self.params.outer_iterations
        return self.sweep(iterations, self.bound)[0]


LEVELS: dict[str, type[Level]] = {"cpu": CpuLevel, "cuda": CudaLevel}


def why_not() -> str | None:
    """Return ``None``: this backend runs on every CPU."""
    return None


def device() -> str:
    """Return where the backend runs."""
    return "cpu"


def compute(gray: np.ndarray, params: TVL1) -> np.ndarray:
    """Compute (T-1, H, W, 2) float32 of (T, H, W) uint8; see :func:`dsnet.flow.compute`."""
    return compute_counting(gray, params)[0]


def compute_counting(gray: np.ndarray, params: TVL1) -> tuple[np.ndarray, int]:
    """Return :func:`compute`, and the pixels of all sweeps together, for benchmarks."""
    make = LEVELS[params.semantics]
    levels = [make(*shape, params) for shape in params.shapes(*gray.shape[1:])]
    flow = np.empty((len(gray) - 1, *gray.shape[1:], 2), np.float32)
    work = 0
    with single_threaded(cv2.getNumThreads, cv2.setNumThreads):
        before = _pyramid(gray[0], levels)
        for field, frame in zip(flow, gray[1:], strict=True):
            # A frame's pyramid serves two pairs: it ends one pair and begins the next.
            after = _pyramid(frame, levels)
            work += _pair(levels, before, after)
            field[:] = np.stack(levels[0].u, axis=-1)
            before = after
    return flow, work


def _pyramid(gray: np.ndarray, levels: Sequence[Level]) -> list[np.ndarray]:
    images = [gray.astype(np.float32)]
    for level in levels[1:]:
        images.append(level.resize(images[-1], level.params.scale_step))
    return images


def _pair(
    levels: Sequence[Level], before: Sequence[np.ndarray], after: Sequence[np.ndarray]
) -> int:
    """Compute the flow from ``before`` to ``after``, coarse to fine, in ``levels[0].u``."""
    work = 0
    coarser: Level | None = None
    for level, image0, image1 in reversed(list(zip(levels, before, after, strict=True))):
        for i, u in enumerate(level.u):
            u[:] = 0 if coarser is None else level.resize(coarser.u[i])
            u *= np.float32(1 / level.params.scale_step)
        level.set_target(image1)
        work += level.solve(image0) * image0.size
        coarser = level
    return work
