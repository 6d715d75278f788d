"""Backend ``numba``: TV-L1 on one CPU core, bit for bit as OpenCV's CPU code, but faster.

The iterations are in :mod:`dsnet.flow.kernels`. The other steps differ between the two versions of
OpenCV. ``semantics: cpu`` resizes, warps and filters with OpenCV itself, ``cuda`` with
:mod:`dsnet.flow.sampling`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import pairwise

import cv2
import numpy as np

from dsnet.flow import kernels, sampling
from dsnet.flow.lanes import plane
from dsnet.flow.params import TVL1
from dsnet.flow.threads import single_threaded


class Level(ABC):
    """One scale of the pyramid: the images of a pair, their flow, and reused arrays."""

    iterate: Callable[..., tuple[int, bool]]  # a function of :mod:`dsnet.flow.kernels`

    def __init__(self, height: int, width: int, params: TVL1):
        self.height, self.width, self.params = height, width, params
        self.padded_u = [plane(height, width) for _ in range(2)]
        self.dual = [plane(height, width) for _ in range(4)]
        # x and y gradient of I1, |∇I1|² or its inverse, rho, |Δu|²
        self.data = [plane(height, width) for _ in range(5)]
        self.u = [self.inside(u) for u in self.padded_u]

    def inside(self, plane: np.ndarray) -> np.ndarray:
        """Return the image inside a padded plane."""
        return plane[: self.height, : self.width]

    def padded(self, image: np.ndarray) -> np.ndarray:
        """Return a padded plane with an image inside."""
        padded = plane(self.height, self.width)
        self.inside(padded)[:] = image
        return padded

    @abstractmethod
    def resize(self, source: np.ndarray, scale: float | None = None) -> np.ndarray:
        """Resize (h, w) float32 to this level's size; ``scale``: the ratio, if not the sizes'."""

    @abstractmethod
    def set_target(self, image: np.ndarray) -> None:
        """Set the second image of the pair, (height, width) float32."""

    @abstractmethod
    def linearise(self, image0: np.ndarray) -> None:
        """Compute ``data`` of a padded first image and of the target at x + u."""

    @abstractmethod
    def converge(self) -> int:
        """Iterate after a warp until convergence; return the number of sweeps."""

    def solve(self, image0: np.ndarray) -> int:
        """Refine ``u`` to the flow from ``image0`` to the target; return the number of sweeps."""
        for p in self.dual:
            p[:] = 0
        sweeps = 0
        for _ in range(self.params.warps):
            self.linearise(image0)
            sweeps += self.converge()
        return sweeps

    def sweep(self, iterations: int, bound: float) -> tuple[int, bool]:
        """Sweep up to ``iterations`` times; return how often, and if it has converged."""
        tau, lambda_, theta = self.params.tau, self.params.lambda_, self.params.theta
        return self.iterate(
            iterations, bound, self.height, self.width,
            *self.padded_u, *self.dual, *self.data,
            np.float32(lambda_ * theta), np.float32(theta), np.float32(tau / theta),
        )  # fmt: skip

    @property
    def bound(self) -> float:
        """Σ|Δu|² at convergence."""
        return self.params.epsilon**2 * self.height * self.width


class CpuLevel(Level):
    """A level of ``cv2.optflow.DualTVL1OpticalFlow``."""

    iterate = staticmethod(kernels.iterate_exactly)

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

    def linearise(self, image0: np.ndarray) -> None:
        np.add(self.grid, self.u, out=self.at)
        gx, gy, square, rho, _ = self.data
        for image, out in zip((self.target, *self.gradient), (rho, gx, gy), strict=True):
            cv2.remap(image, self.at[0], self.at[1], cv2.INTER_CUBIC, dst=self.inside(out))
        kernels.linearise(self.height, self.width, image0, *self.padded_u, gx, gy, square, rho)

    def converge(self) -> int:
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

    iterate = staticmethod(kernels.iterate_fast)

    def __init__(self, height: int, width: int, params: TVL1):
        super().__init__(height, width, params)
        self.texels = sampling.empty_texture(height, width)
        self.scratch = sampling.scratch(width)

    def resize(self, source: np.ndarray, scale: float | None = None) -> np.ndarray:
        height, width = source.shape
        steps = (1 / scale,) * 2 if scale else (height / self.height, width / self.width)
        out = np.empty((self.height, self.width), np.float32)
        sampling.resize(source, *steps, out)
        return out

    def set_target(self, image: np.ndarray) -> None:
        sampling.texture(image, self.texels)

    def linearise(self, image0: np.ndarray) -> None:
        sampling.warp(
            self.height, self.width, self.texels, image0, *self.padded_u, *self.data[:4],
            *self.scratch,
        )  # fmt: skip

    def converge(self) -> int:
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
    """Return the padded images of all levels, the frame first."""
    images = [levels[0].padded(gray)]
    for larger, level in pairwise(levels):
        larger_image = larger.inside(images[-1])
        images.append(level.padded(level.resize(larger_image, level.params.scale_step)))
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
        level.set_target(level.inside(image1))
        work += level.solve(image0) * level.height * level.width
        coarser = level
    return work
