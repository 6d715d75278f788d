"""The network against MARS's, its smaller relatives, attention fusion and checkpoint files."""

import json
import zlib

import numpy as np
import pytest
import torch

from dsnet.models import (
    LEVELS,
    AttentionFusion,
    CheckpointError,
    ResNeXt3D,
    build,
    load_model,
    read,
    resnext3d_101,
    save,
    start_from,
)

SMALL = {"layers": [1, 1, 1, 1], "widths": [4, 4, 8, 8], "stem": 4, "cardinality": 2}


def fixture_weights(network):
    """Fill a network as the parity fixtures' description says, each tensor from its own key."""
    weights = {}
    for key, value in network.state_dict().items():
        r, shape = np.random.default_rng(zlib.crc32(key.encode())), tuple(value.shape)
        if key.endswith("num_batches_tracked"):
            filled = np.zeros(shape)
        elif key.endswith("running_var"):
            filled = r.uniform(0.5, 1.5, shape)
        elif key.endswith("running_mean"):
            filled = 0.1 * r.standard_normal(shape)
        elif len(shape) == 5:
            filled = np.sqrt(2 / np.prod(shape[1:])) * r.standard_normal(shape)
        elif len(shape) == 2:
            filled = r.standard_normal(shape) / np.sqrt(shape[1])
        elif key.endswith("weight"):
            filled = r.uniform(0.25, 0.75, shape)
        else:
            filled = 0.1 * r.standard_normal(shape)
        weights[key] = torch.from_numpy(np.asarray(filled, np.float32)).to(value.dtype)
    network.load_state_dict(weights)
    return network.eval()


def test_resnext101_has_the_keys_and_shapes_of_mars(shared_fixtures):
    recorded = json.loads((shared_fixtures / "mars_resnext101_rgb_16f_101.json").read_text())
    with torch.device("meta"):
        own = [[k, list(v.shape)] for k, v in resnext3d_101(101).state_dict().items()]
    assert own == recorded["keys"]


def test_resnext101_computes_what_mars_computes(shared_fixtures):
    recorded = np.load(shared_fixtures / "mars_resnext101_rgb_16f_101.npz")
    network = fixture_weights(resnext3d_101(101))
    noise = np.random.default_rng(7).standard_normal((1, 3, 16, 112, 112))
    with torch.no_grad():
        logits, found = network.forward_features(torch.from_numpy((40 * noise).astype(np.float32)))
    np.testing.assert_allclose(logits.numpy(), recorded["logits"], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found["avgpool"].numpy(), recorded["avgpool"], rtol=1e-3, atol=1e-4)
    for level, name in [("stem", "maxpool"), *((f"layer{i}", f"layer{i}") for i in range(1, 5))]:
        values = found[level].numpy()
        assert list(values.shape) == recorded[f"{name}_shape"].tolist()
        sample = values.ravel()[:: max(1, values.size // 997)][:997]
        expected = recorded[f"{name}_sample"]
        scale = np.abs(expected).max()
        np.testing.assert_allclose(sample, expected, rtol=1e-3, atol=1e-4 * scale)


@pytest.mark.parametrize(
    ("channels", "shape", "pooled"), [(3, (16, 112, 112), 2048), (2, (64, 112, 112), 2048)]
)
def test_resnext101_takes_rgb_and_flow_of_16_and_64_frames(channels, shape, pooled):
    with torch.device("meta"):
        network = resnext3d_101(51, channels)
        logits, found = network.forward_features(torch.empty(2, channels, *shape))
    assert logits.shape == (2, 51)
    assert tuple(found) == LEVELS
    assert found["avgpool"].shape == (2, pooled)
    assert found["stem"].shape == (2, 64, shape[0] // 2, 28, 28)
    assert found["layer4"].shape == (2, 2048, shape[0] // 16, 4, 4)


def test_forward_gives_the_logits_of_forward_features():
    network = ResNeXt3D(5, 3, **SMALL).eval()
    x = torch.randn(2, 3, 8, 32, 32)
    assert torch.equal(network(x), network.forward_features(x)[0])


def test_attention_weights_sum_to_one_and_equal_scores_are_kept():
    torch.manual_seed(0)
    fusion = AttentionFusion(5, 8)
    a, b = torch.randn(7, 5), torch.randn(7, 5)
    weights = fusion.weights(a, b)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(7))
    torch.testing.assert_close(fusion(a, b), weights[:, :1] * a + weights[:, 1:] * b)
    torch.testing.assert_close(fusion(a, a), a)


def content(network, classes=("a", "b")):
    return {
        "format": "dsnet-model",
        "version": 1,
        "arch": SMALL,
        "input": "rgb",
        "classes": list(classes),
        "state_dict": network.state_dict(),
        "spec": {"any": 1},
    }


def test_a_saved_model_is_loaded_with_the_same_outputs(tmp_path):
    network = build(SMALL, "rgb", 2).eval()
    save(tmp_path / "model.pt", content(network))
    loaded, found = load_model(tmp_path / "model.pt")
    x = torch.randn(1, 3, 8, 32, 32)
    assert torch.equal(loaded.eval()(x), network(x))
    assert found["spec"] == {"any": 1}


def test_an_rgb_student_starts_from_all_of_a_flow_teacher_but_its_first_convolution(tmp_path):
    teacher, student = build(SMALL, "flow", 2), build(SMALL, "rgb", 2)
    first = student.conv1.weight.clone()
    save(tmp_path / "model.pt", content(teacher))
    assert start_from(student, tmp_path / "model.pt") == ["conv1.weight"]
    assert torch.equal(student.conv1.weight, first)
    theirs = teacher.state_dict()
    assert all(
        torch.equal(value, theirs[key])
        for key, value in student.state_dict().items()
        if key != "conv1.weight"
    )


def test_a_release_of_mars_is_taken_with_its_prefix_and_another_classifier(tmp_path):
    theirs, ours = build(SMALL, "rgb", 9), build(SMALL, "rgb", 2)
    weights = {f"module.{k}": v for k, v in theirs.state_dict().items()}
    torch.save({"epoch": 3, "arch": "resnext-101", "state_dict": weights}, tmp_path / "m.pth")
    assert start_from(ours, tmp_path / "m.pth") == ["fc.weight", "fc.bias"]
    assert torch.equal(ours.layer4[0].conv1.weight, theirs.layer4[0].conv1.weight)


def test_another_network_is_refused_with_the_first_keys_that_differ(tmp_path):
    wider = {**SMALL, "widths": [4, 4, 8, 16]}
    save(tmp_path / "model.pt", content(build(wider, "rgb", 2)))
    with pytest.raises(CheckpointError, match=r"layer4\.0\.conv1\.weight: expected \(8, 16, 1"):
        start_from(build(SMALL, "rgb", 2), tmp_path / "model.pt")


class Evil:
    def __reduce__(self):
        return (print, ("executed",))


def test_code_in_a_file_is_never_executed(tmp_path, capsys):
    torch.save({"state_dict": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(CheckpointError, match=r"evil\.pth cannot be read as weights"):
        read(tmp_path / "evil.pth")
    assert "executed" not in capsys.readouterr().out


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.999])
def test_a_cut_file_is_named(tmp_path, keep):
    save(tmp_path / "model.pt", content(build(SMALL, "rgb", 2)))
    whole = (tmp_path / "model.pt").read_bytes()
    length = keep if isinstance(keep, int) else int(keep * len(whole))
    (tmp_path / "model.pt").write_bytes(whole[:length])
    with pytest.raises(CheckpointError, match=r"model\.pt cannot be read as weights"):
        read(tmp_path / "model.pt")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no checkpoint .*none\.pt"):
        read(tmp_path / "none.pt")
