"""Backend ``cuda``: TV-L1 in kernels of our own, for NVIDIA's GPUs.

``tvl1.cu`` has the kernels. They are compiled for the GPU that is there, by NVRTC, and kept on
disk. A level that fits into a block or a cluster of blocks takes one launch for all pairs; a larger
one is divided into tiles. Algorithm and names are as in :mod:`dsnet.flow.numba`, ``semantics:
cuda``. As in OpenCV's kernels, quotients and roots are not correctly rounded.
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dsnet.flow.nvidia import TILE, Kernels, RefusedError, divide, gpu
from dsnet.flow.params import TVL1
from dsnet.flow.planes import Rounding
from dsnet.flow.torch import PAD, CudaLevel, bind

__all__ = ["bind", "compute", "compute_counting", "device", "quantised", "why_not"]
log = logging.getLogger(__name__)
OLDEST = (7, 5)  # compute capability
MEMORY = 2 * 2**30  # bytes for the pairs that are computed together
BYTES_PER_PIXEL = 160  # of a pair, with tiles; a level in one piece takes half
LAUNCHES = 8  # of tiles before the host asks whether all pairs have converged
DONE_SWEEPS, DONE, SIDE, CONTROL = 0, 3, 4, 5  # as in tvl1.cu


def solve(level: CudaLevel, images: Tensor, first: Tensor, u: Tensor, kernels: Kernels) -> Tensor:
    """Refine the flow of pairs at one level.

    Args:
        level: the level.
        images: (T, H, W) float32 frames at this level.
        first: (N,) int32, the index of each pair's first frame; the next frame is its second.
        u: (N, 2, H, W) float32, refined in place.
        kernels: where to run.

    Returns:
        (N,) int32, the number of iterations of each pair.
    """
    params, height, width = level.params, level.height, level.width
    texels = level.texture(images)[..., PAD:-PAD, PAD:-PAD]
    texels = (
        torch.cat([texels, torch.zeros_like(texels[:, :1])], 1).permute(0, 2, 3, 1).contiguous()
    )
    limit = params.inner_iterations * params.outer_iterations
    numbers = (
        ctypes.c_int(limit),
        ctypes.c_double(params.epsilon**2 * height * width),
        *map(ctypes.c_float, (params.lambda_ * params.theta, params.theta)),
        ctypes.c_float(params.tau / params.theta),
    )
    while (form := divide(height, width, kernels.clusters, kernels.shared)).whole:
        sweeps = torch.zeros_like(first)
        try:
            kernels.launch(
                form, "whole", form.blocks * len(first), texels, images, first, u, sweeps,
                *map(ctypes.c_int, (width, height, form.across, params.warps)), *numbers,
            )  # fmt: skip
            return sweeps
        except RefusedError as error:  # part of a GPU may not have so many units side by side
            if form.blocks == 1:
                raise
            log.info("%s; going on with clusters of fewer than %d blocks", error, form.blocks)
            kernels.clusters = form.blocks // 2
    return _solve_tiled(level, texels, images, first, u, kernels, numbers)


def _solve_tiled(
    level: CudaLevel,
    texels: Tensor,
    images: Tensor,
    first: Tensor,
    u: Tensor,
    kernels: Kernels,
    numbers: Sequence[Any],
) -> Tensor:
    pairs, height, width = len(first), level.height, level.width
    rows, columns = (-(-a // b) for a, b in zip((height, width), TILE.inner(), strict=True))
    tiles = rows * columns
    state = u.new_zeros((2, pairs, 6, height, width))  # u and p, twice
    state[0, :, :2] = u
    constants = u.new_empty((pairs, height, width, 4))
    partial = u.new_zeros((2, pairs, tiles))
    control = torch.zeros((2, pairs, CONTROL), dtype=torch.float64, device=u.device)
    sweeps, turn = torch.zeros_like(first), 0
    shape = tuple(map(ctypes.c_int, (pairs, width, height)))
    parts = -(-height * width // TILE.threads)
    for _ in range(level.params.warps):
        kernels.launch(
            TILE, "linearise", parts * pairs, texels, images, first, state, constants, control,
            ctypes.c_int(turn), *shape, ctypes.c_int(parts),
        )  # fmt: skip
        control[turn % 2, :, :SIDE] = 0
        while not control[turn % 2, :, DONE].all():
            for _ in range(LAUNCHES):
                kernels.launch(
                    TILE, "tile", tiles * pairs, state, constants, partial, control,
                    ctypes.c_int(turn), *shape,
                    *map(ctypes.c_int, (TILE.across, columns, tiles)), *numbers,
                )  # fmt: skip
                turn += 1
        sweeps += control[turn % 2, :, DONE_SWEEPS].int()
    side = control[turn % 2, :, SIDE].long()
    u.copy_(state[side, torch.arange(pairs, device=u.device), :2])
    return sweeps


def refine(
    videos: Sequence[np.ndarray], params: TVL1, kernels: Kernels
) -> Iterator[tuple[Tensor, Tensor]]:
    """Compute the flow of videos of one size, as many pairs at once as the memory allows.

    Args:
        videos: (T, H, W) uint8 each.
        params: of TV-L1.
        kernels: where to run.

    Yields:
        For each such group of pairs (N, 2, H, W) float32 flow, and (N,) float64, the pixels of all
        sweeps together. The pairs are in the order of the videos.
    """
    lengths = [len(video) for video in videos]
    starts = np.cumsum([0, *lengths[:-1]])
    first = np.concatenate([np.arange(a, a + n - 1) for a, n in zip(starts, lengths, strict=True)])
    frames = np.concatenate(videos)
    shapes = params.shapes(*frames.shape[1:])
    levels = [CudaLevel(*shape, params, kernels.device) for shape in shapes]
    together = max(1, MEMORY // (BYTES_PER_PIXEL * frames[0].size))
    for some in (first[i : i + together] for i in range(0, len(first), together)):
        images = [torch.tensor(frames[some[0] : some[-1] + 2], device=kernels.device).float()]
        for level in levels[1:]:
            images.append(level.resize(images[-1], params.scale_step).contiguous())
        begins = torch.tensor(some - some[0], dtype=torch.int32, device=kernels.device)
        u = images[-1].new_zeros((len(some), 2, levels[-1].height, levels[-1].width))
        work = torch.zeros(len(some), dtype=torch.float64, device=kernels.device)
        for level, image in zip(reversed(levels), reversed(images), strict=True):
            if level is not levels[-1]:
                u = level.resize(u).mul_(1 / params.scale_step).contiguous()
            work += solve(level, image, begins, u, kernels).double() * (level.height * level.width)
        yield u, work


def quantised(
    videos: Sequence[np.ndarray],
    bound: float,
    rounding: Rounding,
    params: TVL1,
    kernels: Kernels | None = None,
) -> list[np.ndarray]:
    """Compute 8-bit flow of videos, as :func:`dsnet.flow.encode` makes it, on the GPU.

    Args:
        videos: (T, H, W) uint8 each; those of one size are computed together.
        bound, rounding: of the quantisation.
        params: of TV-L1.
        kernels: where to run; by default the current GPU.

    Returns:
        (T-1, H, W, 2) uint8 of each.
    """
    found: dict[int, np.ndarray] = {}
    for shape in dict.fromkeys(video.shape[1:] for video in videos):
        chosen = [i for i, video in enumerate(videos) if video.shape[1:] == shape]
        with torch.inference_mode():
            groups = refine([videos[i] for i in chosen], params, kernels or gpu())
            planes = [_fetched(_quantise(u, bound, rounding)) for u, _ in groups]
        ends = np.cumsum([len(videos[i]) - 1 for i in chosen])
        found |= dict(zip(chosen, np.split(np.concatenate(planes), ends[:-1]), strict=True))
    return [found[i] for i in range(len(videos))]


def _quantise(flow: Tensor, bound: float, rounding: Rounding) -> Tensor:
    """Do what :func:`dsnet.flow.encode` does, with the same digits."""
    shifted = flow.clamp(-bound, bound) + bound
    if rounding == "truncate":
        # A GPU would multiply by the reciprocal of a number, but not of a tensor.
        return (shifted / shifted.new_tensor(2 * bound) * 255).to(torch.uint8)
    return (shifted * (255 / (2 * bound))).round_().to(torch.uint8)


def _fetched(planes: Tensor) -> np.ndarray:
    """Fetch (N, 2, H, W) as (N, H, W, 2)."""
    return planes.permute(0, 2, 3, 1).contiguous().cpu().numpy()


def compute(gray: np.ndarray, params: TVL1) -> np.ndarray:
    """Compute (T-1, H, W, 2) float32 of (T, H, W) uint8; see :func:`dsnet.flow.compute`."""
    return compute_counting(gray, params)[0]


def compute_counting(
    gray: np.ndarray, params: TVL1, kernels: Kernels | None = None
) -> tuple[np.ndarray, int]:
    """Return :func:`compute`, and the pixels of all sweeps together, for benchmarks."""
    with torch.inference_mode():
        groups = refine([gray], params, kernels or gpu())
        flow, work = zip(*((_fetched(u), int(work.sum())) for u, work in groups), strict=True)
    return np.concatenate(flow), sum(work)


def why_not() -> str | None:
    """Return why this backend cannot run here, or ``None``; the GPU is tried."""
    if not torch.cuda.is_available() or torch.version.hip:
        return "PyTorch finds no NVIDIA GPU"
    capability = torch.cuda.get_device_capability()
    if capability < OLDEST:
        return f"compute capability {capability}; the kernels need {OLDEST} or newer"
    try:
        compute(np.zeros((2, 256, 256), np.uint8), TVL1(warps=1, semantics="cuda"))
    except (ImportError, RuntimeError) as error:
        return (
            f"the kernels do not run ({str(error).splitlines()[0]}); they need cuda-bindings and "
            f"nvidia-cuda-nvrtc, of the version of CUDA that PyTorch has"
        )
    return None


def device() -> str:
    """Return where the backend runs."""
    return f"cuda:{torch.cuda.current_device()}" if torch.cuda.is_available() else "cpu"
