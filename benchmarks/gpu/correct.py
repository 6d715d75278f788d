"""The parts ``tests`` and ``smoke``: is dsnet right on this machine?"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch
from xml.etree import ElementTree

import pytest
import torch
from gpu.data import SMALL
from gpu.results import DATA, OUT, TINY, attempt, put
from torch import Tensor

from dsnet import evaluation, losses, models, training
from dsnet.arithmetic import PRECISIONS, set_up
from dsnet.devices import choose_device
from dsnet.experiment.networks import Recipe
from dsnet.experiment.specs import TrainSpec
from dsnet.inference import to_device
from dsnet.losses.distillation import Distillation
from dsnet.scores import metrics
from dsnet.training import randomness
from dsnet.training.steps import Step
from dsnet.training.trainer import Trainer

ROOT = Path(__file__).parents[2]
CLASSES, STEPS = 5, 12


def tests() -> None:
    """Run the project's tests that are marked ``gpu``."""
    os.environ["DSNET_TEST_GPU"] = "1"
    os.chdir(ROOT)
    # Other files of tests may import what is not installed here.
    marked = [str(p) for p in Path("tests").rglob("test_*.py") if "mark.gpu" in p.read_text()]
    options = ["-q", "-m", "gpu", "-p", "no:cacheprovider", f"--junitxml={OUT}/tests.xml"]
    code = pytest.main([*options, *sorted(marked)])
    suite = ElementTree.parse(OUT / "tests.xml").find("testsuite")
    assert suite is not None
    counts = {name: int(suite.attrib[name]) for name in ("tests", "skipped", "failures", "errors")}
    put("pytest", counts | ({"error": "see log.txt"} if code else {}))


def smoke() -> None:
    """Take small steps and trainings in every precision, and look at the numbers."""
    device = choose_device("auto")
    precisions = ["float32"] if device.type == "cpu" else list(PRECISIONS)
    attempt("losses and gradients on CPU and GPU", _against_cpu, device)
    attempt("two streams against one", _overlapping, device)
    for precision in precisions:
        attempt(f"{STEPS} steps, {precision}", _steps, precision, device)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for precision in precisions:
            attempt(f"training and scores, {precision}", _train, folder / precision, precision)
        attempt("the same training twice", _twice, folder)


def spec(stream: str, **options: Any) -> TrainSpec:
    """Return a stream's spec with a small network, small clips and changes of its training."""
    given = json.loads((DATA / "specs.json").read_text(encoding="utf-8"))["streams"][stream]
    given["model"], given["clips"]["crop"], given["run"]["clip_length"] = SMALL, 32, 8
    given["stream"]["training"] |= {"epochs": 2, "batch_size": 8, **options}
    return TrainSpec.model_validate(given)


def _step(device: torch.device, **options: Any) -> Step:
    recipe = Recipe(lr=0.01, clip_gradient=5, **options)
    set_up(recipe, device)
    randomness.seed_everything(0)
    student, teacher = (models.build(SMALL, modality, CLASSES) for modality in ("rgb", "flow"))
    task = losses.build(teacher, spec("ds").stream.losses.terms())
    to_device(student.train(), device)
    to_device(task, device)
    return Step(student, task, recipe, device)


def _batch(device: torch.device) -> tuple[dict[str, Tensor], Tensor]:
    draw = torch.Generator().manual_seed(1)
    clips = {
        name: torch.randn(8, channels, 8, 32, 32, generator=draw).mul_(50).to(device)
        for name, channels in models.CHANNELS.items()
    }
    labels = torch.randint(CLASSES, (8,), generator=draw).to(device)
    return {n: clip.to(memory_format=torch.channels_last_3d) for n, clip in clips.items()}, labels


def _against_cpu(gpu: torch.device) -> dict[str, float]:
    """Compare the terms of a first step in float32 and their gradients' norms with a CPU's."""
    found = []
    for device in (torch.device("cpu"), gpu):
        step = _step(device, tf32=False)
        _, terms = step.forward(*_batch(device))
        norms = step.balance(terms, 1.0)[1]
        found.append({**{name: float(value.detach()) for name, value in terms.items()}, **norms})
    expected, values = found
    return _within(0.01, {n: abs(values[n] - v) / abs(v) for n, v in expected.items() if v})


def _within(bound: float, differences: dict[str, float]) -> dict[str, float]:
    if not all(difference <= bound for difference in differences.values()):
        raise ArithmeticError(f"relative differences above {bound}: {differences}")
    return differences


def _overlapping(device: torch.device) -> dict[str, float]:
    """Compare the features of both passes at once, on a GPU, with those of one after the other."""
    step, (batch, _) = _step(device), _batch(device)
    task, network = step.task, step.network.eval()
    assert isinstance(task, Distillation)
    both = task._one_by_one if device.type == "cpu" else task._overlapping
    with torch.no_grad():
        one, two = (run(network, batch)[1:] for run in (task._one_by_one, both))
    return _within(
        1e-3,
        {
            f"{who}, {level}": float((b[level] - a[level]).norm() / a[level].norm())
            for who, a, b in zip(("student", "teacher"), one, two, strict=True)
            for level in a
        },
    )


def _steps(precision: str, device: torch.device) -> dict[str, Any]:
    """Take steps on one batch, whose loss has to fall."""
    step, batch = _step(device, precision=precision), _batch(device)
    seen = []
    for _ in range(STEPS):
        _, terms = step.forward(*batch)
        step.update(terms, 1.0)
        seen.append(float(sum(terms.values()).detach()))
    if not (all(map(math.isfinite, seen)) and seen[-1] < seen[0]):
        raise ArithmeticError(f"the loss does not fall: {seen}")
    return {"first": seen[0], "last": seen[-1], "scale": step.scaler.get_scale()}


def _train(folder: Path, precision: str) -> dict[str, float]:
    """Train a teacher and a student, and score the student, with helper processes on a GPU."""
    clips, teacher = DATA / "clips.h5", folder / "flow/model.pt"
    workers = 0 if TINY else 2
    training.train(spec("flow", precision=precision), clips, folder / "flow", workers=workers)
    given = (clips, folder / "ds", "", teacher, teacher)
    training.train(spec("ds", precision=precision), *given, workers=workers)
    scores = evaluation.evaluate(folder / "ds/model.pt", clips, folder / "scores.h5")
    return metrics(scores.parts["test"])


def _twice(folder: Path) -> dict[str, bool]:
    """Train twice, and a third time with a stop after the first epoch; compare the weights."""
    outputs = [folder / name for name in ("first", "second", "stopped")]
    with suppress(Stopped), patch.object(Trainer, "epoch", _stopping(Trainer.epoch)):
        training.train(spec("flow"), DATA / "clips.h5", outputs[-1])
    found = []
    for output in outputs:
        training.train(spec("flow"), DATA / "clips.h5", output)
        found.append(models.read(output / "model.pt")["last"]["state_dict"])
    first, *others = found
    twice, resumed = (_same(first, other) for other in others)
    if TINY and not (twice and resumed):
        raise ArithmeticError(f"not the same on a CPU: twice {twice}, resumed {resumed}")
    return {"twice": twice, "resumed": resumed}


class Stopped(Exception):
    """Stands for a job that is killed."""


def _stopping(whole: Callable[[Trainer, int], dict[str, float]]) -> Callable[..., Any]:
    """Return a training's ``epoch`` that stops before the second."""

    def epoch(trainer: Trainer, number: int) -> dict[str, float]:
        if number == 1:
            raise Stopped
        return whole(trainer, number)

    return epoch


def _same(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
