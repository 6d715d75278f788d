"""What the normaliser of the Gram term does to its gradient in ResNeXt-101.

    python benchmarks/normalisers.py

Prints, for each normaliser, the norms of the gradients of cross-entropy, multi-level MAE and Gram
that a student gets from two clips of noise, alpha 50. Student and teacher have drawn weights.
"""

from __future__ import annotations

import torch
from machine import machine

from dsnet import losses
from dsnet.experiment.terms import MAE, Gram
from dsnet.losses.gram import NORMALIZERS
from dsnet.models import CHANNELS, resnext3d_101
from dsnet.training.gradients import gradient_norms

CLASSES, CLIPS, FRAMES = 101, 2, 16


def main() -> None:
    """Print the table."""
    torch.manual_seed(0)
    student, teacher = (resnext3d_101(CLASSES, CHANNELS[name]) for name in ("rgb", "flow"))
    batch = {n: 40 * torch.randn(CLIPS, c, FRAMES, 112, 112) for n, c in CHANNELS.items()}
    labels = torch.arange(CLIPS)
    print(machine("torch") + "\n")
    print("| normalize | cross-entropy | MAE | Gram |")
    print("|---|---|---|---|")
    for normalize in NORMALIZERS:
        mae = MAE()
        gram = Gram(normalize=normalize)
        task = losses.build(teacher, {"mae": mae, "gram": gram})
        norms = gradient_norms(student.train(), task(student, batch, labels)[1])
        shown = " | ".join(f"{norms[f'grad_{term}']:.3g}" for term in ("ce", "mae", "gram"))
        print(f"| {normalize} | {shown} |")


if __name__ == "__main__":
    main()
