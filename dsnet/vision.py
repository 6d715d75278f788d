"""torchvision, whose networks need PyTorch alone."""

from __future__ import annotations

import importlib
from types import ModuleType

import torch

# Operators that torchvision looks for when it is imported.
OPERATORS = ("nms", "qnms")


def module(name: str) -> ModuleType:
    """Import a module of torchvision, such as ``models.video``.

    A torchvision that was built for another PyTorch, such as one with CUDA beside one without, has
    no operators of its own, and its import ends at the first one that it looks for. Its networks
    use none. So these operators are declared, without code.
    """
    try:
        return importlib.import_module(f"torchvision.{name}")
    except RuntimeError:
        for operator in OPERATORS:
            if not hasattr(torch.ops.torchvision, operator):
                torch.library.define(f"torchvision::{operator}", "() -> ()")
        return importlib.import_module(f"torchvision.{name}")
