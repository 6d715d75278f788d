"""The built-in data set: synthetic videos whose class is a motion, and nothing but a motion."""

from dsnet.datasets.motions.files import generate, write_index
from dsnet.datasets.motions.rendering import CLASSES, ROLES, render

# Raise when the same entry gives other pixels.
SPEC_VERSION = 2

__all__ = ["CLASSES", "ROLES", "SPEC_VERSION", "generate", "render", "write_index"]
