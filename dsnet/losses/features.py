"""What the losses share: features by level, and their differences."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

# Level name to (N, C, T, H, W) or (N, C), and ``logits`` to (N, K); a student's and its teacher's
# have equal shapes.
Features = Mapping[str, Tensor]


def difference(student: Tensor, teacher: Tensor) -> Tensor:
    """In float32 or wider; the backward pass keeps it alone, and no teacher's features."""
    dtype = torch.promote_types(student.dtype, torch.float32)
    return student.to(dtype) - teacher.to(dtype)
