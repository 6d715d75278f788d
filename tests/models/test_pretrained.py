"""Weights to start from, ours, MARS's and those of others, and their conversion."""

from pathlib import Path

import pytest
import torch
from networks import SMALL, Evil, content

from dsnet.cli import main
from dsnet.models import (
    CheckpointError,
    build,
    convert,
    inspect,
    load_checkpoint,
    load_model,
    read,
    resnext3d_101,
    save,
    start_from,
    take_all,
)
from dsnet.provenance import canonical


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


@pytest.mark.parametrize("take", [start_from, take_all])
def test_a_classifier_comes_in_the_order_of_our_classes(tmp_path, take):
    theirs, ours = (build(SMALL, "rgb", 3).eval() for _ in range(2))
    save(tmp_path / "model.pt", content(theirs, ("walk", "jump", "run")))
    take(ours, tmp_path / "model.pt", ["jump", "run", "walk"])
    x = torch.randn(2, 3, 8, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x)[:, [1, 2, 0]])


def test_classes_without_names_are_taken_in_the_order_they_have(tmp_path):
    theirs, ours = build(SMALL, "rgb", 2), build(SMALL, "rgb", 2)
    weights = {f"module.{k}": v for k, v in theirs.state_dict().items()}
    torch.save({"epoch": 3, "arch": "resnext-101", "state_dict": weights}, tmp_path / "m.pth")
    convert(tmp_path / "m.pth", tmp_path / "m.pt")
    for name in ("m.pth", "m.pt"):
        take_all(ours, tmp_path / name, ["jump", "run"])
        assert torch.equal(ours.fc.weight, theirs.fc.weight)


@pytest.mark.parametrize(
    ("stream", "classes", "message"),
    [
        ("rgb", ("a", "x"), r"it has other classes, such as x\."),
        (
            "rgb",
            ("a", "b", "c"),
            r"such as c; fc\.weight is \(3, 16\) there and \(2, 16\) here; fc",
        ),
        ("flow", ("a", "b"), r"conv1\.weight is \(4, 2, .*\) there and \(4, 3, .*\) here\."),
    ],
)
def test_what_would_leave_a_weight_drawn_is_not_taken(tmp_path, stream, classes, message):
    save(tmp_path / "model.pt", content(build(SMALL, stream, len(classes)), classes))
    with pytest.raises(CheckpointError, match=r"model\.pt cannot be taken as it is.*" + message):
        take_all(build(SMALL, "rgb", 2), tmp_path / "model.pt", ["a", "b"])


def test_another_network_is_refused_with_the_first_keys_that_differ(tmp_path):
    wider = {**SMALL, "widths": [4, 4, 8, 16]}
    save(tmp_path / "model.pt", content(build(wider, "rgb", 2)))
    with pytest.raises(CheckpointError, match=r"layer4\.0\.conv1\.weight: expected \(8, 16, 1"):
        start_from(build(SMALL, "rgb", 2), tmp_path / "model.pt")


@pytest.mark.parametrize("stream", ["rgb", "flow"])
@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("classes", [400, 101, 51])
@pytest.mark.parametrize("bare", [False, True])
def test_a_network_is_read_from_others_files(tmp_path, caplog, stream, prefix, classes, bare):
    caplog.set_level("INFO")
    theirs = build(SMALL, stream, classes).eval()
    weights = {f"{prefix}{key}": value for key, value in theirs.state_dict().items()}
    weights[f"{prefix}extra.weight"] = torch.zeros(3)
    release = {"epoch": 7, "arch": "resnext-101", "state_dict": weights, "optimizer": {"lr": 0.1}}
    torch.save(weights if bare else release, tmp_path / "theirs.pth")
    found = load_checkpoint(tmp_path / "theirs.pth")
    x = torch.randn(1, theirs.conv1.in_channels, 8, 32, 32)
    assert not found.training
    assert torch.equal(found(x), theirs(x))
    assert f"for {stream}, {classes} classes" in caplog.text
    assert "1 ignored" in caplog.text
    assert ("epoch 7" in caplog.text) != bare


def test_mars_own_network_is_recognised(tmp_path):
    """All of ResNeXt-101; the tensors share one number, so that the file is small."""
    with torch.device("meta"):
        shapes = {k: v.shape for k, v in resnext3d_101(400, 2).state_dict().items()}
    weights = {f"module.{k}": torch.zeros(()).expand(shape) for k, shape in shapes.items()}
    torch.save({"epoch": 250, "arch": "resnext-101", "state_dict": weights}, tmp_path / "m.pth")
    assert (tmp_path / "m.pth").stat().st_size < 1e6
    found = inspect(tmp_path / "m.pth")
    assert (found.network.depth, found.input, found.num_classes) == (101, "flow", 400)
    assert found.arch == {
        "layers": [3, 4, 23, 3],
        "widths": [128, 256, 512, 1024],
        "stem": 64,
        "stem_kernel": 7,
        "cardinality": 32,
    }


def test_weights_from_before_batches_were_counted_are_taken(tmp_path):
    theirs = build(SMALL, "rgb", 2)
    weights = {k: v for k, v in theirs.state_dict().items() if "num_batches" not in k}
    torch.save(weights, tmp_path / "old.pth")
    x = torch.randn(1, 3, 8, 32, 32)
    assert torch.equal(load_checkpoint(tmp_path / "old.pth")(x), theirs.eval()(x))
    ours = build(SMALL, "rgb", 2)
    assert start_from(ours, tmp_path / "old.pth") == []
    assert torch.equal(ours.eval()(x), theirs(x))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer3.0.conv2.weight": None}, r"layer3\.0\.conv2\.weight: expected .*, absent"),
        ({"fc.weight": None}, r"fc\.weight: expected \(400, 2048\), absent"),
        ({"conv1.weight": (4, 1, 7, 7, 7)}, r"conv1\.weight: expected \(64, 3, 7, 7, 7\), found"),
        (
            {"layer4.0.bn2.bias": (5,)},
            r"1 of .* differ\):\n  layer4\.0\.bn2\.bias: .* \(5,\)",
        ),
    ],
)
def test_other_architectures_are_refused_with_the_first_differences(tmp_path, change, message):
    weights = dict(build(SMALL, "rgb", 2).state_dict())
    for key, shape in change.items():
        del weights[key]
        if shape:
            weights[key] = torch.zeros(shape)
    torch.save({"state_dict": weights}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(tmp_path / "other.pth")


@pytest.mark.parametrize("content", [{}, {"state_dict": 5}, {"state_dict": {"a": torch.ones(2)}}])
def test_a_file_without_a_network_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "none.pth")
    with pytest.raises(CheckpointError, match=r"none\.pth has the weights of another network"):
        load_checkpoint(tmp_path / "none.pth")


def test_ours_is_converted_to_mars_and_back(tmp_path):
    network = build(SMALL, "flow", 2).eval()
    saved = {**content(network, ("jump", "run")), "input": "flow", "epoch": 3, "provenance": {}}
    save(tmp_path / "ours.pt", saved)
    convert(tmp_path / "ours.pt", tmp_path / "theirs.pth")
    release = torch.load(tmp_path / "theirs.pth", weights_only=True)
    assert (release["epoch"], release["arch"]) == (3, "resnext-14")
    assert all(key.startswith("module.") for key in release["state_dict"])
    convert(tmp_path / "theirs.pth", tmp_path / "back.pt", ["jump", "run"])
    loaded, found = load_model(tmp_path / "back.pt")
    assert found["classes"] == ["jump", "run"]
    x = torch.randn(1, 2, 8, 32, 32)
    assert torch.equal(loaded.eval()(x), network(x))


@pytest.mark.parametrize(
    ("verb", "options"),
    [
        ("evaluate", "--model {model} --clips {clips} --output scores.h5"),
        ("latency", "--spec {latency} --clips {clips} --models {model} --output a b c d"),
        ("similarity", "--spec {similarity} --clips {clips} --models {model} --table a --maps b"),
        ("export", "{model} ds.onnx --onnx"),
        ("predict", "film.mp4 --model {model}"),
    ],
)
def test_a_converted_model_is_refused_where_a_trained_one_is_needed(
    tmp_path, monkeypatch, make_clips, caplog, verb, options
):
    monkeypatch.chdir(tmp_path)
    save("ours.pt", {**content(build(SMALL, "rgb", 2)), "provenance": {}})
    convert("ours.pt", "converted.pt")
    Path("film.mp4").touch()
    values = {
        "model": "converted.pt",
        "clips": make_clips(tmp_path / "clips.h5"),
        "latency": canonical({"rows": [{"title": "DS", "streams": ["ds"]}]}),
        "similarity": canonical({"streams": ["ds"], "teachers": {}}),
    }
    assert main([verb, *options.format(**values).split()]) == 1
    assert f"{verb}: converted.pt was converted and does not say" in caplog.text


def test_a_conversion_that_cannot_be_is_said(tmp_path):
    save(tmp_path / "ours.pt", {**content(build(SMALL, "rgb", 2)), "provenance": {}})
    with pytest.raises(CheckpointError, match=r"expected \.pt \(dsnet\) or \.pth \(MARS\)"):
        convert(tmp_path / "ours.pt", tmp_path / "x.onnx")
    with pytest.raises(CheckpointError, match="has 2 classes, and there are 3 names"):
        convert(tmp_path / "ours.pt", tmp_path / "x.pt", ["a", "b", "c"])
    assert not list(tmp_path.glob("x.*"))


def test_the_verb_inspects_and_converts(tmp_path, capsys, caplog):
    network = build(SMALL, "rgb", 2)
    save(tmp_path / "ours.pt", {**content(network, ("jump", "run")), "provenance": {"commit": "c"}})
    assert main(["checkpoint", "inspect", str(tmp_path / "ours.pt")]) == 0
    shown = capsys.readouterr().out
    assert "dsnet: 3D ResNeXt-14 (2 groups) for rgb, 2 classes" in shown
    assert "classes: jump, run" in shown
    assert '"commit":"c"' in shown
    assert main(["checkpoint", "convert", f"{tmp_path}/ours.pt", f"{tmp_path}/theirs.pth"]) == 0
    (tmp_path / "names.txt").write_text("\ufeffone\ntwo\n", encoding="utf-8")
    arguments = [f"{tmp_path}/theirs.pth", f"{tmp_path}/back.pt", "--classes"]
    assert main(["checkpoint", "convert", *arguments, f"{tmp_path}/names.txt"]) == 0
    assert read(tmp_path / "back.pt")["classes"] == ["one", "two"]
    torch.save({"state_dict": Evil()}, tmp_path / "evil.pth")
    assert main(["checkpoint", "inspect", str(tmp_path / "evil.pth")]) == 1
    assert "executed" not in capsys.readouterr().out
    assert "evil.pth cannot be read as weights" in caplog.text
