"""Clips of ``clips.h5``: sampling in time, paired transforms of RGB and flow, loaders."""

from dsnet.clips.loading import EpochBatches, scoring_loader, stream_loaders, training_loader
from dsnet.clips.opening import open_clips
from dsnet.clips.sampling import (
    WHOLE,
    Area,
    Crop,
    draw_crop,
    scoring_positions,
    span,
    training_positions,
)
from dsnet.clips.transforms import normalise, to_square
from dsnet.clips.videos import (
    Clip,
    ClipSource,
    ScoringClips,
    TrainingClips,
    load,
    parts,
    table,
)

__all__ = [
    "WHOLE",
    "Area",
    "Clip",
    "ClipSource",
    "Crop",
    "EpochBatches",
    "ScoringClips",
    "TrainingClips",
    "draw_crop",
    "load",
    "normalise",
    "open_clips",
    "parts",
    "scoring_loader",
    "scoring_positions",
    "span",
    "stream_loaders",
    "table",
    "to_square",
    "training_loader",
    "training_positions",
]
