"""SlowOnly against its definition, and mmaction2's files of it."""

import numpy as np
import pytest
import torch
from networks import filled
from specs import DS, make_spec
from torch.nn import functional as F

from dsnet import training
from dsnet.clips import normalise
from dsnet.experiment.data import Clips
from dsnet.experiment.networks import Model
from dsnet.models import (
    CheckpointError,
    Frozen,
    build,
    convert,
    inspect,
    load_checkpoint,
    load_model,
    load_trained,
    start_from,
)
from dsnet.models.slowonly import SlowOnly
from dsnet.provenance import file_digest

ARCH = {"backbone": "slowonly_r50"}
# Feichtenhofer et al. 2019, table 1, slow pathway: blocks, channels within, frames of a kernel.
STAGES = ((3, 64, 1), (4, 128, 1), (6, 256, 3), (3, 512, 3))


def published(channels, classes=400, stages=STAGES):
    """mmaction2's keys and their shapes, by the paper's table 1 and mmaction2's names.

    Every convolution is a module with ``conv``, which has no bias, and ``bn``. The first block of
    each stage projects its shortcut.
    """
    shapes = {}

    def convolution(at, *shape):
        shapes[f"backbone.{at}.conv.weight"] = shape
        for name in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"backbone.{at}.bn.{name}"] = shape[:1]
        shapes[f"backbone.{at}.bn.num_batches_tracked"] = ()

    before = stages[0][1]
    convolution("conv1", before, channels, 1, 7, 7)
    for stage, (blocks, within, frames) in enumerate(stages, start=1):
        for block in range(blocks):
            at, out = f"layer{stage}.{block}", 4 * within
            convolution(f"{at}.conv1", within, before, frames, 1, 1)
            convolution(f"{at}.conv2", within, within, 1, 3, 3)
            convolution(f"{at}.conv3", out, within, 1, 1, 1)
            if block == 0:
                convolution(f"{at}.downsample", out, before, 1, 1, 1)
            before = out
    shapes["cls_head.fc_cls.weight"] = (classes, before)
    shapes["cls_head.fc_cls.bias"] = (classes,)
    return shapes


def plain(weights, x, stages=STAGES):
    """Logits and features by level in eval mode, of mmaction2's keys, from the paper's table 1."""

    def convolved(x, at, stride=1):
        kernel = weights[f"backbone.{at}.conv.weight"]
        padding = tuple(side // 2 for side in kernel.shape[2:])
        x = F.conv3d(x, kernel, stride=(1, stride, stride), padding=padding)
        scale, shift, mean, variance = (
            weights[f"backbone.{at}.bn.{name}"].reshape(-1, 1, 1, 1)
            for name in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / torch.sqrt(variance + 1e-5) * scale + shift

    x = convolved(x, "conv1", 2).clamp(min=0)
    frames = [F.max_pool2d(frame, 3, stride=2, padding=1) for frame in x.unbind(2)]
    x = torch.stack(frames, 2)
    features = {"stem": x}
    for stage, (blocks, *_) in enumerate(stages, start=1):
        for block in range(blocks):
            at, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            y = convolved(x, f"{at}.conv1").clamp(min=0)
            y = convolved(y, f"{at}.conv2", stride).clamp(min=0)
            y = convolved(y, f"{at}.conv3")
            x = (y + (convolved(x, f"{at}.downsample", stride) if block == 0 else x)).clamp(min=0)
        features[f"layer{stage}"] = x
    features["avgpool"] = x.mean(dim=(2, 3, 4))
    head = weights["cls_head.fc_cls.weight"], weights["cls_head.fc_cls.bias"]
    return F.linear(features["avgpool"], *head), features


def save(path, weights):
    """A file as mmaction2 publishes it: of PyTorch before 1.6, with a description beside."""
    meta = {"mmaction_version": "0.5.0", "config": "model = dict()", "epoch": 196, "iter": 1}
    content = {"meta": meta, "state_dict": weights}
    torch.save(content, path, _use_new_zipfile_serialization=False)
    return path


class Small(SlowOnly):
    """The same with fewer channels and blocks."""

    layers = (1, 2, 1, 2)
    width = 4


SMALL = tuple((blocks, 4 * 2**i, STAGES[i][2]) for i, blocks in enumerate(Small.layers))


@pytest.mark.parametrize(("channels", "numbers"), [(2, 32450960), (3, 32454096)])
def test_it_has_as_many_parameters_as_mmaction2_publishes(channels, numbers):
    """``Parameters`` of configs/recognition/slowonly/metafile.yml, for 400 classes."""
    with torch.device("meta"):
        network = SlowOnly(400, channels)
    assert sum(parameter.numel() for parameter in network.parameters()) == numbers
    counted = [s for k, s in published(channels).items() if "running" not in k and s]
    assert sum(np.prod(shape) for shape in counted) == numbers


def test_its_levels_have_the_sizes_of_the_papers_table():
    with torch.device("meta"):
        logits, found = SlowOnly(400).forward_features(torch.empty(2, 3, 4, 224, 224))
    assert tuple(found) == SlowOnly.levels
    assert {level: tuple(values.shape[1:]) for level, values in found.items()} == {
        "stem": (64, 4, 56, 56),
        "layer1": (256, 4, 56, 56),
        "layer2": (512, 4, 28, 28),
        "layer3": (1024, 4, 14, 14),
        "layer4": (2048, 4, 7, 7),
        "avgpool": (2048,),
    }
    assert logits.shape == (2, 400)


@pytest.mark.parametrize(("channels", "frames", "side"), [(2, 5, (40, 56)), (3, 1, (32, 32))])
def test_it_computes_what_its_definition_says(channels, frames, side):
    shapes = published(channels, 7, SMALL)
    weights = {key: value.double() for key, value in filled(shapes).items()}
    network = Small(7, channels).double()
    network.load_state_dict(dict(zip(network.state_dict(), weights.values(), strict=True)))
    x = 20 * np.random.default_rng(3).standard_normal((2, channels, frames, *side))
    with torch.no_grad():
        logits, found = network.eval().forward_features(torch.from_numpy(x))
        frozen = Frozen(network)(torch.from_numpy(x))
        expected_logits, expected = plain(weights, torch.from_numpy(x), SMALL)
    torch.testing.assert_close(logits, expected_logits)
    torch.testing.assert_close(dict(found), expected)
    torch.testing.assert_close(frozen, {**expected, "logits": expected_logits})


@pytest.mark.parametrize(("stream", "channels"), [("flow", 2), ("rgb", 3)])
def test_mmaction2s_file_is_recognised_and_gives_its_own_outputs(tmp_path, stream, channels):
    weights = filled(published(channels))
    path = save(tmp_path / "slowonly.pth", weights)
    found = inspect(path)
    assert (found.arch, found.input, found.num_classes) == (ARCH, stream, 400)
    assert found.ignored == []
    assert found.summary() == f"mmaction2: SlowOnly R50 for {stream}, 400 classes"
    noise = np.random.default_rng(4).standard_normal((1, channels, 2, 64, 64))
    x = torch.from_numpy(noise.astype(np.float32))
    with torch.no_grad():
        expected, _ = plain(weights, x)
        torch.testing.assert_close(load_checkpoint(path)(x), expected, rtol=1e-4, atol=1e-4)
    convert(path, tmp_path / "ours.pt")
    ours, content = load_model(tmp_path / "ours.pt")
    assert content["arch"] == ARCH
    with torch.no_grad():
        torch.testing.assert_close(ours.eval()(x), expected, rtol=1e-4, atol=1e-4)


def test_a_stream_starts_from_mmaction2s_file_but_for_the_classifier(tmp_path):
    weights = filled(published(2))
    network = build(ARCH, "flow", 51)
    assert start_from(network, save(tmp_path / "flow.pth", weights)) == ["fc.weight", "fc.bias"]
    names = {
        "conv1.weight": "conv1.conv.weight",
        "bn1.running_var": "conv1.bn.running_var",
        "layer3.0.conv1.weight": "layer3.0.conv1.conv.weight",
        "layer4.2.bn3.bias": "layer4.2.conv3.bn.bias",
        "layer2.0.downsample.0.weight": "layer2.0.downsample.conv.weight",
        "layer2.0.downsample.1.running_mean": "layer2.0.downsample.bn.running_mean",
    }
    own = network.state_dict()
    for ours, theirs in names.items():
        assert torch.equal(own[ours], weights[f"backbone.{theirs}"])


def test_a_deeper_networks_file_is_refused(tmp_path):
    """SlowOnly R101 has all tensors of R50, in the same shapes, and 17 blocks more."""
    deeper = (*STAGES[:2], (23, *STAGES[2][1:]), STAGES[3])
    shapes = published(2, stages=deeper)
    path = save(tmp_path / "r101.pth", {k: torch.zeros(()).expand(s) for k, s in shapes.items()})
    said = r"another network \(306 of \d+ keys differ\):\n +layer3\.6\.conv1\.weight: expected none"
    with pytest.raises(CheckpointError, match=said):
        start_from(build(ARCH, "flow", 51), path)
    with pytest.raises(CheckpointError, match="another network"):
        inspect(path)


def test_a_teacher_starts_from_mmaction2s_file_and_teaches(monkeypatch, make_clips, tmp_path):
    for name in ("layers", "width"):
        monkeypatch.setattr(SlowOnly, name, getattr(Small, name))
    path = save(tmp_path / "flow.pth", filled(published(2, stages=SMALL)))
    clips = make_clips(tmp_path / "clips.h5", train=9, test=6)
    specs = [make_spec(name, losses, epochs=1) for name, losses in (("flow", None), ("ds", DS))]
    specs = [spec.model_copy(update={"model": Model(**ARCH)}) for spec in specs]
    training.train(specs[0], clips, tmp_path / "flow", init=path)
    teacher = tmp_path / "flow/model.pt"
    training.train(specs[1], clips, tmp_path / "ds", init=teacher, teacher=teacher)
    _, content = load_trained(tmp_path / "ds/model.pt")
    assert (content["arch"], content["input"]) == (ARCH, "rgb")
    assert content["sources"]["teacher"] == file_digest(teacher)
    history = (tmp_path / "ds/history.csv").read_text()
    assert {"loss_mae", "loss_gram"} <= set(history.splitlines()[0].split(","))


@pytest.mark.parametrize(
    ("modality", "mean", "deviation"),
    [("rgb", [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]), ("flow", [128] * 2, [128] * 2)],
)
def test_the_input_is_normalised_as_mmaction2_does(modality, mean, deviation):
    """``img_norm_cfg`` of its configs."""
    pixels = np.random.default_rng(5).integers(0, 256, (1, 2, 3, 4, len(mean)), np.uint8)
    settings = Clips().model_copy(update=SlowOnly.statistics)
    found = normalise(torch.from_numpy(pixels), modality, settings)
    expected = (pixels.astype(np.float64) - mean) / deviation
    np.testing.assert_allclose(found.permute(0, 2, 3, 4, 1), expected, rtol=1e-5, atol=1e-6)
