"""A page on this machine: one drops a video and sees, clip by clip, what a model says."""

from dsnet.show.server import show

__all__ = ["show"]
