"""The network against MARS's and against its definition, and its smaller relatives."""

import numpy as np
import pytest
import torch
from networks import SMALL, filled, plain

from dsnet.models import ResNeXt3D, resnext3d_101


def with_weights(weights, channels=3):
    """ResNeXt-101 for 101 classes with these weights, in eval mode."""
    with torch.device("meta"):
        network = resnext3d_101(101, channels)
    network.load_state_dict(weights, assign=True)
    return network.eval()


def assert_recorded(recorded, logits, features):
    """The outputs are those that MARS's network gave."""
    np.testing.assert_allclose(logits.numpy(), recorded["logits"], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(
        features["avgpool"].numpy(), recorded["avgpool"], rtol=1e-3, atol=1e-4
    )
    for level, name in [("stem", "maxpool"), *((f"layer{i}", f"layer{i}") for i in range(1, 5))]:
        values = features[level].numpy()
        assert list(values.shape) == recorded[f"{name}_shape"].tolist()
        sample = values.ravel()[:: max(1, values.size // 997)][:997]
        expected = recorded[f"{name}_sample"]
        scale = np.abs(expected).max()
        np.testing.assert_allclose(sample, expected, rtol=1e-3, atol=1e-4 * scale)


def recorded_input():
    noise = np.random.default_rng(7).standard_normal((1, 3, 16, 112, 112))
    return torch.from_numpy((40 * noise).astype(np.float32))


def test_resnext101_has_the_keys_and_shapes_of_mars(mars_keys):
    with torch.device("meta"):
        own = [(k, tuple(v.shape)) for k, v in resnext3d_101(101).state_dict().items()]
    assert own == list(mars_keys.items())


def test_resnext101_computes_what_mars_computes(mars_weights, mars_outputs):
    with torch.no_grad():
        found = with_weights(mars_weights).forward_features(recorded_input())
    assert_recorded(mars_outputs, *found)


def test_the_definition_computes_what_mars_computes(mars_weights, mars_outputs):
    """So that what the network is compared with below is right."""
    with torch.no_grad():
        found = plain(mars_weights, recorded_input())
    assert_recorded(mars_outputs, *found)


@pytest.mark.parametrize(("channels", "frames", "side"), [(2, 16, 112), (2, 64, 32), (3, 64, 32)])
def test_resnext101_computes_what_its_definition_says(mars_weights, channels, frames, side):
    """Flow and 64 frames, of which no outputs of MARS's network are recorded."""
    weights = {**mars_weights, **filled({"conv1.weight": (64, channels, 7, 7, 7)})}
    noise = np.random.default_rng(8).standard_normal((1, channels, frames, side, side))
    x = torch.from_numpy((40 * noise).astype(np.float32))
    with torch.no_grad():
        logits, found = with_weights(weights, channels).forward_features(x)
        expected_logits, expected = plain(weights, x)
    torch.testing.assert_close(logits, expected_logits, rtol=1e-4, atol=1e-4)
    assert tuple(found) == tuple(expected) == ResNeXt3D.levels
    for level, values in expected.items():
        scale = float(values.abs().max())
        torch.testing.assert_close(found[level], values, rtol=1e-4, atol=1e-5 * scale)


@pytest.mark.parametrize("kernel", [3, 7])
def test_a_smaller_network_computes_what_its_definition_says(kernel):
    arch = {**SMALL, "layers": [1, 2, 1, 3], "widths": [4, 8, 8, 16], "stem_kernel": kernel}
    network = ResNeXt3D(5, 2, **arch).eval().double()
    weights = filled({key: tuple(value.shape) for key, value in network.state_dict().items()})
    network.load_state_dict(weights)
    x = torch.from_numpy(np.random.default_rng(9).standard_normal((2, 2, 12, 40, 24)))
    weights = {key: value.double() for key, value in weights.items()}
    with torch.no_grad():
        logits, found = network.forward_features(x)
        expected_logits, expected = plain(weights, x, arch["layers"], arch["cardinality"])
    torch.testing.assert_close(logits, expected_logits)
    torch.testing.assert_close(dict(found), expected)


@pytest.mark.parametrize(
    ("channels", "shape", "pooled"), [(3, (16, 112, 112), 2048), (2, (64, 112, 112), 2048)]
)
def test_resnext101_takes_rgb_and_flow_of_16_and_64_frames(channels, shape, pooled):
    with torch.device("meta"):
        network = resnext3d_101(51, channels)
        logits, found = network.forward_features(torch.empty(2, channels, *shape))
    assert logits.shape == (2, 51)
    assert tuple(found) == ResNeXt3D.levels
    assert found["avgpool"].shape == (2, pooled)
    assert found["stem"].shape == (2, 64, shape[0] // 2, 28, 28)
    assert found["layer4"].shape == (2, 2048, shape[0] // 16, 4, 4)


def test_forward_gives_the_logits_of_forward_features():
    network = ResNeXt3D(5, 3, **SMALL).eval()
    x = torch.randn(2, 3, 8, 32, 32)
    assert torch.equal(network(x), network.forward_features(x)[0])
