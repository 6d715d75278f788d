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


@pytest.fixture
def paths(tmp_path):
    """A model of RGB and one of flow."""
    found = []
    for stream in ("rgb", "flow"):
        network = models.build(ARCH, stream, 2)
        run = {"clip_length": 4, "stream": f"my-{stream}"}
        checkpoints.save(
            tmp_path / f"{stream}.pt",
            {
                "format": checkpoints.FORMAT,
                "version": checkpoints.VERSION,
                "arch": ARCH,
                "input": stream,
                "classes": ["a", "b"],
                "state_dict": network.state_dict(),
                "spec": make_spec(run=run).values(),
            },
        )
        found.append(tmp_path / f"{stream}.pt")
    return found


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
