"""The algorithms beside TV-L1: known motion, their libraries' own answers, sizes, threads."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import torch
from scenes import MOTIONS, end_point_error, known, moving, texture
from torch.nn import functional as F

from dsnet import flow, vision
from dsnet.experiment.flows import DIS, Farneback
from dsnet.experiment.specs import FlowSpec
from dsnet.flow.backends import BackendError
from dsnet.flow.sizes import padded
from dsnet.provenance import file_digest
from dsnet.registry import FLOWS, PluginError
from dsnet.releases import RAFT, PretrainedError, published

CHEAP = ("dis", "farneback")


def method(algorithm, **options):
    return flow.of_spec(FlowSpec.model_validate({"algorithm": algorithm, **options}))


@pytest.mark.parametrize("algorithm", CHEAP)
@pytest.mark.parametrize("name", MOTIONS)
def test_known_motions_are_found_in_pixels_x_then_y(algorithm, name):
    frames, truth, where = known(name)
    found = method(algorithm)(frames)
    assert (found.shape, found.dtype) == ((1, 96, 96, 2), np.float32)
    assert end_point_error(found[0], truth, where) < 0.15
    assert end_point_error(found[0], -truth, where) > 1


@pytest.mark.parametrize("algorithm", CHEAP)
def test_a_pair_is_what_opencv_computes_by_default(algorithm):
    frames = moving(1, 3, 96, 80)
    cv2.setNumThreads(1)
    for i, found in enumerate(method(algorithm)(frames)):
        if algorithm == "dis":
            own = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        else:
            own = cv2.FarnebackOpticalFlow_create()
        np.testing.assert_array_equal(found, own.calc(frames[i], frames[i + 1], None))


@pytest.mark.parametrize(
    ("algorithm", "options"),
    [
        ("dis", {"finest_scale": 2, "patch_stride": 4, "gradient_descent_iterations": 16}),
        ("dis", {"variational_refinement_iterations": 0}),
        ("farneback", {"levels": 1}),
        ("farneback", {"scale_step": 0.8}),
        ("farneback", {"window": 21, "gaussian": True}),
        ("farneback", {"iterations": 1}),
        ("farneback", {"neighbourhood": 7, "sigma": 1.5}),
    ],
)
def test_every_parameter_counts(algorithm, options):
    frames = moving(2, 2, 160, 160)
    assert not np.array_equal(
        method(algorithm, **{algorithm: options})(frames), method(algorithm)(frames)
    )


def test_opencvs_fast_preset_can_be_written_down():
    frames = moving(3, 2, 96, 96)
    fast = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    cv2.setNumThreads(1)
    options = {"finest_scale": 2, "patch_stride": 4, "gradient_descent_iterations": 16}
    found = method("dis", dis=options)(frames)
    np.testing.assert_array_equal(found[0], fast.calc(*frames, None))


@pytest.mark.parametrize("algorithm", CHEAP)
@pytest.mark.parametrize("size", [(3, 3), (3, 200), (12, 300), (16, 1024), (24, 300), (300, 9)])
def test_small_and_narrow_frames_do_not_end_the_process(algorithm, size):
    """OpenCV's DIS crashes at most of these sizes."""
    found = method(algorithm)(np.repeat(texture(0, *size)[None], 2, 0))
    assert found.shape == (1, *size, 2)
    assert np.isfinite(found).all()
    assert np.median(np.abs(found)) < 0.1  # nothing moves


def test_dis_is_safe_at_every_level():
    for finest in range(5):
        gray = np.random.default_rng(0).integers(0, 256, (2, 15, 700), np.uint8)
        assert np.isfinite(method("dis", dis={"finest_scale": finest})(gray)).all()


@pytest.mark.parametrize("algorithm", CHEAP)
def test_flow_does_not_depend_on_threads(algorithm):
    """Of several jobs at a time, nor on how many threads OpenCV may use."""
    made, videos = method(algorithm), [moving(seed, 3, 64, 96) for seed in range(8)]
    expected = [made(video) for video in videos]
    cv2.setNumThreads(4)
    try:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(made, videos * 3))
        assert cv2.getNumThreads() == 4
    finally:
        cv2.setNumThreads(1)
    for field, own in zip(found, expected * 3, strict=True):
        np.testing.assert_array_equal(field, own)


def test_padding_continues_the_edges_alike_on_both_sides():
    gray = np.arange(2 * 3 * 5, dtype=np.uint8).reshape(2, 3, 5)
    found, place = padded(gray, least=4, multiple=4)
    assert found.shape == (2, 4, 8)
    np.testing.assert_array_equal(found[:, *place], gray)
    np.testing.assert_array_equal(found[:, 0, 1:6], gray[:, 0])
    np.testing.assert_array_equal(found[:, 3, 1:6], gray[:, 2])
    assert padded(gray, least=3)[0] is gray


@pytest.mark.parametrize("algorithm", CHEAP)
def test_a_part_of_larger_frames_is_as_good_as_a_copy(algorithm):
    part = moving(7, 2, 80, 90)[:, 10:74, 20:85]
    np.testing.assert_array_equal(method(algorithm)(part), method(algorithm)(part.copy()))


@pytest.mark.parametrize("algorithm", CHEAP)
@pytest.mark.parametrize("shape", [(1, 9, 9), (2, 2, 9), (2, 9)])
def test_other_than_frames_is_refused(algorithm, shape):
    with pytest.raises(ValueError, match="uint8 frames, got"):
        method(algorithm)(np.zeros(shape, np.uint8))


def test_the_spec_has_the_parameters_of_its_algorithm_alone():
    shared = {"algorithm", "bound", "quality", "version"}
    for name in FLOWS:
        values = FlowSpec(algorithm=name).values()
        expected = shared | {name}
        if name == "tvl1":
            expected = (expected | {"backend", "semantics"}) - {"algorithm"}
        assert set(values) == expected
        assert FlowSpec.model_validate(values) == FlowSpec(algorithm=name)
    assert FlowSpec(algorithm="dis").values()["dis"] == DIS().values()
    other = FlowSpec(algorithm="dis", farneback=Farneback(levels=2))
    assert other.values() == FlowSpec(algorithm="dis").values()


# --- RAFT --------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["raft_small", "raft_large"])
def drawn(request, tmp_path_factory):
    """Name, network and file of a RAFT with drawn weights."""
    torch.manual_seed(0)
    network = getattr(vision.module("models.optical_flow"), request.param)()
    path = tmp_path_factory.mktemp("raft") / "drawn.pth"
    torch.save(network.state_dict(), path)
    return request.param, network.eval(), str(path)


@torch.inference_mode()
def torchvisions(network, frames, iterations):
    """Flow by torchvision's own preparation and call, of frames with sides that it takes."""
    transform = vision.module("transforms._presets").OpticalFlow()
    colour = torch.from_numpy(frames)[:, None].expand(-1, 3, -1, -1)
    found = network(*transform(colour[:-1], colour[1:]), num_flow_updates=iterations)[-1]
    return found.permute(0, 2, 3, 1).numpy()


def test_raft_is_torchvisions(drawn):
    name, network, path = drawn
    frames = moving(4, 3, 128, 136)
    options = {"model": name, "weights": path, "iterations": 2}
    found = method("raft", raft=options, weights=file_digest(path))
    assert found.where == f"{name} on cpu"
    np.testing.assert_allclose(found(frames), torchvisions(network, frames, 2), atol=1e-4)


def test_raft_pads_small_frames_and_cuts_the_flow(drawn):
    name, network, path = drawn
    frames = moving(5, 2, 45, 150)
    sides = (1, 1, 41, 42)  # left, right, top, bottom, to 152 x 128
    larger = F.pad(torch.from_numpy(frames).float(), sides, mode="replicate").byte().numpy()
    expected = torchvisions(network, larger, 2)[:, 41:-42, 1:-1]
    options = {"model": name, "weights": path, "iterations": 2}
    np.testing.assert_allclose(method("raft", raft=options)(frames), expected, atol=1e-4)


def test_raft_computes_long_videos_in_parts(drawn, monkeypatch):
    name, _, path = drawn
    made = method("raft", raft={"model": name, "weights": path, "iterations": 1})
    frames = moving(6, 6, 32, 32)
    whole = made(frames)
    monkeypatch.setattr("dsnet.flow.raft.CHUNK", 2)
    np.testing.assert_allclose(made(frames), whole, atol=1e-4)


def test_raft_without_its_weights_says_where_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    missing = r"there is no file resources/checkpoints/raft_small.pth .*`dsnet fetch raft_small`"
    with pytest.raises(PretrainedError, match=missing):
        method("raft")
    with pytest.raises(PretrainedError, match=r"there is no file mine\.pth \(looked in [^;]*\)$"):
        method("raft", raft={"model": "raft_large", "weights": "mine.pth"})


def test_raft_with_other_weights_is_refused(drawn, tmp_path):
    name, _, path = drawn
    with pytest.raises(BackendError, match="has other weights"):
        method("raft", raft={"model": name, "weights": path}, weights="0" * 16)
    other = {"raft_small": "raft_large", "raft_large": "raft_small"}[name]
    with pytest.raises(BackendError, match=f"does not have the weights of {other}"):
        method("raft", raft={"model": other, "weights": path})
    (tmp_path / "damaged.pth").write_bytes(b"no weights")
    with pytest.raises(BackendError, match=r"damaged.pth does not have the weights"):
        method("raft", raft={"weights": str(tmp_path / "damaged.pth")})


def test_the_addresses_are_torchvisions():
    networks = vision.module("models.optical_flow")
    kinds = {"raft_small": networks.Raft_Small_Weights, "raft_large": networks.Raft_Large_Weights}
    assert {name: kind.DEFAULT.url for name, kind in kinds.items()} == {
        name: published(name)[0] for name in RAFT
    }


def test_an_unknown_algorithm_is_named():
    with pytest.raises(PluginError, match="horn is not in FLOWS"):
        method("horn")
