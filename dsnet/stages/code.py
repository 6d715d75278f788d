"""Modules that count in the digests of stages: a stage runs again after an edit of them.

Frames and flow, which take days, are not here. They depend on their spec, which has a version.
"""

from __future__ import annotations

from dsnet.registry import LOSSES, module_of

# Modules that determine the numbers of a stream: arrays and tensors in, arrays and tensors out.
# They import from dsnet only each other and the classes of errors.
NUMBERS = (
    "dsnet.arithmetic",
    "dsnet.images",
    "dsnet.processes",
    "dsnet.grouping",
    "dsnet.splits",
    "dsnet.clips.sampling",
    "dsnet.clips.transforms",
    "dsnet.clips.feeding",
    "dsnet.clips.videos",
    "dsnet.clips.loading",
    "dsnet.clips.augmentation",
    "dsnet.models.backbone",
    "dsnet.models.convolutions",
    "dsnet.models.resnet3d",
    "dsnet.models.resnext3d",
    "dsnet.models.videoresnet",
    "dsnet.models.swin3d",
    "dsnet.models.slowonly",
    "dsnet.models.frozen",
    "dsnet.models.weights",
    "dsnet.models.averaging",
    "dsnet.models.still",
    "dsnet.losses.features",
    "dsnet.losses.normalising",
    "dsnet.losses.distillation",
    "dsnet.losses.cross_entropy",
    *sorted(map(module_of, LOSSES.values())),
    "dsnet.inference",
    "dsnet.training.randomness",
    "dsnet.training.gradients",
    "dsnet.training.batch_norm",
    "dsnet.training.schedule",
    "dsnet.training.steps",
    "dsnet.training.averaging",
    "dsnet.training.noise",
    "dsnet.training.trainer",
    "dsnet.scores.values",
    "dsnet.scoring",
    "dsnet.fusion.average",
    "dsnet.fusion.attention",
    "dsnet.fusion.summary",
)
# Modules that show the numbers.
SHOWN = (
    "dsnet.spacing",
    "dsnet.similarity",
    "dsnet.latency",
    "dsnet.costs",
    *(
        f"dsnet.tables.{name}"
        for name in (
            *("classes", "statistics", "text", "formats", "layout"),
            *("measured", "results", "significance", "study"),
        )
    ),
    *(
        f"dsnet.figures.{name}"
        for name in (
            *("colours", "style", "attention", "bars", "contact", "cost", "curves"),
            *("features", "intervals", "leaders", "scores"),
        )
    ),
    *(f"dsnet.pages.{name}" for name in ("page", "pictures", "classes", "provenance", "summary")),
)
