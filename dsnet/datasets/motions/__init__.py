"""The built-in data set: synthetic videos with classes that differ only in motion."""

from dsnet.datasets.motions.files import generate, write_index
from dsnet.datasets.motions.rendering import CLASSES, ROLES, render

__all__ = ["CLASSES", "ROLES", "generate", "render", "write_index"]
