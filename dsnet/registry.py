"""Classes by name: what the configuration can choose from, imported where it is used."""

from __future__ import annotations

import importlib
from typing import Any


def load(place: str) -> Any:
    """Import the class at ``place``, such as ``dsnet.losses.mae:MultiLevelMAE``."""
    module, name = place.split(":")
    return getattr(importlib.import_module(module), name)


def module_of(place: str) -> str:
    """The module that ``place`` is in."""
    return place.split(":")[0]
