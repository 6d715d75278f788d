"""How devices compute: precision, TF32, determinism."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from dsnet.experiment.networks import Recipe

PRECISIONS = {"float32": None, "float16": torch.float16, "bfloat16": torch.bfloat16}


def computing_in(precision: str, device: torch.device) -> torch.autocast:
    """Return a context in which networks compute in ``training.precision``, on a CPU in float32."""
    dtype = PRECISIONS[precision]
    return torch.autocast(device.type, dtype, enabled=device.type != "cpu" and dtype is not None)


def set_up(options: Recipe, device: torch.device) -> None:
    """Set how GPUs compute: ``tf32``, ``autotune`` and ``deterministic`` of a recipe.

    CPUs are deterministic whatever the recipe says.
    """
    torch.backends.cudnn.allow_tf32 = options.tf32
    torch.backends.cuda.matmul.allow_tf32 = False  # the Gram matrices are float32 in any precision
    torch.backends.cudnn.benchmark = options.autotune
    # cuBLAS is deterministic only with this setting.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    deterministic = options.deterministic or device.type == "cpu"
    # Not use_deterministic_algorithms: it also imports PyTorch's compiler, for a second and more.
    torch.set_deterministic_debug_mode("warn" if deterministic else "default")
    # PyTorch would fill every new tensor, though each is written before it is read.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
