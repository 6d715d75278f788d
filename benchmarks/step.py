"""One step of training: dsnet's against a plain implementation of MARS's, in one run.

    python benchmarks/step.py [--batch 4] [--frames 16] [--threads 2] [--device cuda] ...

Prints Markdown; docs/performance.md keeps a run. The same ResNeXt-101 teacher and student, weights
and clips go through

* plain MARS: cross-entropy and 50 x the mean squared error of the pooled features, written down as
  straightforwardly as it can be, in PyTorch's default memory layout;
* dsnet's step with no teacher, with MARS's loss and with the losses of the Dual-action Stream.

A step is the student's forward and backward pass, the frozen teacher's forward pass, all losses
and the update. The floor is the networks themselves: the student forward and backward and the
teacher forward, here as one pass without any distillation loss. The floor of the losses is the
matrix products of the Gram distance, here alone: C x THW by THW x C for the difference of the
matrices, and C x C by C x THW for its gradient, at every level.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable, Mapping

import torch
from machine import machine
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from dsnet import losses as distillation
from dsnet.arithmetic import PRECISIONS
from dsnet.devices import choose_device
from dsnet.experiment.networks import Recipe
from dsnet.experiment.terms import MAE, MSE, Gram, Term
from dsnet.inference import to_device
from dsnet.models import resnext3d_101
from dsnet.training.steps import Classification, Step

CLASSES = 101
RECIPE = Recipe(lr=1e-3)
LOSSES: dict[str, dict[str, Term]] = {
    "no distillation loss": {"mse": MSE(weight=0)},
    "MARS": {"mse": MSE()},
    "DS": {
        "mae": MAE(),
        "gram": Gram(),
    },
}


def plain_mars(
    student: torch.nn.Module, teacher: torch.nn.Module, clips: Mapping[str, Tensor], labels: Tensor
) -> Callable[[], None]:
    """A step of MARS's as its paper describes it."""
    optimizer = torch.optim.SGD(student.parameters(), 1e-3, momentum=0.9, weight_decay=5e-4)
    student.train()
    teacher.eval()

    def step() -> None:
        logits, features = student.forward_features(clips["rgb"])
        with torch.no_grad():
            targets = teacher.forward_features(clips["flow"])[1]
        loss = F.cross_entropy(logits, labels)
        loss = loss + 50 * F.mse_loss(features["avgpool"], targets["avgpool"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def own_step(
    student: torch.nn.Module,
    teacher: torch.nn.Module | None,
    losses: Mapping[str, Term],
    clips: Mapping[str, Tensor],
    labels: Tensor,
    recipe: Recipe,
    device: torch.device,
) -> Callable[[], Mapping[str, Tensor]]:
    """A step of dsnet's trainer, which returns the terms of its loss."""
    task = distillation.build(teacher, losses) if teacher is not None else Classification("rgb")
    to_device(student.train(), device)
    to_device(task, device)
    step = Step(student, task, recipe, device)
    clips = {name: clip.to(memory_format=torch.channels_last_3d) for name, clip in clips.items()}

    def run() -> Mapping[str, Tensor]:
        _, terms = step.forward(clips, labels)
        step.update(terms, 1.0)
        return terms

    return run


def gram_products(teacher: torch.nn.Module, clips: Mapping[str, Tensor]) -> Callable[[], None]:
    """The products that the Gram distance cannot do without, on features of its shapes."""
    with torch.no_grad():
        features = teacher.forward_features(clips["flow"])[1]
    matrices = [features[level].contiguous().flatten(2) for level in Gram().levels]

    def run() -> None:
        for matrix in matrices:
            torch.bmm(torch.bmm(matrix, matrix.mT), matrix)

    return run


def measure(steps: Mapping[str, Callable[[], object]], repeats: int, device: torch.device):
    """Seconds of every step, one number per repetition; all take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for repeat in tqdm(range(-1, repeats), "steps", disable=None):  # the first warms up
        for name, run in steps.items():
            _wait(device)
            start = time.perf_counter()
            run()
            _wait(device)
            if repeat >= 0:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def main() -> None:
    """Measure all steps and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=4, help="clips per step")
    parser.add_argument("--frames", type=int, default=16, help="frames per clip")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32", help="dsnet's only")
    parser.add_argument("--compile", action="store_true", help="dsnet's only")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = choose_device(options.device)
    torch.manual_seed(0)
    student, teacher = resnext3d_101(CLASSES, 3).to(device), resnext3d_101(CLASSES, 2).to(device)
    shape = (options.frames, 112, 112)
    clips = {
        name: torch.randn(options.batch, channels, *shape, device=device)
        for name, channels in (("rgb", 3), ("flow", 2))
    }
    labels = torch.randint(CLASSES, (options.batch,), device=device)
    given = {"precision": options.precision, "compile": options.compile}
    chosen = RECIPE.model_copy(update=given)
    plain = plain_mars(copy.deepcopy(student), copy.deepcopy(teacher), clips, labels)
    steps: dict[str, Callable[[], object]] = {"plain MARS": plain}
    given = (clips, labels, chosen, device)
    steps["dsnet, no teacher"] = own_step(copy.deepcopy(student), None, {}, *given)
    for name, losses in LOSSES.items():
        networks = copy.deepcopy(student), copy.deepcopy(teacher)
        steps[f"dsnet, {name}"] = own_step(*networks, losses, *given)
    steps["the Gram distance's products alone"] = gram_products(teacher, clips)
    seconds = measure(steps, options.repeats, device)
    print(machine("torch"))
    print(
        f"ResNeXt-101, {options.batch} clips of {options.frames} frames, {_name(device, options)}; "
        f"medians of {options.repeats} steps\n"
    )
    report(seconds, options.batch)


def _name(device: torch.device, options: argparse.Namespace) -> str:
    if device.type == "cuda":
        where = torch.cuda.get_device_name(device)
    else:
        where = f"CPU, {options.threads} threads"
    return f"{where}, dsnet in {options.precision}{' compiled' if options.compile else ''}"


def report(seconds: Mapping[str, list[float]], batch: int) -> None:
    """The table; ratios are medians of those of each repetition."""

    def ratio(name: str, base: str) -> float:
        return statistics.median(a / b for a, b in zip(seconds[name], seconds[base], strict=True))

    print("| step | s per clip | times plain MARS | times without distillation loss |")
    print("|---|---|---|---|")
    for name, values in seconds.items():
        own = "" if name == "plain MARS" else f"{ratio(name, 'dsnet, no distillation loss'):.3f}"
        print(
            f"| {name} | {statistics.median(values) / batch:.3f} "
            f"| {ratio(name, 'plain MARS'):.2f} | {own} |"
        )


if __name__ == "__main__":
    main()
