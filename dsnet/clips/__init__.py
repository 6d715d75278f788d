"""Clips of ``clips.h5``: sampling in time, paired transforms of RGB and flow, loaders."""

from dsnet.clips.loading import EpochBatches, scoring_loader, stream_loaders, training_loader
from dsnet.clips.opening import open_clips
from dsnet.clips.sampling import (
    WHOLE,
    Area,
    Crop,
    draw_crop,
    scoring_positions,
    training_positions,
)
from dsnet.clips.transforms import cut, normalise
from dsnet.clips.videos import (
    Clip,
    TestClips,
    TrainingClips,
    Videos,
    load,
    parts,
    table,
)

__all__ = [
    "WHOLE",
    "Area",
    "Clip",
    "Crop",
    "EpochBatches",
    "TestClips",
    "TrainingClips",
    "Videos",
    "cut",
    "draw_crop",
    "load",
    "normalise",
    "open_clips",
    "parts",
    "scoring_loader",
    "scoring_positions",
    "stream_loaders",
    "table",
    "training_loader",
    "training_positions",
]
