"""3D convolutions in other forms, and the choice of the fastest by measurement.

A form changes neither the parameters nor the result, up to rounding. With few channels in a group
or input, most arithmetic units are idle. So forms with more arithmetic can be faster.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Form = Callable[["FormedConv3d", Tensor], Tensor]
Measure = Callable[[Callable[[], object]], float]
REPEATS = 5  # of a measurement
LANES, WIDE = 8, 64


class FormedConv3d(nn.Conv3d):
    """A convolution whose ``form`` can be set; see :func:`forms`."""

    form: Form | None = None

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, in_channels, T, H, W) to (N, out_channels, T', H', W')."""
        return super().forward(input) if self.form is None else self.form(self, input)


def merged(conv: FormedConv3d, input: Tensor, count: int) -> Tensor:
    """Convolve (N, C, T, H, W), ``count`` groups as one with a block-diagonal weight."""
    out, channels, *kernel = conv.weight.shape
    groups = conv.groups // count
    blocks = conv.weight.view(groups, count, out // conv.groups, channels, *kernel)
    eye = torch.eye(count, device=input.device, dtype=blocks.dtype)
    eye = eye.view(1, count, 1, count, 1, *[1] * len(kernel))
    weight = (blocks.unsqueeze(3) * eye).reshape(out, count * channels, *kernel)
    weight = weight.contiguous(memory_format=torch.channels_last_3d)
    return F.conv3d(input, weight, conv.bias, conv.stride, conv.padding, conv.dilation, groups)


def folded(conv: FormedConv3d, input: Tensor) -> Tensor:
    """Convolve (N, C, T, H, W), H and W even, with 2x2 pixels folded into channels.

    So a stride of 2 becomes 1.
    """
    kernel, padding = conv.kernel_size[1], int(conv.padding[1])
    before = padding % 2  # zeros in front of the kernel, so that it starts with a pair of pixels
    after = (kernel + before) % 2
    weight = _fold(F.pad(conv.weight, (before, after, before, after)))
    first = (padding + before) // 2  # pairs in front of the picture
    last = weight.shape[-1] - 1 - first
    pairs = F.pad(_fold(input), (first, last, first, last))
    stride, padding_in_time = (conv.stride[0], 1, 1), (int(conv.padding[0]), 0, 0)
    return F.conv3d(pairs, weight, conv.bias, stride, padding_in_time)


def _fold(x: Tensor) -> Tensor:
    """Map (N, C, T, 2H, 2W) to (N, 4C, T, H, W)."""
    n, channels, t, height, width = x.shape
    x = x.view(n, channels, t, height // 2, 2, width // 2, 2).permute(0, 1, 4, 6, 2, 3, 5)
    x = x.reshape(n, 4 * channels, t, height // 2, width // 2)
    return x.contiguous(memory_format=torch.channels_last_3d)


def forms(conv: FormedConv3d, shape: torch.Size) -> dict[str, Form | None]:
    """Return the forms for an input of a shape, (N, C, T, H, W), by name."""
    found: dict[str, Form | None] = {"as it is": None}
    count = 2
    while conv.groups % count == 0:
        found[f"{count} groups merged"] = partial(merged, count=count)
        count *= 2
    sides = {conv.kernel_size[1:], tuple(2 * int(side) + 1 for side in conv.padding[1:])}
    even = all(side % 2 == 0 for side in shape[-2:])
    if conv.groups == 1 and conv.stride[1:] == (2, 2) and len(sides) == 1 and even:
        found["2x2 pixels folded"] = folded
    return found


def suit_cpu(network: nn.Module) -> None:
    """Merge the groups of wide convolutions that fill less than a CPU's vector of 8 float32.

    That is layer1 of ResNeXt-101, with 4 channels in a group. Narrow networks gain nothing.
    """
    for conv in network.modules():
        if isinstance(conv, FormedConv3d) and conv.in_channels >= WIDE:
            count = math.gcd(conv.groups, LANES // min(conv.in_channels // conv.groups, LANES))
            conv.form = partial(merged, count=count) if count > 1 else None


def on_gpu(run: Callable[[], object]) -> float:
    """Measure the least seconds that a GPU takes for ``run``, after a first time."""
    run()
    events = [[torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in range(REPEATS)]
    for start, end in events:
        start.record()
        run()
        end.record()
    torch.cuda.synchronize()
    return min(start.elapsed_time(end) for start, end in events) / 1e3


def tune(network: nn.Module, clips: Tensor, measure: Measure = on_gpu) -> list[str]:
    """Give every :class:`FormedConv3d` of a network its fastest form for ``clips``.

    Convolutions of one shape are measured once, with their gradients if they are trained.
    ``measure`` returns the seconds that a function takes. Returns what was found, for a log.
    """
    found: list[str] = []
    alike: dict[Hashable, list[FormedConv3d]] = defaultdict(list)
    inputs: dict[Hashable, Tensor] = {}

    def note(conv: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        assert isinstance(conv, FormedConv3d)
        (input,) = arguments
        trained = (input.requires_grad, conv.weight.requires_grad)
        key = (input.shape, conv.weight.shape, conv.stride, trained)
        alike[key].append(conv)
        inputs.setdefault(key, input.detach().requires_grad_(input.requires_grad))

    convs = [module for module in network.modules() if isinstance(module, FormedConv3d)]
    hooks = [conv.register_forward_pre_hook(note) for conv in convs]
    was_training = network.training
    network.eval()(clips)  # in training mode, batch norm would count these clips
    network.train(was_training)
    for hook in hooks:
        hook.remove()
    for key, convs in alike.items():
        conv, input = convs[0], inputs[key]
        known, seconds = forms(conv, input.shape), {}
        for name, conv.form in known.items():
            seconds[name] = measure(partial(_pass, conv, input))
        fastest = min(seconds, key=seconds.__getitem__)
        for each in convs:
            each.form = known[fastest]
        times = ", ".join(f"{name} {1e3 * value:.3f} ms" for name, value in seconds.items())
        shapes = f"{tuple(conv.weight.shape)} of {tuple(input.shape)}"
        found.append(f"{len(convs)} convolutions {shapes}: {fastest} ({times})")
    return found


def _pass(conv: FormedConv3d, input: Tensor) -> None:
    """Compute a convolution, and its gradients if it is trained."""
    output = conv(input)
    if output.requires_grad:
        trained = [tensor for tensor in (conv.weight, input) if tensor.requires_grad]
        torch.autograd.grad(output, trained, torch.ones_like(output))
