"""Networks and their files."""

from dsnet.models.checkpoints import CheckpointError, load_model, load_trained, read, save
from dsnet.models.frozen import Frozen
from dsnet.models.pretrained import (
    Checkpoint,
    convert,
    inspect,
    load_checkpoint,
    start_from,
    take_all,
)
from dsnet.models.resnext3d import CHANNELS, LEVELS, ResNeXt3D, build, resnext3d_101

__all__ = [
    "CHANNELS",
    "LEVELS",
    "Checkpoint",
    "CheckpointError",
    "Frozen",
    "ResNeXt3D",
    "build",
    "convert",
    "inspect",
    "load_checkpoint",
    "load_model",
    "load_trained",
    "read",
    "resnext3d_101",
    "save",
    "start_from",
    "take_all",
]
