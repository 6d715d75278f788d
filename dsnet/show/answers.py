"""What the page shows of each clip: scores, frames and flow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from typing import Any

import numpy as np

from dsnet import images
from dsnet.disk import PathLike
from dsnet.figures.colours import full_speed
from dsnet.figures.contact import Row
from dsnet.flow import of_spec
from dsnet.pages.pictures import strips
from dsnet.predict import VideoClassifier
from dsnet.scores import softmax
from dsnet.shards import encoded_frames
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
        model = self.classifier
        frames = encoded_frames(path, model.streams[0].data.rgb)
        sums, counts = [np.zeros(1, np.float32)] * len(model.streams), [0] * len(model.streams)
        start = 0
        for window in model._windows(path, defaultdict(float)):
            found = []
            for number, stream in enumerate(model.streams):
                if stream.input in window.clips:  # flow may lack the last clip
                    found.append(stream.logits(window.clips[stream.input][None]))
                    sums[number] = sums[number] + found[-1]
                    counts[number] += 1
            means = [total / count for total, count in zip(sums, counts, strict=True)]
            end = start + window.frames
            yield {
                "start": start / model.fps,
                "end": end / model.fps,
                "scores": softmax(model._fused(found)[0]).tolist(),
                "so_far": softmax(model._fused(means)[0]).tolist(),
                **self._pictures(list(islice(frames, window.frames))),
            }
            start = end

    def _pictures(self, frames: Sequence[bytes]) -> Answer:
        """Show some frames of a clip, and the flow from each to the next."""
        stored = [np.frombuffer(frame, np.uint8) for frame in frames]
        chosen = evenly(max(len(stored) - 1, 1), SHOWN)
        pairs = [(stored[i], stored[min(i + 1, len(stored) - 1)]) for i in chosen]
        grays = [np.stack([images.decode(each, True) for each in pair]) for pair in pairs]
        flow = [self.method(gray)[0] for gray in grays]
        full = full_speed(flow)
        shown = Row(chosen, [images.decode(stored[i], False) for i in chosen], flow)
        return dict(zip(("frames", "flow"), strips(shown, full), strict=True)) | {"full": full}
