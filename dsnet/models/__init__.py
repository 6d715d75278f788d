"""Networks and their files."""

from dsnet.models.backbone import CHANNELS, Backbone
from dsnet.models.building import build
from dsnet.models.checkpoints import (
    CheckpointError,
    check_flow,
    load_model,
    load_trained,
    read,
    save,
)
from dsnet.models.frozen import Frozen
from dsnet.models.pretrained import (
    Checkpoint,
    convert,
    inspect,
    load_checkpoint,
    start_from,
    take_all,
)
from dsnet.models.resnext3d import ResNeXt3D, resnext3d_101
from dsnet.models.still import see_stills

__all__ = [
    "CHANNELS",
    "Backbone",
    "Checkpoint",
    "CheckpointError",
    "Frozen",
    "ResNeXt3D",
    "build",
    "check_flow",
    "convert",
    "inspect",
    "load_checkpoint",
    "load_model",
    "load_trained",
    "read",
    "resnext3d_101",
    "save",
    "see_stills",
    "start_from",
    "take_all",
]
