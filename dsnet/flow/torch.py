"""Backend ``torch``: TV-L1 in PyTorch, many pairs at once, on any GPU that PyTorch knows.

Algorithm and names are as in :mod:`dsnet.flow.numba`, with pairs along the batch dimension. Sums
are rounded in another order, so some digits differ. ``semantics: cpu`` rounds positions, so some
flow differs by hundredths of a pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dsnet.flow.params import TVL1
from dsnet.flow.sweeps import CpuSweeps, CudaSweeps, Sweeps
from dsnet.flow.threads import single_threaded

PAD = 4  # texels around a texture: a window outside the image sees only these
# Largest memory of a pair, per pixel: 250 measured with the filter, 160 without, and a margin for
# what an allocator cannot use.
BYTES_PER_PIXEL = 320
# Memory for a chunk of pairs. Until a GPU is full, more pairs at once cost little more. On a CPU,
# twenty small pairs make up for the cost of starting an operation.
GPU_MEMORY, CPU_MEMORY = 2 * 2**30, 32 * 2**20


class Level:
    """One scale of the pyramid; (N, H, W) float32 images, (N, 2, H, W) float32 flow."""

    sweeps: type[Sweeps]
    centre: float  # of the first pixel, in resizing
    sharpness: float  # parameter A of the cubic convolution
    border: str  # padding around the images

    def __init__(self, height: int, width: int, params: TVL1, device: str):
        self.height, self.width, self.params = height, width, params
        axes = torch.arange(width, device=device), torch.arange(height, device=device)
        self.grid = torch.stack(torch.meshgrid(*axes, indexing="xy")).float()
        # Beyond these positions, a window sees only the padding.
        self.first, self.last = self.grid[:, :1, :1] + (1 - PAD), self.grid[:, -1:, -1:] + (PAD - 2)

    def place(self, at: Tensor) -> Tensor:
        """Return the positions to sample instead of ``at``; may overwrite ``at``."""
        return at

    def resize(self, source: Tensor, scale: float | None = None) -> Tensor:
        """Resize (..., h, w) to this level's size; ``scale``: the ratio, if not the sizes'."""
        for dim, size in ((-1, self.width), (-2, self.height)):
            length = source.shape[dim]
            step = 1 / scale if scale else length / size
            at = (np.arange(size) + self.centre) * step - self.centre
            at = at.astype(np.float32).clip(0, length - 1)
            before = at.astype(np.int64)
            weight = torch.from_numpy(at - before.astype(np.float32)).to(source.device)
            weight = weight if dim == -1 else weight[:, None]
            left, right = (
                source.index_select(dim, torch.from_numpy(index).to(source.device))
                for index in (before, np.minimum(before + 1, length - 1))
            )
            source = left * (1 - weight) + right * weight
        return source

    def texture(self, image: Tensor) -> Tensor:
        """Return images with their central differences, halved: (N, 3, H + 2·PAD, W + 2·PAD)."""
        around = functional.pad(image[:, None], (1, 1, 1, 1), mode="replicate")
        gx = 0.5 * (around[..., 1:-1, 2:] - around[..., 1:-1, :-2])
        gy = 0.5 * (around[..., 2:, 1:-1] - around[..., :-2, 1:-1])
        channels = torch.cat([image[:, None], gx, gy], dim=1)
        return functional.pad(channels, (PAD, PAD, PAD, PAD), mode=self.border)

    def warp(self, texture: Tensor, u: Tensor) -> Tensor:
        """Compute image and gradient at x + u, (N, 3, H, W)."""
        at = self.place(self.grid + u)
        at = torch.minimum(torch.maximum(at, self.first), self.last)
        corner = at.floor()
        weights = cubic(at.sub_(corner), self.sharpness)
        corner = corner.long().add_(PAD - 1)
        stride = texture.shape[-1]
        start = (corner[:, 1] * stride).add_(corner[:, 0]).flatten(1)[:, None].expand(-1, 3, -1)
        texels = texture.flatten(2)
        warped = torch.zeros_like(texture[..., : self.height, : self.width])
        for row in range(4):
            for column in range(4):
                tap = texels.gather(2, start + (row * stride + column)).view_as(warped)
                warped.add_(tap.mul_(weights[row][:, 1:] * weights[column][:, :1]))
        return warped

    def solve(self, image0: Tensor, image1: Tensor, u: Tensor) -> None:
        """Refine ``u`` in place to the flow from ``image0`` to ``image1``."""
        p = u.new_zeros((len(u), 2, *u.shape[1:]))
        texture = self.texture(image1)
        for _ in range(self.params.warps):
            self.sweeps(self.params, u, p, self.warp(texture, u), image0).run()


class CpuLevel(Level):
    """A level of ``cv2.optflow.DualTVL1OpticalFlow``."""

    sweeps = CpuSweeps
    centre, sharpness, border = 0.5, -0.75, "constant"

    def place(self, at: Tensor) -> Tensor:
        return at.mul_(32).round_().div_(32)


class CudaLevel(Level):
    """A level of ``cv2.cuda.OpticalFlowDual_TVL1``."""

    sweeps = CudaSweeps
    centre, sharpness, border = 0.0, -0.5, "replicate"


LEVELS: dict[str, type[Level]] = {"cpu": CpuLevel, "cuda": CudaLevel}


def cubic(t: Tensor, a: float) -> list[Tensor]:
    """Return Keys's cubic convolution weights of four pixels; t: distance from the second."""
    r, s = t + 1, 1 - t
    first = ((a * r - 5 * a) * r + 8 * a) * r - 4 * a
    second = ((a + 2) * t - (a + 3)) * t * t + 1
    third = ((a + 2) * s - (a + 3)) * s * s + 1
    return [first, second, third, 1 - first - second - third]


def why_not() -> str | None:
    """Return why this backend cannot run here, or ``None``.

    The GPU is tried: it may be too old for this PyTorch, full, or lack some operation.
    """
    try:
        if device() != "cpu":
            compute(np.zeros((2, 16, 16), np.uint8), TVL1(nscales=1, warps=1))
    except (RuntimeError, NotImplementedError) as error:
        return f"PyTorch sees a GPU that it cannot use ({str(error).splitlines()[0]})"
    return None


def device() -> str:
    """Return where the backend runs: a GPU of any make if PyTorch finds one, else the CPU."""
    if torch.cuda.is_available():  # also for ROCm
        return f"cuda:{torch.cuda.current_device()}"
    if torch.accelerator.is_available():
        return str(torch.accelerator.current_accelerator())
    return "cpu"


def bind() -> Callable[[], None]:
    """Return a function that makes this thread's current GPU that of another thread."""
    if not torch.cuda.is_available():
        return lambda: None
    return partial(torch.cuda.set_device, torch.cuda.current_device())


def compute(gray: np.ndarray, params: TVL1) -> np.ndarray:
    """Compute (T-1, H, W, 2) float32 of (T, H, W) uint8; see :func:`dsnet.flow.compute`."""
    where = device()
    memory = CPU_MEMORY if where == "cpu" else GPU_MEMORY
    chunk = max(1, memory // (BYTES_PER_PIXEL * gray[0].size))
    shapes = params.shapes(*gray.shape[1:])
    flow = np.empty((len(gray) - 1, *gray.shape[1:], 2), np.float32)
    one_thread = single_threaded(torch.get_num_threads, torch.set_num_threads)
    with torch.inference_mode(), one_thread:
        levels = [LEVELS[params.semantics](*shape, params, where) for shape in shapes]
        for start in range(0, len(flow), chunk):
            frames = torch.tensor(gray[start : start + chunk + 1], device=where)
            u = _pairs(levels, frames)
            flow[start : start + chunk] = u.permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return flow


def _pairs(levels: list[Level], frames: Tensor) -> Tensor:
    """Compute (N, 2, H, W) float32 flow between N + 1 consecutive frames, coarse to fine."""
    images = [frames.float()]
    for level in levels[1:]:
        images.append(level.resize(images[-1], level.params.scale_step))
    shape = (len(frames) - 1, 2, levels[-1].height, levels[-1].width)
    u = torch.zeros(shape, device=frames.device)
    for level in reversed(levels):
        if level is not levels[-1]:
            u = level.resize(u).mul_(1 / level.params.scale_step)
        image = images.pop()
        level.solve(image[:-1], image[1:], u)
    return u
