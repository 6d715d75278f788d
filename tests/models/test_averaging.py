"""A first convolution that is averaged over the channels of another input."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from networks import SMALL, content
from torch.nn import functional as F

from dsnet.models import CheckpointError, build, save, start_from
from dsnet.models.averaging import averaged

CHANNELS = st.integers(1, 20)


@given(old=CHANNELS, new=CHANNELS, seed=st.integers(0, 9))
def test_kernels_are_the_mean_times_the_old_number_over_the_new(old, new, seed):
    weight = np.random.default_rng(seed).standard_normal((4, old, 3, 5, 5))
    expected = np.stack([weight.mean(axis=1)] * new, axis=1) * old / new
    np.testing.assert_allclose(averaged(torch.from_numpy(weight), new), expected, atol=1e-12)


@given(old=CHANNELS, new=CHANNELS, seed=st.integers(0, 9))
def test_an_input_that_is_the_same_in_all_channels_gives_the_same_output(old, new, seed):
    r = np.random.default_rng(seed)
    weight, grey = (torch.from_numpy(r.standard_normal(s)) for s in ((2, old, 3, 3, 3), (5, 5, 5)))
    before = F.conv3d(grey.expand(1, old, -1, -1, -1), weight)
    after = F.conv3d(grey.expand(1, new, -1, -1, -1), averaged(weight, new))
    torch.testing.assert_close(after, before)


@pytest.mark.parametrize(
    ("theirs", "ours", "factor"), [("rgb", "flow", 3 / 2), ("flow", "rgb", 2 / 3)]
)
def test_a_stream_starts_from_weights_for_another_input(tmp_path, caplog, theirs, ours, factor):
    caplog.set_level("INFO")
    source, network = build(SMALL, theirs, 2), build(SMALL, ours, 3)
    save(tmp_path / "model.pt", {**content(source), "input": theirs})
    drawn = start_from(network, tmp_path / "model.pt", averaged=True)
    assert drawn == ["fc.weight", "fc.bias"]
    assert "drawn anew: fc.weight, fc.bias; averaged over its channels: conv1.weight" in caplog.text
    mean = source.conv1.weight.detach().double().numpy().mean(axis=1)
    for channel in network.conv1.weight.detach().unbind(1):
        np.testing.assert_allclose(channel, factor * mean, rtol=1e-5, atol=1e-7)
    assert torch.equal(network.layer4[0].conv1.weight, source.layer4[0].conv1.weight)


def test_weights_for_the_same_input_stay_as_they_are(tmp_path, caplog):
    caplog.set_level("INFO")
    source, network = build(SMALL, "rgb", 2), build(SMALL, "rgb", 2)
    save(tmp_path / "model.pt", content(source))
    assert start_from(network, tmp_path / "model.pt", averaged=True) == []
    assert torch.equal(network.conv1.weight, source.conv1.weight)
    assert "drawn anew: nothing; averaged over its channels: nothing" in caplog.text


def test_kernels_of_another_size_are_refused(tmp_path):
    save(tmp_path / "model.pt", content(build({**SMALL, "stem_kernel": 3}, "rgb", 2)))
    network = build(SMALL, "flow", 2)
    message = r"conv1\.weight is \(4, 3, 3, 3, 3\) there .* set first_convolution to drawn"
    with pytest.raises(CheckpointError, match=message):
        start_from(network, tmp_path / "model.pt", averaged=True)
    assert start_from(network, tmp_path / "model.pt") == ["conv1.weight"]
