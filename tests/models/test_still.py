"""A network that sees the middle frame of a clip in the place of all others."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from networks import SMALL
from torch import nn

from dsnet import models
from dsnet.errors import UserError
from dsnet.models.still import see_stills, still
from dsnet.training.averaging import Average

OTHERS = [t for t in range(16) if t != 8]
BACKBONES = [SMALL, {"backbone": "r3d_18"}, {"backbone": "swin3d_t"}, {"backbone": "slowonly_r50"}]


@given(st.integers(1, 9), st.integers(1, 3))
def test_every_frame_becomes_the_middle_one(frames, channels):
    clips = torch.arange(2 * channels * frames * 6.0).view(2, channels, frames, 2, 3)
    seen = still(clips)
    assert seen.shape == clips.shape
    for frame in range(frames):
        assert torch.equal(seen[:, :, frame], clips[:, :, frames // 2])


def made(arch):
    torch.manual_seed(0)
    return models.build(arch, "rgb", 5).eval()


@pytest.mark.parametrize("arch", BACKBONES, ids=lambda arch: arch.get("backbone", "resnext3d"))
@torch.no_grad()
def test_only_the_middle_frame_changes_what_any_network_puts_out(arch):
    network, plain = made(arch), made(arch)
    see_stills(network)
    clips = torch.randn(1, 3, 16, 32, 32)
    shuffled, noise, other = clips.clone(), clips.clone(), clips.clone()
    shuffled[:, :, OTHERS] = clips[:, :, OTHERS[::-1]]
    noise[:, :, OTHERS] = torch.randn(1, 3, 15, 32, 32)
    other[:, :, 8] += 1
    logits, features = network.forward_features(clips)
    for changed in (shuffled, noise):
        assert torch.equal(network(changed), logits)
        found = network.forward_features(changed)[1]
        assert all(torch.equal(found[level], features[level]) for level in network.levels)
        assert not torch.allclose(plain(changed), plain(clips))
    assert not torch.allclose(network(other), logits)
    repeated = clips[:, :, 8].unsqueeze(2).repeat(1, 1, 16, 1, 1)
    torch.testing.assert_close(plain(repeated), logits)


@torch.no_grad()
def test_copies_and_averages_see_stills_and_weights_keep_their_names():
    network, keys = made(SMALL), made(SMALL).state_dict().keys()
    see_stills(network)
    assert network.state_dict().keys() == keys
    clips = torch.randn(1, 3, 16, 16, 16)
    noise = torch.randn(1, 3, 16, 16, 16)
    noise[:, :, 8] = clips[:, :, 8]
    for one in (copy.deepcopy(network), Average(network, 0.9).network):
        assert torch.equal(one.eval()(noise), network(clips))
    frozen = models.Frozen(network)  # as a second teacher is
    assert torch.equal(frozen(noise)["logits"], frozen(clips)["logits"])


class Flat(models.Backbone):
    """Sees each frame by itself, as a picture."""

    levels, first = ("late",), "early"

    def __init__(self):
        super().__init__()
        self.early = nn.Conv2d(3, 2, 1)


@pytest.mark.parametrize("first", ["early", "absent"])
def test_a_network_without_a_convolution_of_clips_is_refused(first):
    network = Flat()
    network.first = first
    with pytest.raises(UserError, match=f"still: Flat has no Conv3d {first}, .* set still to fals"):
        see_stills(network)
