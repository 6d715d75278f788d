"""Batch norm over the clips of all processes that train a network together."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist


class _SumOfAll(torch.autograd.Function):
    """All-reduce of a tensor; its gradient is all-reduced too, since all losses depend on it."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        total = tensor.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        return total


class SyncBatchNorm(nn.BatchNorm3d):
    """Batch norm over the clips of all processes, on CPUs; PyTorch's own needs GPUs."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (N, C, T, H, W); N may differ between processes."""
        if not self.training:
            return super().forward(input)
        axes, shape = [0, 2, 3, 4], [1, -1, 1, 1, 1]
        number = input.numel() // input.shape[1]
        total = torch.tensor(number)
        dist.all_reduce(total)
        mean = _SumOfAll.apply(input.sum(axes)) / total
        centred = input - mean.reshape(shape)
        variance = _SumOfAll.apply(centred.square().sum(axes)) / total
        with torch.no_grad():
            assert self.running_mean is not None
            assert self.running_var is not None
            assert self.num_batches_tracked is not None
            assert self.momentum is not None
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * total / (total - 1), self.momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return centred * scale.reshape(shape) + self.bias.reshape(shape)


def synchronise_batch_norm(network: nn.Module, device: torch.device) -> None:
    """Make every batch norm of ``network`` normalise by the clips of all processes."""
    if device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(network)
        return
    for name, child in network.named_children():
        if isinstance(child, nn.BatchNorm3d):
            settings = (child.num_features, child.eps, child.momentum)
            synchronised = SyncBatchNorm(*settings, dtype=child.weight.dtype)
            synchronised.load_state_dict(child.state_dict())
            setattr(network, name, synchronised)
        else:
            synchronise_batch_norm(child, device)
