"""Networks from the configuration's ``model``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dsnet import registry
from dsnet.models.backbone import CHANNELS, Backbone


def build(arch: Mapping[str, Any], stream_input: str, num_classes: int) -> Backbone:
    """Build the network of a config's ``model``; ``stream_input`` is ``rgb`` or ``flow``.

    ``arch`` has the options of its class, and as ``backbone`` its place if it is not dsnet's
    :class:`.ResNeXt3D`. Raises PluginError if a user's class cannot be made of its options.
    """
    options = {"backbone": "resnext3d", **arch}
    name = options.pop("backbone")
    channels = CHANNELS[stream_input]
    return registry.make("model.backbone", "BACKBONES", name, num_classes, channels, **options)
