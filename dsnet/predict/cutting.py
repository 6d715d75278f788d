"""Clips of a video, as the streams see them, cut from windows of its frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from dsnet import images
from dsnet.clips import scoring_positions, to_square
from dsnet.flow.algorithms import Method
from dsnet.predict.costs import Costs
from dsnet.predict.sources import Frames
from dsnet.predict.streams import PredictError, Stream
from dsnet.predict.windows import windows
from dsnet.shards import encoded_planes


class Window(NamedTuple):
    """A clip of a video.

    Attributes:
        start: number of its first frame, from 0.
        frames: from there to its last frame, those that the stride skips too, as stored.
        clips: (T, crop, crop, C) uint8 by modality; the last clips may lack flow.
    """

    start: int
    frames: Sequence[bytes]
    clips: dict[str, torch.Tensor]

    @property
    def end(self) -> int:
        """Number of the frame after the last."""
        return self.start + len(self.frames)


class Cutter:
    """Cuts one video into clips, as the evaluation of test videos does.

    Flow is computed once, however many clips have it.

    Args:
        streams: those that see the clips.
        method: what computes flow, if one of them sees it.

    Attributes:
        need: frames of a window: those of a clip, and those after it that its flow needs.
    """

    def __init__(self, streams: Sequence[Stream], method: Method | None) -> None:
        self._stream, self._method = streams[0], method
        self._inputs = {stream.input for stream in streams}
        self._more = self._stream.settings.stride if method else 0
        self.need = self._stream.span + self._more
        self._start = 0  # of the newest window
        self._planes: list[bytes] = []

    def windows(self, frames: Frames, step: int, costs: Costs) -> Iterator[Window]:
        """Yield the clips that begin every ``step`` frames, in the order of time.

        A first clip that is too short is looped. Later ones are complete, but may lack flow if
        there is RGB. Raises PredictError if the video cannot be decoded or is too short for flow.
        """
        least = self._stream.span if "rgb" in self._inputs else self.need
        with costs.timed("opening"):
            frames.open()
        found = windows(frames, least, self.need - least, step)
        while True:
            with costs.timed("reading"):
                start, items = next(found, (0, []))
            if not items:
                costs.drop_last("reading")  # the end is no clip
                return
            if start == 0 and len(items) <= self._more:
                raise PredictError(
                    f"{frames.name}: flow needs {self._more + 1} frames, and it has {len(items)}"
                )
            yield self.window(start, items, costs)

    def window(self, start: int, items: Sequence[bytes], costs: Costs) -> Window:
        """Cut the clip of ``need`` frames, the first of which has the number ``start``."""
        shown = {"rgb": items} if "rgb" in self._inputs else {}
        if self._method and (start == 0 or len(items) == self.need):
            with costs.timed("flow"):
                shown["flow"] = self._flow(start, items, self._method)
        with costs.timed("images"):
            clips = {modality: self._clip(own, modality) for modality, own in shown.items()}
        return Window(start, items[: self._stream.span], clips)

    def _flow(self, start: int, items: Sequence[bytes], method: Method) -> Sequence[bytes]:
        """Compute the planes of a window that the one before does not have."""
        self._planes = self._planes[2 * (start - self._start) :]
        self._start = start
        missing = items[len(self._planes) // 2 :]
        self._planes += encoded_planes([missing], method, self._stream.data.flow)
        return self._planes

    def _clip(self, items: Sequence[bytes], modality: str) -> torch.Tensor:
        """Apply the test transform to the first T frames, or fields; fewer are looped."""
        planes, settings = images.ITEMS_PER_FRAME[modality], self._stream.settings
        count, length = len(items) // planes, self._stream.length
        first = scoring_positions(count, length, stride=settings.stride)[0]
        chosen = [items[planes * place + plane] for place in first for plane in range(planes)]
        loaded = [images.decode(np.frombuffer(i, np.uint8), modality == "flow") for i in chosen]
        return to_square(loaded, modality, None, settings.crop)
