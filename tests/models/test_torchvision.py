"""torchvision's networks: to the last bit as torchvision computes them, and as dsnet needs them."""

import re

import numpy as np
import pytest
import torch
from networks import filled
from project import ROOT
from specs import make_spec, terms
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from dsnet import clips, export, losses, models, registry, vision
from dsnet.experiment.data import Clips
from dsnet.experiment.terms import MAE, Gram
from dsnet.training.batch_norm import SyncBatchNorm, synchronise_batch_norm
from dsnet.training.gradients import gradient_norms

RESNETS = ("r3d_18", "mc3_18", "r2plus1d_18")
NAMES = (*RESNETS, "swin3d_t")
# The modules of torchvision's networks that put out the levels.
PLACES = {
    **{name: ("stem", "layer1", "layer2", "layer3", "layer4", "avgpool") for name in RESNETS},
    "swin3d_t": ("patch_embed", *(f"features.{number}" for number in (0, 2, 4, 6)), "avgpool"),
}
INDEX = "relative_position_index"  # of swin3d_t, not drawn


def weights_of(network):
    """Drawn weights by key, also of the norms."""
    shapes = {k: v.shape for k, v in network.state_dict().items() if not k.endswith(INDEX)}
    return filled(shapes)


def theirs(name, channels, classes=5):
    """torchvision's own network, with a first convolution for ``channels``."""
    network = getattr(vision.module("models.video"), name)(num_classes=classes).eval()
    first = "patch_embed.proj" if name == "swin3d_t" else "stem.0"
    old = network.get_submodule(first)
    form = {key: getattr(old, key) for key in ("kernel_size", "stride", "padding")}
    new = nn.Conv3d(channels, old.out_channels, **form, bias=old.bias is not None)
    network.set_submodule(first, new)
    network.load_state_dict(weights_of(network), strict=False)
    return network


@pytest.mark.parametrize("modality", ["rgb", "flow"])
@pytest.mark.parametrize("name", NAMES)
def test_logits_and_every_level_are_torchvisions_to_the_last_bit(name, modality):
    channels = models.CHANNELS[modality]
    reference = theirs(name, channels)
    own = models.build({"backbone": name}, modality, 5).eval()
    assert list(own.state_dict()) == list(reference.state_dict())
    own.load_state_dict(reference.state_dict())
    seen = []
    for place in PLACES[name]:  # copied at once: what follows may write in place
        hook = lambda module, given, out: seen.append(out.clone())  # noqa: E731
        reference.get_submodule(place).register_forward_hook(hook)
    x = torch.randn(1, channels, 8, 40, 40, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected, (logits, features) = reference(x), own.forward_features(x)
    assert torch.equal(logits, expected)
    assert tuple(features) == own.levels
    for level, out in zip(own.levels, seen, strict=True):
        if name == "swin3d_t" and level != "avgpool":
            out = out.permute(0, 4, 1, 2, 3)
        assert torch.equal(features[level], out.flatten(1) if level == "avgpool" else out), level
    assert features["layer4"].std() > 0


@pytest.mark.parametrize("name", NAMES)
def test_without_weights_it_is_drawn_as_torchvision_draws(name):
    own = []
    for make in (
        lambda: models.build({"backbone": name}, "rgb", 5),
        lambda: getattr(vision.module("models.video"), name)(num_classes=5),
    ):
        torch.manual_seed(3)
        own.append(make().state_dict())
    assert all(torch.equal(own[0][key], value) for key, value in own[1].items())


def test_a_first_convolution_for_flow_is_drawn_alike():
    """He et al. 2015, by the outputs of a channel: 45 of 7x7 here."""
    drawn = models.build({"backbone": "r2plus1d_18"}, "flow", 5).stem[0].weight
    assert drawn.shape == (45, 2, 1, 7, 7)
    assert drawn.std().item() == pytest.approx((2 / (45 * 49)) ** 0.5, rel=0.05)


@pytest.mark.parametrize("name", NAMES)
def test_rgb_is_normalised_as_the_weights_know_it(name):
    preset = vision.module("models").get_model_weights(name).DEFAULT.transforms()
    mean, std = (np.float64(numbers) for numbers in (preset.mean, preset.std))
    pixels = np.random.default_rng(2).integers(0, 256, (2, 3, 8, 8, 3), np.uint8)
    network = models.build({"backbone": name}, "rgb", 5)
    settings = Clips().model_copy(update=network.statistics)
    found = clips.normalise(torch.from_numpy(pixels), "rgb", settings)
    expected = ((pixels / 255.0 - mean) / std).transpose(0, 4, 1, 2, 3)
    np.testing.assert_allclose(found, expected, atol=2e-6)
    ratio = np.mean(255 * std) / settings.flow_std  # flow beside RGB as in MARS
    assert ratio == pytest.approx(1)
    assert settings.flow_mean == 127.5


@pytest.mark.parametrize("name", NAMES)
def test_a_frozen_teacher_folds_all_its_batch_norms(name):
    network = models.build({"backbone": name}, "flow", 5)
    network.load_state_dict(weights_of(network), strict=False)
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm3d)]
    assert len(norms) == {"r2plus1d_18": 37, "swin3d_t": 0}.get(name, 20)
    assert len(list(network.folds())) == len(norms)
    x = torch.randn(1, 2, 4, 32, 32)
    frozen, (logits, features) = models.Frozen(network)(x), network.eval().forward_features(x)
    for level, expected in {**features, "logits": logits}.items():
        torch.testing.assert_close(frozen[level], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_planning_reads_levels_and_first_layer(name):
    place = registry.BACKBONES[name]
    network = models.build({"backbone": name}, "rgb", 5)
    assert registry.constant(place, "levels", ()) == network.levels
    first = network.get_submodule(registry.constant(place, "first", "conv1"))
    assert isinstance(first, nn.Conv3d)
    assert first.in_channels == 3
    last = network.get_submodule(network.classifier)
    assert last.out_features == 5


@pytest.mark.parametrize("name", NAMES)
def test_torchvisions_file_is_known_and_started_from(name, tmp_path, capsys):
    reference = theirs(name, 3, classes=400)
    torch.save(reference.state_dict(), tmp_path / "their.pth")
    found = models.inspect(tmp_path / "their.pth")
    assert (found.arch, found.input, found.num_classes) == ({"backbone": name}, "rgb", 400)
    assert found.ignored == []
    assert name in found.summary()
    network = models.build({"backbone": name}, "flow", 7)
    last, first = network.classifier, network.first
    expected = [f"{first}.weight", f"{last}.weight", f"{last}.bias"]
    assert models.start_from(network, tmp_path / "their.pth") == expected
    own = network.state_dict()
    kept = {key for key, value in reference.state_dict().items() if torch.equal(own[key], value)}
    assert own.keys() - kept <= {*expected}
    for suffix in ("pt", "pth"):
        models.convert(tmp_path / "their.pth", tmp_path / f"own.{suffix}")
        converted = models.load_checkpoint(tmp_path / f"own.{suffix}")
        x = torch.randn(1, 3, 4, 32, 32)
        with torch.no_grad():
            assert torch.equal(converted(x), reference(x))
    network = models.build({"backbone": "resnext3d"}, "rgb", 7)
    with pytest.raises(models.CheckpointError, match="has the weights of another network"):
        models.start_from(network, tmp_path / "their.pth")


def test_the_batch_norms_of_all_processes_are_synchronised():
    network = models.build({"backbone": "r2plus1d_18"}, "rgb", 5)
    synchronise_batch_norm(network, torch.device("cpu"))
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm3d)]
    assert len(norms) == 37
    assert all(isinstance(norm, SyncBatchNorm) for norm in norms)


@pytest.mark.parametrize(
    ("name", "deepest"), [("r2plus1d_18", "layer4"), ("swin3d_t", "features.6")]
)
def test_the_gradient_of_the_deepest_level_is_watched(name, deepest):
    network = models.build({"backbone": name}, "rgb", 5)
    norms = gradient_norms(network, {"ce": network(torch.randn(1, 3, 4, 32, 32)).square().sum()})
    assert set(norms) == {"grad_ce", f"grad_{deepest}"}
    assert 0 < norms[f"grad_{deepest}"] < norms["grad_ce"]


@pytest.mark.parametrize("name", NAMES)
def test_a_student_is_distilled_on_every_level(name):
    teacher, student = (models.build({"backbone": name}, m, 5) for m in ("flow", "rgb"))
    chosen = terms({"mae": MAE().values(), "gram": Gram(normalize="channels").values()})
    task = losses.build(teacher, chosen, {})
    batch = {"rgb": torch.randn(2, 3, 4, 32, 32), "flow": torch.randn(2, 2, 4, 32, 32)}
    _, found = task(student.train(), batch, torch.tensor([0, 1]))
    assert set(found) == {"ce", "mae", "gram"}
    for term in ("mae", "gram"):
        student.zero_grad()
        found[term].backward(retain_graph=True)
        last = student.get_submodule(student.deepest())
        assert all(p.grad.isfinite().all() for p in student.parameters() if p.grad is not None)
        for module in (student.get_submodule(student.first), last):
            assert any(p.grad is not None and p.grad.any() for p in module.parameters())


@pytest.mark.parametrize("kind", ["pt2", "onnx"])
@pytest.mark.parametrize("name", ["r2plus1d_18", "swin3d_t"])
def test_an_exported_network_answers_as_pytorch(name, kind, tmp_path):
    network = models.build({"backbone": name}, "flow", 2)
    network.load_state_dict(weights_of(network), strict=False)
    spec = make_spec(clips={"crop": 32}).values()
    content = {
        **{"format": "dsnet-model", "version": 1, "arch": {"backbone": name}, "input": "flow"},
        **{"classes": ["a", "b"], "state_dict": network.state_dict(), "provenance": {}},
        "spec": {**spec, "model": {"backbone": name, "options": {}}},
    }
    models.save(tmp_path / "model.pt", content)
    assert export.export(tmp_path / "model.pt", tmp_path / f"model.{kind}", kind) < 1e-4


def test_the_page_says_what_the_networks_are():
    page = (ROOT / "docs/backbones.md").read_text(encoding="utf-8")
    lines = [line.split("|")[1:-1] for line in page.splitlines() if line.startswith("| ")]
    rows = [[cell.strip(" `") for cell in line] for line in lines if len(line) == 6][1:]
    assert [name for name, *_ in rows if name] == [*registry.BACKBONES]
    for name, _, parameters, gflops, size, channels in rows:
        shape = [1, 3, *map(int, re.findall(r"\d+", size))]
        with torch.device("meta"), FlopCounterMode(display=False) as counter:
            network = models.build({"backbone": name or "swin3d_t"}, "rgb", 400).eval()
            _, features = network.forward_features(torch.empty(shape))
        assert int(gflops) == round(counter.get_total_flops() / 1e9)
        if name:
            millions = sum(p.numel() for p in network.parameters()) / 1e6
            assert float(parameters) == round(millions, 1)
            assert list(map(int, channels.split(","))) == [f.shape[1] for f in features.values()]
