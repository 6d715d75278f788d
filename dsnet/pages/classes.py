"""A page of every class: frames, flow and both streams' scores over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dsnet import clips
from dsnet.errors import UserError
from dsnet.experiment.specs import DataSpec
from dsnet.figures.colours import full_speed
from dsnet.figures.contact import read_row
from dsnet.pages.page import write
from dsnet.pages.pictures import APART, Chart, Line, chart, strips, wheel
from dsnet.scores import Part, Scores, accuracies, aligned, per_class, read_scores, softmax, topk
from dsnet.spacing import middles
from dsnet.store import Reader
from dsnet.tables.statistics import wilson

COLUMNS = 6  # frames per video
ROLES = ("rgb", "student", "teacher")
SAMPLES = {True: "Recognised", False: "Mistaken"}


class PageError(UserError):
    """Scores and clips that do not belong together."""


@dataclass(frozen=True)
class Stream:
    """A stream's test scores as probabilities over all classes.

    Attributes:
        role: of :data:`ROLES`.
        title: to show.
        input: ``rgb`` or ``flow``.
        videos: (V, K) float64, softmax of the videos' logits.
        clips: for each video (C, K) float64, softmax of its clips' logits.
        right: (V,) bool, whether the video's label is its highest score.
        per_class, top1: top-1 in per cent, of every class (``None`` without videos) and of all.
        intervals: of every class, in per cent (:func:`dsnet.tables.statistics.wilson`).
    """

    role: str
    title: str
    input: str
    videos: np.ndarray
    clips: list[np.ndarray]
    right: np.ndarray
    per_class: list[float | None]
    top1: float
    intervals: list[tuple[float, float]]

    @property
    def macro(self) -> float:
        """Mean of :attr:`per_class`, in which every class counts the same."""
        return float(np.mean([value for value in self.per_class if value is not None]))


def classes_page(
    clips_path: Path, scores: Sequence[Path], titles: Mapping[str, str], output: Path
) -> None:
    """Write a page with a section for every class of one run's test videos.

    A section has the accuracy of the three streams, the recognised and the mistaken video with the
    student's highest probability, and a list of all videos.

    Args:
        clips_path: ``clips.h5``.
        scores: ``scores.h5`` of the RGB stream, the student and its teacher, of one run. Without
            a student, the RGB stream is in its place too, and shown once.
        titles: the streams' titles by name.
        output: the page.

    Raises:
        PageError: the scores are of other clips.
        ScoreError: the streams were evaluated on different videos.
        RemakeError: ``clips_path`` or one of ``scores`` is damaged.
    """
    read = [read_scores(path) for path in scores]
    student = read[ROLES.index("student")]
    test = aligned(read, "test")[0]
    streams = [_stream(*pair, titles) for pair in zip(ROLES, read, strict=True)]
    shown = streams[1:]
    if read[0].run["stream"] == student.run["stream"]:
        streams = shown
    reader = clips.open_clips(clips_path)
    sections = Sections(reader, test, shown, student.classes, student.run["clip_length"])
    chosen = [sections.chosen(label) for label in range(len(student.classes))]
    samples = [i for of_class in chosen for i in of_class.values() if i is not None]
    reader.verify([test.ids[i] for i in samples], reader.modalities)
    classes = [
        {
            "name": name,
            "anchor": f"class-{label}",
            "accuracies": {stream.role: stream.per_class[label] for stream in streams},
            "intervals": [stream.intervals[label] for stream in streams],
            "samples": {r: None if i is None else sections.sample(i) for r, i in of_class.items()},
            "videos": [
                {"id": test.ids[i], "predictions": sections.predictions(i)}
                for i in sections.own(label)
            ],
        }
        for label, (name, of_class) in enumerate(zip(student.classes, chosen, strict=True))
    ]
    write(
        "classes.html",
        output,
        run=student.run,
        streams=streams,
        shown=sections.shown,
        n_videos=len(test.ids),
        classes=classes,
        wheel=wheel(64),
        samples=SAMPLES,
    )


def _stream(role: str, scores: Scores, titles: Mapping[str, str]) -> Stream:
    assert scores.spec is not None  # the workflow scored it
    part, name = scores.parts["test"], scores.run["stream"]
    of_classes = per_class(part.videos, part.labels)
    counts = np.bincount(part.labels, minlength=len(of_classes)).tolist()
    ends = [wilson((v or 0.0) / 100, n) for v, n in zip(of_classes, counts, strict=True)]
    return Stream(
        role,
        titles.get(name, name),
        scores.spec.stream.input,
        softmax(part.videos),
        np.split(softmax(part.clips), np.cumsum(part.counts)[:-1]),
        topk(part.videos, part.labels, 1),
        of_classes,
        accuracies(part.videos, part.labels)["top1"],
        [(100 * low, 100 * high) for low, high in ends],
    )


@dataclass(frozen=True)
class Sections:
    """Parts of the sections of all classes.

    Attributes:
        reader: the clips.
        test: test videos and their labels, the same for all streams.
        shown: student and teacher, with their scores over time.
        names: the classes in label order.
        length: frames of a clip.
    """

    reader: Reader
    test: Part
    shown: Sequence[Stream]
    names: Sequence[str]
    length: int

    @property
    def data(self) -> DataSpec:
        """How the clips were made."""
        return DataSpec.model_validate(self.reader.spec)

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.data.rgb.fps

    @property
    def stride(self) -> int:
        """Frames from one frame of a clip to the next."""
        return self.data.flow.stride

    def own(self, label: int) -> list[int]:
        """Return the indices of a class's test videos."""
        return np.flatnonzero(self.test.labels == label).tolist()

    def chosen(self, label: int) -> dict[bool, int | None]:
        """Choose the recognised and the mistaken video with the student's highest probability."""
        student = self.shown[0]
        certain = student.videos.max(axis=1)
        found = {r: [i for i in self.own(label) if student.right[i] == r] for r in SAMPLES}
        return {r: max(own, key=lambda i: certain[i], default=None) for r, own in found.items()}

    def predictions(self, index: int) -> list[dict[str, Any]]:
        """Return the answers of student and teacher for a video, with their probabilities."""
        return [
            {
                "right": bool(stream.right[index]),
                "taken_for": self.names[int(stream.videos[index].argmax())],
                "certain": float(stream.videos[index].max()),
                "truth": float(stream.videos[index, self.test.labels[index]]),
            }
            for stream in self.shown
        ]

    def sample(self, index: int) -> dict[str, Any]:
        """Return frames, flow and scores of a video, for the template."""
        id = self.test.ids[index]
        count = self.reader.videos[id].frames("rgb")
        last = count - 1 - self.stride  # of the frames that have flow
        row = read_row(self.reader, id, [min(i, last) for i in middles(count, COLUMNS)])
        full = full_speed(row.flow)
        frames, flow = strips(row, full)
        drawn = self._over_time(index, id, count / self.fps)
        about = {"id": id, "frames": frames, "flow": flow, "full": full}
        about["period"] = self.data.flow.period()
        return {**about, "chart": drawn, "predictions": self.predictions(index)}

    def _over_time(self, index: int, id: str, duration: float) -> Chart:
        """Draw the probability of the truth and of the strongest other class, clip by clip."""
        label = int(self.test.labels[index])
        lines = []
        for stream, side in zip(reversed(self.shown), (-1, 1), strict=True):
            scores = stream.clips[index]
            spans = self._spans(id, stream.input, len(scores))
            others = scores.copy()
            others[:, label] = -1
            for style, labels in (("truth", [label] * len(scores)), ("other", others.argmax(1))):
                values = [float(row[k]) for row, k in zip(scores, labels, strict=True)]
                texts = [
                    f"{stream.title}, {a:.2f} to {b:.2f} s: {self.names[k]} {value:.0%}"
                    for (a, b), k, value in zip(spans, labels, values, strict=True)
                ]
                down = side * APART / 2
                lines.append(Line(f"{stream.role} {style}", spans, values, texts, down))
        return chart(lines, duration)

    def _spans(self, id: str, modality: str, count: int) -> list[tuple[float, float]]:
        """Return the seconds that each clip shows; a video shorter than a clip has one span."""
        frames, fps = self.reader.videos[id].frames(modality), self.fps
        positions = clips.scoring_positions(frames, self.length, stride=self.stride)
        if len(positions) != count:
            raise PageError(
                f"{self.reader.path}: {id} has {len(positions)} {modality} clips of {self.length} "
                f"frames, and the scores are of {count}; run `snakemake --cores all` again"
            )
        return [(float(p.min()) / fps, float(p.max() + 1) / fps) for p in positions]
