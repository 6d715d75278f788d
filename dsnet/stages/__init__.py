"""Stages of the workflow: each is a rule, a verb and a function of the same name."""

from dsnet.stages import data, figures, networks, tables  # noqa: F401  declares them
from dsnet.stages.stage import STAGES, Stage

__all__ = ["STAGES", "Stage"]
