"""What the losses cost: forward and backward of each alone, on features of two networks.

    python benchmarks/losses.py

Prints milliseconds of processor time on one thread, the least of several runs, for the default
settings of each loss. The features are random, of the shapes of the default network with 16 clips
of 16 x 48 x 48, and of ResNeXt-101 with 4 clips of 16 x 112 x 112.
"""

from __future__ import annotations

import time

import torch
from machine import machine
from torch import nn

from dsnet import registry
from dsnet.experiment.terms import EVERY, Losses

NETWORKS = {
    "default network": (16, 8, (8, 16, 32, 64, 96), ((8, 12), (8, 12), (4, 6), (2, 3), (1, 2)), 50),
    "ResNeXt-101": (
        *(4, 101, (64, 256, 512, 1024, 2048)),
        *(((8, 28), (8, 28), (4, 14), (2, 7), (1, 4)), 5),
    ),
}
LINEAR = {"projector": "linear"}
ALONE = ("mae", "gram", "dist", "dkd", "pkd", "at", "srd", "trusted", "cka")
LOSSES = {name: (name, {}) for name in ALONE}
LOSSES["pkd, low levels"] = ("pkd", {"levels": EVERY[:3]})
LOSSES["srd, all levels"] = ("srd", {"levels": EVERY})
LOSSES["srd, linear"] = ("srd", LINEAR)
LOSSES["srd, linear, all levels"] = ("srd", {**LINEAR, "levels": EVERY})


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    print(machine("torch") + "\n")
    print(f"| | {' | '.join(LOSSES)} |")
    print("|---" * (len(LOSSES) + 1) + "|")
    for network, (clips, classes, channels, sizes, runs) in NETWORKS.items():
        shapes = {
            level: (clips, c, frames, side, side)
            for level, c, (frames, side) in zip(EVERY, channels, sizes, strict=False)
        }
        shapes |= {"avgpool": (clips, channels[-1]), "logits": (clips, classes)}
        found = [_milliseconds(name, options, shapes, runs) for name, options in LOSSES.values()]
        print(f"| {network} | {' | '.join(f'{value:.1f}' for value in found)} |")


def _milliseconds(
    name: str, options: dict[str, object], shapes: dict[str, tuple[int, ...]], runs: int
) -> float:
    """Measure one loss."""
    torch.manual_seed(0)
    own, theirs = ({k: torch.randn(v).relu_() for k, v in shapes.items()} for _ in range(2))
    student = {k: v.requires_grad_() for k, v in own.items()}
    term = Losses.model_validate({name: options}).terms()[name]
    offers = {"level_channels": lambda: {k: v[1] for k, v in shapes.items()}}
    loss: nn.Module = registry.make(name, "LOSSES", name, offers=offers, **term.arguments())
    labels = [torch.arange(len(own["logits"])) % 8] if name in ("dkd", "trusted") else []
    taken = []
    for _ in range(runs):
        for value in student.values():
            value.grad = None
        before = time.process_time()
        loss(student, theirs, *labels).backward()
        taken.append(time.process_time() - before)
    return 1e3 * min(taken)


if __name__ == "__main__":
    main()
