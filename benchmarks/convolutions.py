"""Forms of ResNeXt-101's convolutions: grouped and merged, plain and folded.

For each shape of a convolution, the milliseconds of one training pass (forward and both gradients)
in every form.
"""

from __future__ import annotations

import argparse
import timeit
from collections.abc import Callable

import torch
from machine import machine

from dsnet.arithmetic import PRECISIONS, computing_in
from dsnet.devices import choose_device
from dsnet.models import convolutions
from dsnet.models.resnext3d import resnext3d_101


def on_cpu(run: Callable[[], object]) -> float:
    """Measure the least seconds of some runs, after a first."""
    run()
    return min(timeit.repeat(run, number=1, repeat=convolutions.REPEATS))


def main() -> None:
    """Measure all forms and print a line for each shape."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=4, help="clips per pass")
    parser.add_argument("--frames", type=int, default=16, help="frames per clip")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = choose_device(options.device)
    network = resnext3d_101(101).to(device, memory_format=torch.channels_last_3d)
    clips = torch.randn(options.batch, 3, options.frames, 112, 112, device=device)
    clips = clips.to(memory_format=torch.channels_last_3d)
    measure = on_cpu if device.type == "cpu" else convolutions.on_gpu
    print(f"{machine('torch')}; {device}, {options.precision}")
    with computing_in(options.precision, device):
        for line in convolutions.tune(network, clips, measure):
            print(line)


if __name__ == "__main__":
    main()
