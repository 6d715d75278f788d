"""A page of every class: frames, flow and both streams' scores over time."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dsnet import clips
from dsnet.errors import UserError
from dsnet.experiment.specs import DataSpec
from dsnet.figures.colours import full_speed
from dsnet.figures.contact import read_row
from dsnet.pages.page import write
from dsnet.pages.pictures import Chart, Line, chart, strips, wheel
from dsnet.scores import Part, Scores, accuracies, aligned, per_class, read_scores, softmax, topk
from dsnet.store import Reader

PathLike = str | os.PathLike[str]
COLUMNS = 6  # frames of a video
ROLES = ("rgb", "student", "teacher")
SAMPLES = {True: "Recognised", False: "Mistaken"}


class PageError(UserError):
    """Scores and clips that do not belong together."""


@dataclass(frozen=True)
class Stream:
    """A stream's test scores as probabilities, those of a class over all classes.

    Attributes:
        role: of :data:`ROLES`.
        title: to show.
        input: ``rgb`` or ``flow``.
        videos: (V, K) float64, softmax of the videos' logits.
        clips: (C, K) float64, that of the clips'.
        starts: (V + 1,) where each video's clips begin.
        right: (V,) bool, whether the video's label is its highest score.
        per_class: top-1 in per cent of every class, ``None`` without videos.
        top1: of all videos, in per cent.
    """

    role: str
    title: str
    input: str
    videos: np.ndarray
    clips: np.ndarray
    starts: np.ndarray
    right: np.ndarray
    per_class: list[float | None]
    top1: float


def classes_page(
    clips_path: PathLike, scores: Sequence[PathLike], titles: Mapping[str, str], output: PathLike
) -> None:
    """Write a page with a section for every class of one run's test videos.

    A section has the accuracy of the three streams, the video that the student recognises with the
    highest probability and the one that it mistakes with the highest, and a list of all.

    Args:
        clips_path: ``clips.h5``.
        scores: ``scores.h5`` of the RGB stream, the student and its teacher, of one run.
        titles: the streams' titles by name.
        output: the page.

    Raises:
        PageError: the scores are of other clips.
        ScoreError: the streams were evaluated on different videos.
        RemakeError: ``clips_path`` or one of ``scores`` is damaged.
    """
    read = {role: read_scores(path) for role, path in zip(ROLES, scores, strict=True)}
    run, names = read["student"].run, read["student"].classes
    test = aligned(read.values(), "test")[ROLES.index("student")]
    streams = [_stream(role, read[role], titles) for role in ROLES]
    reader = clips.open_clips(clips_path)
    sections = Sections(reader, test, streams, names, run["clip_length"])
    chosen = [sections.chosen(label) for label in range(len(names))]
    samples = [i for of_class in chosen for i in of_class.values() if i is not None]
    reader.verify([test.ids[i] for i in samples], reader.modalities)
    write(
        "classes.html",
        output,
        run=run,
        streams=streams,
        shown=sections.shown,
        n_videos=len(test.ids),
        classes=[sections.section(label, of_class) for label, of_class in enumerate(chosen)],
        wheel=wheel(64),
        samples=SAMPLES,
    )


def _stream(role: str, scores: Scores, titles: Mapping[str, str]) -> Stream:
    assert scores.spec is not None  # of a stream that the workflow scored
    part = scores.parts["test"]
    name = scores.run["stream"]
    return Stream(
        role,
        titles.get(name, name),
        scores.spec.stream.input,
        softmax(part.videos),
        softmax(part.clips),
        np.concatenate([[0], np.cumsum(part.counts)]),
        topk(part.videos, part.labels, 1),
        per_class(part.videos, part.labels),
        accuracies(part.videos, part.labels)["top1"],
    )


@dataclass(frozen=True)
class Sections:
    """The sections of all classes, and what they are made from.

    Attributes:
        reader: the clips.
        test: the test videos and their labels, which are the same for all streams.
        streams: in the order of :data:`ROLES`.
        names: the classes in label order.
        length: frames of a clip.
    """

    reader: Reader
    test: Part
    streams: Sequence[Stream]
    names: Sequence[str]
    length: int

    @property
    def student(self) -> Stream:
        return self.streams[ROLES.index("student")]

    @property
    def shown(self) -> list[Stream]:
        """The two streams whose scores are drawn over time."""
        return [self.student, self.streams[ROLES.index("teacher")]]

    def own(self, label: int) -> list[int]:
        """Places of a class's test videos."""
        return np.flatnonzero(self.test.labels == label).tolist()

    def chosen(self, label: int) -> dict[bool, int | None]:
        """The recognised and the mistaken video that the student is most certain of, or none."""
        certain = self.student.videos.max(axis=1)
        found = {r: [i for i in self.own(label) if self.student.right[i] == r] for r in SAMPLES}
        return {r: max(own, key=lambda i: certain[i], default=None) for r, own in found.items()}

    def section(self, label: int, chosen: Mapping[bool, int | None]) -> dict[str, Any]:
        """What the template shows of a class."""
        return {
            "name": self.names[label],
            "anchor": f"class-{label}",
            "accuracies": {s.role: s.per_class[label] for s in self.streams},
            "samples": {r: None if i is None else self.sample(i) for r, i in chosen.items()},
            "videos": [
                {"id": self.test.ids[i], "said": [self.said(s, i) for s in self.shown]}
                for i in self.own(label)
            ],
        }

    def said(self, stream: Stream, index: int) -> dict[str, Any]:
        """What a stream took a video for, and how certain it was of that and of the truth."""
        scores = stream.videos[index]
        return {
            "right": bool(stream.right[index]),
            "taken_for": self.names[int(scores.argmax())],
            "certain": float(scores.max()),
            "truth": float(scores[self.test.labels[index]]),
        }

    def sample(self, index: int) -> dict[str, Any]:
        """Frames, flow and scores of a video."""
        id = self.test.ids[index]
        count = self.reader.videos[id].frames("rgb")
        places = (np.arange(COLUMNS) + 0.5) / COLUMNS
        # Every frame has flow but for the last.
        wanted = np.minimum((places * count).astype(int), count - 2).tolist()
        row = read_row(self.reader, id, wanted)
        full = full_speed(row.flow)
        frames, flow = strips(row, full)
        return {
            "id": id,
            "frames": frames,
            "flow": flow,
            "full": full,
            "chart": self.over_time(
                index, id, count / DataSpec.model_validate(self.reader.spec).rgb.fps
            ),
            "said": [self.said(stream, index) for stream in self.shown],
        }

    def over_time(self, index: int, id: str, duration: float) -> Chart:
        """Probability of the truth and of the strongest other class, clip by clip."""
        label = int(self.test.labels[index])
        lines = []
        for stream in reversed(self.shown):
            scores = stream.clips[stream.starts[index] : stream.starts[index + 1]]
            spans = self.spans(id, stream.input, len(scores))
            others = scores.copy()
            others[:, label] = -1
            for style, labels in (("truth", [label] * len(scores)), ("other", others.argmax(1))):
                values = [float(row[k]) for row, k in zip(scores, labels, strict=True)]
                texts = [
                    f"{stream.title}, {a:.2f} to {b:.2f} s: {self.names[k]} {value:.0%}"
                    for (a, b), k, value in zip(spans, labels, values, strict=True)
                ]
                lines.append(Line(f"{stream.role} {style}", spans, values, texts))
        return chart(lines, duration)

    def spans(self, id: str, modality: str, count: int) -> list[tuple[float, float]]:
        """Seconds that each clip of a video shows; a video shorter than a clip as a whole."""
        frames, fps = (
            self.reader.videos[id].frames(modality),
            DataSpec.model_validate(self.reader.spec).rgb.fps,
        )
        positions = clips.scoring_positions(frames, self.length)
        if len(positions) != count:
            raise PageError(
                f"{self.reader.path}: {id} has {len(positions)} {modality} clips of {self.length} "
                f"frames, and the scores are of {count}; run `snakemake --cores all` again"
            )
        return [(float(p.min()) / fps, float(p.max() + 1) / fps) for p in positions]
