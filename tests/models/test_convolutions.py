"""Other forms of convolutions are the same function, and the fastest is taken."""

import time

import pytest
import torch
from torch import nn

from dsnet import models
from dsnet.models import convolutions
from dsnet.models.convolutions import FormedConv3d, forms
from dsnet.models.frozen import Frozen

ARCH = {"layers": [1, 2, 1, 1], "widths": [8, 16, 16, 16], "stem": 8, "stem_kernel": 3}
GROUPED = [
    FormedConv3d(32, 64, 3, stride=stride, padding=1, groups=groups, bias=bias)
    for stride, groups, bias in ((1, 32, False), (2, 8, True), (1, 4, False))
]
STEMS = [
    FormedConv3d(3, 8, kernel, stride=(1, 2, 2), padding=kernel // 2, bias=kernel == 5)
    for kernel in (3, 5, 7)
]


def results(conv: FormedConv3d, input: torch.Tensor) -> list[torch.Tensor]:
    """The output, and the gradients of the input and of all parameters."""
    output = conv(input)
    seed = torch.randn(output.shape, generator=torch.manual_seed(1)).to(output)
    return [output, *torch.autograd.grad(output, [input, *conv.parameters()], seed)]


@pytest.mark.parametrize("conv", [*GROUPED, *STEMS], ids=str)
def test_a_form_has_the_same_results_and_gradients(conv):
    conv = conv.double().to(memory_format=torch.channels_last_3d)
    input = torch.randn(2, conv.in_channels, 3, 8, 6, dtype=torch.float64)
    input = input.to(memory_format=torch.channels_last_3d).requires_grad_()
    plain = results(conv, input)
    others = {name: form for name, form in forms(conv, input.shape).items() if form}
    assert len(others) == (1 if conv.groups == 1 else conv.groups.bit_length() - 1)
    for conv.form in others.values():
        torch.testing.assert_close(results(conv, input), plain, rtol=1e-12, atol=1e-12)
    conv.form = None


@pytest.mark.parametrize("side", [(7, 8), (8, 7)])
def test_only_pictures_with_even_sides_are_folded(side):
    assert list(forms(STEMS[0], torch.Size((1, 3, 4, *side)))) == ["as it is"]


@pytest.mark.parametrize("wanted", ["as it is", "4 groups merged", "2x2 pixels folded"])
@pytest.mark.parametrize("teacher", [False, True])
def test_the_fastest_form_is_taken_and_nothing_else_changes(monkeypatch, wanted, teacher):
    network = models.build({"backbone": "resnext3d", "cardinality": 4, **ARCH}, "rgb", 5).train()
    trained = Frozen(network).network if teacher else network
    clips = torch.randn(2, 3, 4, 16, 16)
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    expected = trained(clips)
    trained.load_state_dict(before)
    tried = []

    def measured(run):
        """As if ``wanted`` took a millisecond and any other form two."""
        run()
        tried.append(name_of(run.args[0], run.args[1].shape))
        return 1e-3 if tried[-1] == wanted else 2e-3

    convolutions.tune(trained, clips, measured)
    assert trained.training != teacher
    convs = [module for module in trained.modules() if isinstance(module, FormedConv3d)]
    assert len(convs) == 6
    stem, grouped = convs[0], convs[1:]
    assert (stem.form is convolutions.folded) == (wanted == "2x2 pixels folded")
    assert all((conv.form is not None) == (wanted == "4 groups merged") for conv in grouped)
    # The second block of layer2 has a stride and an input of its own.
    assert len(tried) == 2 + 5 * 3
    for name, value in trained.state_dict().items():
        assert torch.equal(value, before[name])
    torch.testing.assert_close(trained(clips), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("channels", "groups", "count"),
    [(128, 32, 2), (256, 32, 1), (64, 32, 4), (96, 3, 1), (16, 4, 1), (3, 1, 1)],
)
def test_on_a_cpu_groups_of_wide_convolutions_fill_a_vector(channels, groups, count):
    conv = FormedConv3d(channels, channels, 3, groups=groups)
    convolutions.suit_cpu(nn.Sequential(conv))
    assert (conv.form.keywords["count"] if conv.form else 1) == count


def name_of(conv: FormedConv3d, shape: torch.Size) -> str:
    """The name of the form that a convolution has."""
    known = forms(conv, shape)
    return next(n for n, form in known.items() if str(form) == str(conv.form))


def test_a_trained_convolution_is_measured_with_its_gradients():
    conv = nn.Sequential(FormedConv3d(4, 4, 3, padding=1, groups=2), nn.BatchNorm3d(4))
    clips, asked = torch.randn(1, 4, 2, 6, 6), []
    conv[0].weight.register_hook(lambda gradient: asked.append(gradient))
    convolutions.tune(conv, clips, lambda run: time_of(run))
    assert len(asked) == 2
    asked.clear()
    conv.requires_grad_(False)
    convolutions.tune(conv, clips, lambda run: time_of(run))
    assert asked == []


def time_of(run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
