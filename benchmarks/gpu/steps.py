"""The parts ``profile``, ``groups``, ``steps`` and ``compiled``: ResNeXt-101's training step."""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any
from unittest.mock import patch

import torch
from convolutions import on_cpu
from gpu.data import SMALL
from gpu.results import OUT, TINY, attempt
from step import CLASSES, LOSSES, RECIPE, measure, own_step
from torch import Tensor, nn
from torch.profiler import ProfilerActivity
from torch.profiler import profile as profiled
from torch.utils.flop_counter import FlopCounterMode

from dsnet import models
from dsnet.arithmetic import computing_in, set_up
from dsnet.devices import choose_device
from dsnet.experiment.networks import Model, Recipe
from dsnet.losses.distillation import Distillation
from dsnet.models import convolutions
from dsnet.training import randomness

ARCH = SMALL if TINY else Model().arch()
BATCH, FRAMES, SIDE = (2, 4, 32) if TINY else (32, 16, 112)
REPEATS = 1 if TINY else 8
LOW = {} if TINY else {"precision": "bfloat16"}  # CPUs have float32 alone
FAST = {**LOW, "deterministic": False, "autotune": True}
# A DS step with keys of `training`, or with other arguments of _make.
CASES: dict[str, dict[str, Any]] = {
    "float32": {},
    "bfloat16": LOW,
    "bfloat16, not deterministic, autotune": FAST,
    "bfloat16, not deterministic": {**LOW, "deterministic": False},
    "bfloat16, autotune": {**LOW, "autotune": True},
    "float16": {"precision": "float16"},
    "float32 without TF32": {"tf32": False},
    "bfloat16, one stream": {**LOW, "overlap": False},
    "bfloat16, 4 groups merged": {**LOW, "merge": 4},
    "bfloat16, 8 groups merged": {**LOW, "merge": 8},
    "bfloat16, all 32 groups merged": {**LOW, "merge": 32},
    "bfloat16, not deterministic, autotune, no teacher": {**FAST, "teacher": False},
}
TINY_CASES = ("float32", "bfloat16, not deterministic, autotune", "bfloat16, 4 groups merged")


def steps() -> None:
    """Time a DS step in every precision, and with what may make it faster."""
    for name in TINY_CASES if TINY else CASES:
        attempt(name, _timed, **CASES[name])


def compiled() -> None:
    """Time a DS step with torch.compile."""
    # Compiling would take a minute on a CPU.
    with patch("torch.compile", lambda module: module) if TINY else nullcontext():
        attempt("compiled, not deterministic, autotune", _timed, compile=True, **FAST)
        if not TINY:
            attempt("compiled", _timed, compile=True, **LOW)


def profile() -> None:
    """Profile a DS step; ``$OUT/profile.txt`` has more."""
    attempt("bfloat16", _profile, **LOW)
    if not TINY:
        attempt("bfloat16, not deterministic, autotune", _profile, **FAST)


def groups() -> None:
    """Time the forms of all convolutions, with and without cuDNN's choice of algorithms."""
    for autotune in (True,) if TINY else (False, True):
        recipe = RECIPE.model_copy(update={**LOW, "autotune": autotune})
        attempt(f"autotune {autotune}", _forms, recipe)


def _clips(device: torch.device) -> dict[str, Tensor]:
    shape = (FRAMES, SIDE, SIDE)
    return {
        name: torch.randn(BATCH, channels, *shape, device=device).to(
            memory_format=torch.channels_last_3d
        )
        for name, channels in models.CHANNELS.items()
    }


def _network(modality: str, device: torch.device) -> nn.Module:
    with device:
        made = models.build(ARCH, modality, CLASSES)
    return made.to(memory_format=torch.channels_last_3d)


def _tune(network: nn.Module, clips: Tensor, recipe: Recipe) -> list[str]:
    seconds = convolutions.on_gpu if clips.is_cuda else on_cpu
    with computing_in(recipe.precision, clips.device):
        return convolutions.tune(network, clips, seconds)


def _forms(recipe: Recipe) -> list[str]:
    device = choose_device("auto")
    set_up(recipe, device)
    return _tune(_network("rgb", device), _clips(device)["rgb"], recipe)


def _make(
    device: torch.device, teacher: bool = True, merge: int = 1, **options: Any
) -> Callable[[], Mapping[str, Tensor]]:
    """Make a step of training; ``merge`` groups of every convolution become one."""
    recipe = RECIPE.model_copy(update=options)
    set_up(recipe, device)
    randomness.seed_everything(0)
    clips, labels = _clips(device), torch.randint(CLASSES, (BATCH,), device=device)
    student = _network("rgb", device)
    target = _network("flow", device).requires_grad_(False) if teacher else None
    run = own_step(student, target, LOSSES["DS"], clips, labels, recipe, device)
    for network, modality in ((student, "rgb"), (target, "flow")):
        if network is not None and recipe.autotune:
            _tune(network, clips[modality], recipe)
        elif network is not None and merge > 1:
            for conv in network.modules():
                if isinstance(conv, convolutions.FormedConv3d) and conv.groups > 1:
                    count = min(merge, conv.groups)
                    conv.form = functools.partial(convolutions.merged, count=count)
    return run


def _timed(overlap: bool = True, **how: Any) -> dict[str, Any]:
    """Time a step; ``overlap``: the passes of student and teacher run at once."""
    device = choose_device("auto")
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    one_by_one = patch.object(Distillation, "_overlapping", Distillation._one_by_one)
    with nullcontext() if overlap else one_by_one:
        start = time.perf_counter()
        run = _make(device, **how)
        terms = run()
        first = {name: float(value.detach()) for name, value in terms.items()}
        begin = time.perf_counter() - start
        seconds = statistics.median(measure({"step": run}, REPEATS, device)["step"])
    found = {"ms": 1e3 * seconds, "clips_per_s": BATCH / seconds, "first_s": begin, "losses": first}
    found["operations_per_s"] = _operations(device, how.get("teacher", True)) / seconds
    if device.type == "cuda":
        found["peak_GiB"] = torch.cuda.max_memory_allocated() / 2**30
    return found


@functools.cache
def _operations(device: torch.device, teacher: bool) -> int:
    """Count the operations of a step, of convolutions and products as they are written."""
    run = _make(device, teacher)
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


def _profile(**how: Any) -> dict[str, list[float]]:
    """Return the microseconds and the calls of the operations that take the longest."""
    device = choose_device("auto")
    run = _make(device, **how)
    measure({"warm": run}, REPEATS, device)
    on_gpu = device.type == "cuda"
    key = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    activities = [ProfilerActivity.CPU, *[ProfilerActivity.CUDA] * on_gpu]
    with profiled(activities=activities) as seen:
        sum(run().values()).item()  # waits for the step
    averages = seen.key_averages()
    with open(OUT / "profile.txt", "a", encoding="utf-8") as file:
        file.write(f"{how}\n{averages.table(sort_by=key, row_limit=40)}\n")
    longest = sorted(averages, key=lambda event: -getattr(event, key))[:15]
    return {event.key[:100]: [round(getattr(event, key)), event.count] for event in longest}
