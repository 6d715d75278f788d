"""The cost of inference: parameters and operations by hand, and what the rows add up."""

import numpy as np
import pytest
import torch
from specs import make_spec
from torch import nn

from dsnet import latency, models
from dsnet.experiment.results import Latency
from dsnet.models import checkpoints

ARCH = {"layers": [1] * 4, "widths": [4, 4, 8, 8], "stem": 4, "cardinality": 2}


def save(path, stream, arch=ARCH):
    """A model of RGB or flow, with weights of its own."""
    network = models.build(arch, stream, 2)
    run = {"clip_length": 4, "stream": f"my-{stream}"}
    checkpoints.save(
        path,
        {
            "format": checkpoints.FORMAT,
            "version": checkpoints.VERSION,
            "arch": arch,
            "input": stream,
            "classes": ["a", "b"],
            "state_dict": network.state_dict(),
            "spec": make_spec(run=run).values(),
        },
    )
    return path


@pytest.fixture
def paths(tmp_path):
    """A model of RGB and one of flow."""
    return [save(tmp_path / f"{stream}.pt", stream) for stream in ("rgb", "flow")]


def operations(network, clip):
    """Two per multiply-add of every convolution and linear layer, from their output's shapes."""
    total = 0

    def count(module, inputs, output):
        nonlocal total
        weights = module.weight.numel() / module.weight.shape[0]
        total += 2 * weights * output.numel()

    for module in network.modules():
        if isinstance(module, nn.Conv3d | nn.Linear):
            module.register_forward_hook(count)
    network.eval()(clip)
    return total


def test_rows_add_up_networks_and_flow(tmp_path, make_clips, paths):
    rgb, flow = paths
    rows = [("DS", [rgb]), ("DS + Flow", [rgb, flow]), ("Flow", [flow])]
    clips = make_clips(tmp_path / "clips.h5")
    table = latency.measure(rows, clips, Latency(repeats=2, warmup=0), device="cpu")
    assert table["method"].tolist() == ["DS", "DS + Flow", "Flow"]
    assert table["streams"].tolist() == ["my-rgb", "my-rgb+my-flow", "my-flow"]
    assert table["input"].tolist() == ["rgb", "rgb+flow", "flow"]
    ds, both, alone = table["ms_network"]
    assert both == pytest.approx(ds + alone)
    assert table["ms_flow"][0] == 0
    assert table["ms_flow"][1] > 0
    np.testing.assert_allclose(table["ms_total"], table["ms_network"] + table["ms_flow"])
    assert (table["ms_network"] > 0).all()
    assert table["backend"].tolist() == ["", "numba", "numba"]


def test_parameters_and_operations_are_those_of_the_network(tmp_path, make_clips, paths):
    clips = make_clips(tmp_path / "clips.h5")
    table = latency.measure([("x", paths)], clips, Latency(repeats=1, warmup=0), device="cpu")
    networks = [models.load_model(path)[0] for path in paths]
    parameters = sum(p.numel() for network in networks for p in network.parameters())
    assert table["params_m"][0] == pytest.approx(parameters / 1e6)
    expected = sum(
        operations(network, torch.zeros(1, channels, 4, 16, 16))
        for network, channels in zip(networks, (3, 2), strict=True)
    )
    assert table["gflops"][0] == pytest.approx(expected / 1e9)


def test_networks_that_differ_in_weights_alone_take_the_same_time(tmp_path, make_clips):
    wider = {**ARCH, "widths": [8, 8, 16, 16]}
    rgb, other = (save(tmp_path / name, "rgb") for name in ("rgb.pt", "other.pt"))
    rows = [("RGB", [rgb]), ("DS", [other]), ("Wide", [save(tmp_path / "wide.pt", "rgb", wider)])]
    clips = make_clips(tmp_path / "clips.h5")
    table = latency.measure(rows, clips, Latency(repeats=2, warmup=0), device="cpu")
    assert table["ms_network"][0] == table["ms_network"][1] != table["ms_network"][2]
    assert table["gflops"][0] == table["gflops"][1] < table["gflops"][2]


def test_networks_take_turns_so_that_a_slow_while_is_in_the_times_of_all(monkeypatch):
    order, clock = [], [0.0]

    def runs(name, seconds):
        def run():
            order.append(name)
            clock[0] += seconds * (3 if len(order) > 6 else 1)  # the last two of five rounds

        return run

    def seconds_of(run, number):
        start = clock[0]
        run()
        return clock[0] - start

    monkeypatch.setattr(latency.timeit, "timeit", seconds_of)
    options = Latency(repeats=4, warmup=1)
    assert latency._times([runs("a", 0.1), runs("b", 0.2)], options) == pytest.approx([200, 400])
    assert "".join(order) == "ab" * 5


def test_the_table_has_what_a_clip_costs_and_no_count_of_videos(tmp_path, make_clips, paths):
    clips = make_clips(tmp_path / "clips.h5")
    table = latency.measure([("x", paths)], clips, Latency(repeats=1, warmup=0), device="cpu")
    header = latency.render(table).blocks[0].header
    assert header == tuple(latency.HEADERS.values())
    assert not any("ideos" in name for name in header)
