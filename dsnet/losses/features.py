"""What all losses use: features by level, and their differences."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

# (N, C, T, H, W) or (N, C) by level name, and ``logits`` (N, K). Student and teacher have equal
# shapes.
Features = Mapping[str, Tensor]


def difference(student: Tensor, teacher: Tensor) -> Tensor:
    """Subtract in float32 or wider; backward needs only the result, not the teacher's features."""
    dtype = torch.promote_types(student.dtype, torch.float32)
    return student.to(dtype) - teacher.to(dtype)
