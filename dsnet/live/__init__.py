"""What a person sees of a run: a live summary, and of every failure its log and a way on."""

from dsnet.live.handler import attach

__all__ = ["attach"]
