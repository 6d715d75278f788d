"""What the page shows of each clip: scores, frames and flow."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import numpy as np

from dsnet import images
from dsnet.disk import PathLike
from dsnet.experiment.data import IMPORTED
from dsnet.experiment.specs import FlowSpec
from dsnet.figures.colours import full_speed
from dsnet.figures.contact import Row
from dsnet.flow import of_spec
from dsnet.flow.paths import along
from dsnet.pages.pictures import strips
from dsnet.predict import VideoClassifier
from dsnet.scores import softmax
from dsnet.spacing import evenly

SHOWN = 4  # frames of a clip
Answer = dict[str, Any]


class Answerer:
    """A model that tells of a video clip by clip, for several videos at a time in turn.

    One thread loads the model and computes everything: a backend of flow may belong to the thread
    that made it. For arguments and errors see :class:`VideoClassifier`; the flow that is shown
    raises those of :func:`dsnet.flow.of_spec`.
    """

    def __init__(self, model: PathLike, device: str = "auto") -> None:
        self._thread = ThreadPoolExecutor(1)
        self.classifier = self._thread.submit(VideoClassifier, model, False, device).result()
        spec = self.classifier.streams[0].data.flow
        if spec.algorithm == IMPORTED:  # nothing computes the same, and this flow is only shown
            spec = FlowSpec()
        self.method = self.classifier.method or self._thread.submit(of_spec, spec, "auto").result()

    def answers(self, path: PathLike) -> Iterator[Answer]:
        """Yield for each clip of a video what the page needs, as plain values.

        These are ``start`` and ``end`` in seconds; ``scores`` of the clip and ``so_far``, of the
        clips up to it, probabilities in label order; ``frames`` and ``flow``, addresses of
        pictures; ``full``, the speed of the flow's full colour in pixels.

        Raises:
            PredictError: see :meth:`VideoClassifier.predict`.
        """
        with closing(self._clips(path)) as clips:
            while (answer := self._thread.submit(next, clips, None).result()) is not None:
                yield answer

    def _clips(self, path: PathLike) -> Generator[Answer, None, None]:
        for clip in self.classifier.clips(path):
            yield {
                "start": clip.start,
                "end": clip.end,
                "scores": softmax(clip.logits).tolist(),
                "so_far": softmax(clip.so_far).tolist(),
                **self._pictures(clip.frames),
            }

    def _pictures(self, frames: Sequence[bytes]) -> Answer:
        """Show some frames of a clip, and the flow from each to the next of the clip."""
        stored = [np.frombuffer(frame, np.uint8) for frame in frames]
        last, stride = len(stored) - 1, self.classifier.streams[0].settings.stride
        chosen = [stride * number for number in evenly(max(last // stride, 1), SHOWN)]
        paths = [[stored[min(i + step, last)] for step in range(stride + 1)] for i in chosen]
        grays = [np.stack([images.decode(each, True) for each in path]) for path in paths]
        flow = [along(self.method(gray), stride)[0] for gray in grays]
        full = full_speed(flow)
        shown = Row(chosen, [images.decode(stored[i], False) for i in chosen], flow)
        return dict(zip(("frames", "flow"), strips(shown, full), strict=True)) | {"full": full}
