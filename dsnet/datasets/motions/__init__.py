"""The built-in data set: synthetic videos whose class is a motion, and nothing but a motion."""

from dsnet.datasets.motions.files import generate, write_index
from dsnet.datasets.motions.rendering import CLASSES, ROLES, render

__all__ = ["CLASSES", "ROLES", "generate", "render", "write_index"]
