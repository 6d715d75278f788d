"""Networks from the configuration's ``model``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dsnet import registry
from dsnet.models.backbone import CHANNELS, Backbone


def build(arch: Mapping[str, Any], stream_input: str, num_classes: int) -> Backbone:
    """Build the network of a config's ``model`` for ``rgb`` or ``flow``.

    Args:
        arch: the options of its class, and ``backbone``, the class's place, where that is not
            :class:`.ResNeXt3D`.

    Raises:
        PluginError: a user's class cannot be imported, or not be made of its options.
    """
    options = {"backbone": "resnext3d", **arch}
    name = options.pop("backbone")
    channels = CHANNELS[stream_input]
    return registry.make("model.backbone", "BACKBONES", name, num_classes, channels, **options)
