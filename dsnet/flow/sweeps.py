"""Iterations of batched TV-L1 in PyTorch, each pair until it has converged.

The host does not wait after each sweep for the GPU to learn which pairs have converged. Such a pair
takes steps of size zero, which keep its digits, until the host asks and drops it from the batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn import functional

from dsnet.flow.params import TVL1

# Sweeps between two checks of the host for convergence. Even, because with CUDA's semantics only
# every second sweep can be the last.
GPU_PATIENCE, CPU_PATIENCE = 8, 2
# Share of a batch that must have converged before the other pairs are copied together.
WORTH_COPYING = 0.25


class Sweeps(ABC):
    """Iterations after a warp, for all pairs of a batch that have not converged.

    Args:
        u: (N, 2, H, W) float32 flow; :meth:`run` updates it in place.
        p: (N, 2, 2, H, W) float32, its dual: x and y differences of each component; likewise.
        warped: (N, 3, H, W) float32, I1 and its x and y gradient at x + u.
        image0: (N, H, W) float32.
    """

    # Tensors with pairs along the first dimension.
    state: tuple[str, ...] = ("pairs", "active", "steps", "u", "p", "gradient", "square", "rho")
    scratch = ("change", "norm", "difference")

    def __init__(self, params: TVL1, u: Tensor, p: Tensor, warped: Tensor, image0: Tensor):
        self.params, self.result = params, (u, p)
        self.bound = params.epsilon**2 * image0[0].numel()  # Σ|Δu|² of a converged pair
        self.patience = CPU_PATIENCE if u.device.type == "cpu" else GPU_PATIENCE
        self.u, self.p = u.clone(), p.clone()
        self.gradient = warped[:, 1:]
        # -|∇I1|², or a tiny number for zero: a quotient by it is clipped, then multiplied by ∇I1.
        self.square = self.gradient.square().sum(1, keepdim=True).neg_()
        self.square.clamp_(max=-torch.finfo(torch.float32).tiny)
        product = self.gradient * u
        self.rho = ((warped[:, :1] - product[:, :1]) - product[:, 1:]) - image0[:, None]
        threshold = params.lambda_ * params.theta
        steps = (-threshold, threshold, params.theta, params.tau / params.theta)
        self.steps = u.new_tensor(steps).repeat(len(u), 1)
        self.pairs = torch.arange(len(u), device=u.device)
        self.active = torch.ones_like(self.pairs, dtype=torch.bool)
        self.change, self.norm = torch.empty_like(u), torch.empty_like(u)
        self.difference = torch.zeros_like(p)

    @abstractmethod
    def run(self) -> None:
        """Iterate until all have converged, or as often as the parameters allow."""

    @abstractmethod
    def converged(self, n: int) -> Tensor | None:
        """Return which pairs converged in sweep ``n``, from 0: (n,) bool; ``None``: none can."""

    def sweep(self) -> None:
        """Run one iteration, as :func:`dsnet.flow.kernels.sweep`; Δu stays in ``change``."""
        u, p, change, difference, norm = self.u, self.p, self.change, self.difference, self.norm
        low, high, theta, rate = self.steps[..., None, None, None].unbind(1)
        torch.mul(self.gradient, u, out=change)
        step = change[:, :1] + change[:, 1:]
        step.add_(self.rho).div_(self.square)
        torch.minimum(step, high, out=step)
        torch.maximum(step, low, out=step)
        torch.add(p[:, 0], p[:, 1], out=change)
        change[..., 1:].sub_(p[:, 0, :, :, :-1])
        change[..., 1:, :].sub_(p[:, 1, :, :-1])
        change.mul_(theta).addcmul_(self.gradient, step)
        u.add_(change)
        # The forward differences of the last column and row are zero, and stay so.
        torch.sub(u[..., 1:], u[..., :-1], out=difference[:, 0, :, :, :-1])
        torch.sub(u[..., 1:, :], u[..., :-1, :], out=difference[:, 1, :, :-1])
        torch.hypot(difference[:, 0], difference[:, 1], out=norm)
        norm.mul_(rate).add_(1)
        p.add_(difference.mul_(rate[:, None])).div_(norm[:, None])

    def sweeps(self, iterations: int) -> bool:
        """Sweep each pair up to ``iterations`` times; return whether any pair goes on."""
        for n in range(iterations):
            self.sweep()
            converged = self.converged(n)
            if converged is not None:
                self.active &= ~converged
                self.steps *= self.active[:, None]
            if (n + 1) % self.patience == 0 and not self.drop(WORTH_COPYING):
                return False
        return self.drop(0) > 0

    def total(self) -> Tensor:
        """Return Σ|Δu|² of the last sweep, (n,) float32; this overwrites ``change``."""
        return self.change.square_().flatten(1).sum(1)

    def drop(self, share: float) -> int:
        """Drop the converged pairs if they are ``share`` of the batch; return how many go on.

        Here the host waits for the GPU.
        """
        rows = self.active.nonzero()[:, 0]
        converged = len(self.active) - len(rows)
        if converged and converged >= share * len(self.active):
            self.store()
            for name in self.state:
                setattr(self, name, getattr(self, name).index_select(0, rows))
            for name in self.scratch:
                setattr(self, name, getattr(self, name)[: len(rows)])
        return len(rows)

    def store(self) -> None:
        """Copy the results to the caller's tensors."""
        for result, now in zip(self.result, (self.u, self.p), strict=True):
            result.index_copy_(0, self.pairs, now)


class CpuSweeps(Sweeps):
    """Test for convergence after every sweep, and a median filter after every inner loop."""

    def run(self) -> None:
        for _ in range(self.params.outer_iterations):
            self.u = median(self.u, self.params.median_filtering)
            if not self.sweeps(self.params.inner_iterations):
                break
        self.store()

    def converged(self, n: int) -> Tensor | None:
        return self.total() <= self.bound


class CudaSweeps(Sweeps):
    """Test for convergence after odd sweeps, if it is expected by then."""

    state = (*Sweeps.state, "expected")

    def __init__(self, params: TVL1, u: Tensor, p: Tensor, warped: Tensor, image0: Tensor):
        super().__init__(params, u, p, warped, image0)
        self.expected = u.new_zeros(len(u))  # Σ|Δu|²: the last one less the bound per sweep since

    def run(self) -> None:
        self.sweeps(self.params.inner_iterations * self.params.outer_iterations)
        self.store()

    def converged(self, n: int) -> Tensor | None:
        if n % 2 == 0:
            self.expected -= self.bound
            return None
        asked, total = self.expected < self.bound, self.total()
        self.expected = torch.where(asked, total, self.expected - self.bound)
        return asked & (total <= self.bound)


def median(u: Tensor, size: int) -> Tensor:
    """Compute the median of ``size`` x ``size`` windows of (..., H, W), edges repeated.

    By forgetful selection: among more than half of the values, neither the least nor the greatest
    can be the median. Every step uses whole images.
    """
    if size == 1:
        return u
    height, width = u.shape[-2:]
    around = functional.pad(u, (size // 2,) * 4, mode="replicate")
    values = [around[..., y : y + height, x : x + width] for y in range(size) for x in range(size)]
    count = len(values) // 2 + 2
    kept, rest = values[:count], values[count:]

    def sort(i: int, j: int) -> None:
        kept[i], kept[j] = torch.minimum(kept[i], kept[j]), torch.maximum(kept[i], kept[j])

    while len(kept) > 1:
        for i in range(len(kept) // 2):
            sort(i, -1 - i)
        for i in range(1, (len(kept) + 1) // 2):
            sort(0, i)
        for i in range(len(kept) // 2, len(kept) - 1):
            sort(i, -1)
        kept, rest = kept[1:-1] + rest[:1], rest[1:]
    return kept[0]
