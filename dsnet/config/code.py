"""Which code determines what a stage makes: the digests by which an edit makes a stage run again.

Frames and flow, which take days, are not here: they depend on their spec and a ``SPEC_VERSION``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dsnet.config.plugins import backbone
from dsnet.config.schema import Config
from dsnet.config.streams import fusion_kinds, losses_by_name
from dsnet.losses import LOSSES
from dsnet.provenance import code_digest
from dsnet.registry import module_of

# Arrays and tensors in, arrays and tensors out: what determines the numbers of a stream. These
# modules import of dsnet only each other and the classes of errors.
NUMBERS = (
    "dsnet.images",
    "dsnet.processes",
    "dsnet.grouping",
    "dsnet.splits",
    "dsnet.clips.sampling",
    "dsnet.clips.transforms",
    "dsnet.clips.videos",
    "dsnet.clips.loading",
    "dsnet.models.backbone",
    "dsnet.models.resnext3d",
    "dsnet.models.frozen",
    "dsnet.models.weights",
    "dsnet.losses.features",
    "dsnet.losses.distillation",
    *sorted(map(module_of, LOSSES.values())),
    "dsnet.inference",
    "dsnet.training.randomness",
    "dsnet.training.gradients",
    "dsnet.training.batch_norm",
    "dsnet.training.schedule",
    "dsnet.training.steps",
    "dsnet.training.trainer",
    "dsnet.scores.values",
    "dsnet.scoring",
    "dsnet.fusion.average",
    "dsnet.fusion.attention",
    "dsnet.fusion.summary",
)
# What is shown of the numbers.
SHOWN = (
    "dsnet.similarity",
    "dsnet.latency",
    "dsnet.costs",
    *(
        f"dsnet.tables.{name}"
        for name in (
            *("statistics", "text", "html", "files", "layout", "reading"),
            *("measured", "results", "significance", "study"),
        )
    ),
    *(
        f"dsnet.figures.{name}"
        for name in (
            *("colours", "style", "attention", "bars", "contact", "cost", "curves"),
            *("drawing", "features", "intervals", "per_class"),
        )
    ),
    *(f"dsnet.pages.{name}" for name in ("page", "pictures", "settings", "classes", "provenance")),
)
TABLE = ("dsnet.tables.reading", "dsnet.tables.files")
# The modules that each stage begins with; what they import of the above counts too.
STAGES: Mapping[str, tuple[str, ...]] = {
    "train": ("dsnet.training.trainer", "dsnet.training.batch_norm", "dsnet.models.weights"),
    "evaluate": ("dsnet.scoring",),
    "fuse": ("dsnet.fusion.summary", "dsnet.scores.values"),
    "table1": ("dsnet.tables.results", "dsnet.tables.layout", *TABLE),
    "table2": ("dsnet.tables.results", "dsnet.tables.layout", *TABLE),
    "significance": ("dsnet.tables.significance", *TABLE),
    "claims": ("dsnet.tables.study", *TABLE),
    "study": ("dsnet.tables.study", *TABLE),
    "latency": ("dsnet.latency",),
    "similarity": ("dsnet.similarity", "dsnet.inference"),
    "figures": ("dsnet.figures.drawing",),
    "contact": ("dsnet.figures.contact",),
    "weights": ("dsnet.figures.attention",),
    "bars": ("dsnet.figures.bars",),
    "cost": ("dsnet.figures.cost",),
    "intervals": ("dsnet.figures.intervals",),
    "features": ("dsnet.figures.features",),
    "classes": ("dsnet.pages.classes",),
    "provenance": ("dsnet.pages.provenance",),
}


def stage_code(stage: str, *more: str, package: Path | None = None) -> str:
    """The digest of the code that determines what ``stage``, a key of :data:`STAGES`, makes.

    Args:
        more: modules that count too, or files of a user's.
        package: the folder of dsnet, by default this one.
    """
    return code_digest((*STAGES[stage], *more), (*NUMBERS, *SHOWN), package)


def train_code(config: Config, stream: str, package: Path | None = None) -> str:
    """The digest of the code that trains a stream: of its backbone and of its own losses."""
    chosen, places = config["streams"][stream], losses_by_name(config)
    modules = [module_of(places[name]) for name in chosen["losses"]] + [module_of(backbone(config))]
    if chosen["teacher"] is not None:
        modules.append("dsnet.losses.distillation")
    return stage_code("train", *modules, package=package)


def fusion_code(config: Config, kind: str, package: Path | None = None) -> str:
    """The digest of the code of a kind of fusion."""
    return stage_code("fuse", module_of(fusion_kinds(config)[kind]), package=package)
