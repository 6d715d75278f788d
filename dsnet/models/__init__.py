"""Networks, fusion and their files."""

from dsnet.models.checkpoints import CheckpointError, build, load_model, read, save, start_from
from dsnet.models.fusion import AttentionFusion
from dsnet.models.resnext3d import CHANNELS, LEVELS, Frozen, ResNeXt3D, resnext3d_101

__all__ = [
    "CHANNELS",
    "LEVELS",
    "AttentionFusion",
    "CheckpointError",
    "Frozen",
    "ResNeXt3D",
    "build",
    "load_model",
    "read",
    "resnext3d_101",
    "save",
    "start_from",
]
