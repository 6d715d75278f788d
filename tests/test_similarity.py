"""How alike features are: the estimator against its definition, its laws, and real features."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from project import CLASSES, RUN, STREAMS, Project

from dsnet import clips, models
from dsnet.experiment.data import Clips
from dsnet.figures import features
from dsnet.models import ResNeXt3D
from dsnet.similarity import SHOWN, cka, compare

# Whole numbers, so that examples differ by more than rounding where they differ.
examples = arrays(np.float64, (9, 3), elements=st.integers(-20, 20).map(float))
seeds = st.integers(0, 2**32 - 1)


def hsic(x, y):
    """Song et al. (2012), the definition: the mean over all four different examples."""
    k, m = x @ x.T, y @ y.T
    terms = [
        k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q])
        for i, j, q, r in itertools.permutations(range(len(x)), 4)
    ]
    return np.mean(terms)


def test_cka_is_the_ratio_of_the_statistics_by_their_definition():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(7, 4))
    y = x @ rng.normal(size=(4, 2)) + rng.normal(size=(7, 2))
    expected = hsic(x, y) / np.sqrt(hsic(x, x) * hsic(y, y))
    assert cka(x, y) == pytest.approx(expected)
    assert 0.1 < expected < 0.99


@given(examples, examples)
def test_cka_is_symmetric_at_most_one_and_one_of_the_same(x, y):
    assert cka(x, y) == pytest.approx(cka(y, x), nan_ok=True)
    assert np.isnan(cka(x, y)) or cka(x, y) < 1 + 1e-6
    assert np.isnan(cka(x, x)) or cka(x, x) == pytest.approx(1)


@given(examples, examples, seeds, st.floats(0.1, 10), st.floats(-10, 10))
def test_rotation_scale_and_shift_do_not_count(x, y, seed, scale, shift):
    rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    assert cka(scale * x @ rotation + shift, y) == pytest.approx(cka(x, y), abs=1e-6, nan_ok=True)


def test_independent_features_are_unlike_though_channels_outnumber_examples():
    rng = np.random.default_rng(0)
    draws = [cka(rng.normal(size=(20, 200)), rng.normal(size=(20, 200))) for _ in range(40)]
    # The usual estimator, with the diagonal, gives 0.91 here.
    assert abs(np.mean(draws)) < 0.05


def test_constant_features_and_fewer_than_four_examples_have_no_likeness():
    x = np.random.default_rng(0).normal(size=(9, 3))
    assert np.isnan(cka(x, np.ones((9, 2))))
    assert np.isnan(cka(x[:3], x[:3]))


# --- a run ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compared(finished: Project, tmp_path_factory):
    """Streams against the teacher, itself among them, and the maps."""
    folder = tmp_path_factory.mktemp("compared")
    paths = {name: finished / f"{RUN}/{name}/model.pt" for name in ("flow", "ds", "rgb")}
    teachers = {"flow": "flow", "ds": "flow", "rgb": "flow"}
    file = finished / "results/motions/clips.h5"
    table = compare(paths, teachers, file, folder / "s.csv", folder / "m.npz", "cpu")
    with np.load(folder / "m.npz") as maps:
        return table, dict(maps), file, paths


def test_a_teacher_is_like_itself_on_every_level(compared):
    table, *_ = compared
    own = table[table["stream"] == "flow"]
    assert list(own["level"]) == list(ResNeXt3D.levels)
    np.testing.assert_allclose(own["cka"], 1)
    others = table[table["stream"] != "flow"]
    assert others["cka"].notna().all()
    assert (others["cka"] < 1 - 1e-3).all()
    assert set(table["clips"]) == {CLASSES}  # a test video per class
    assert set(own.set_index("level").loc["avgpool", ["examples"]]) == {CLASSES}


def test_the_likeness_of_pooled_features_is_that_of_the_networks_run_alone(compared):
    table, _, file, paths = compared
    pooled = {}
    for name, modality in (("flow", "flow"), ("rgb", "rgb")):
        network, content = models.load_model(paths[name])
        reader = clips.open_clips(file)
        rows = clips.table(reader).query("split1 == 'test'")
        shape = Clips(**content["spec"]["clips"])
        # Of 8 fields both have two clips of four; the middle of two is the second.
        seen = torch.stack([
            clips.to_square(clips.load(reader, id, modality, np.arange(4, 8)), modality, None,
                      shape.crop)
            for id in rows["id"]
        ])  # fmt: skip
        with torch.no_grad():
            found = network.eval().forward_features(clips.normalise(seen, modality, shape))[1]
        pooled[name] = found["avgpool"].numpy().astype(float)
    rows = table.set_index(["stream", "level"])["cka"]
    expected = hsic(pooled["rgb"], pooled["flow"]) / np.sqrt(
        hsic(pooled["rgb"], pooled["rgb"]) * hsic(pooled["flow"], pooled["flow"])
    )
    assert rows["rgb", "avgpool"] == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_maps_are_the_mean_absolute_features_of_what_is_shown(compared):
    _, maps, _, paths = compared
    assert maps["rgb"].shape == (SHOWN, 4, 24, 24, 3)
    assert maps["flow"].shape == (SHOWN, 4, 24, 24, 2)
    assert len(set(maps["classes"])) == SHOWN
    for number, name in enumerate(maps["streams"]):
        network, content = models.load_model(paths[name])
        seen = torch.from_numpy(maps[content["input"]])
        batch = clips.normalise(seen, content["input"], Clips(**content["spec"]["clips"]))
        with torch.no_grad():
            found = network.eval().forward_features(batch)[1]
        for level in ResNeXt3D.levels[:-1]:
            expected = found[level].abs().mean(dim=1).numpy()
            np.testing.assert_allclose(maps[level][number], expected, rtol=1e-4, atol=1e-5)


def test_the_run_compares_all_rgb_streams_with_their_teacher(finished: Project):
    table = pd.read_csv(finished / f"{RUN}/similarity.csv")
    assert list(table["stream"].unique()) == [name for name in STREAMS if name != "flow"]
    assert set(table["teacher"]) == {"flow"}
    assert len(table) == 3 * len(ResNeXt3D.levels)


def test_the_matrix_shows_the_mean_over_seeds():
    rows = [("rgb", "flow", "stem", 0.2), ("rgb", "flow", "layer1", np.nan),
            ("ds", "flow", "stem", -0.04), ("ds", "flow", "layer1", 0.9)]  # fmt: skip
    first = pd.DataFrame(rows, columns=["stream", "teacher", "level", "cka"])
    second = first.assign(cka=first["cka"] + [0.1, 0, -0.02, 0.1])
    figure = features.similarity([first, second], {"ds": "Dual-action Stream", "flow": "Flow"})
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == [
        *("0.25", ""),
        *("\N{MINUS SIGN}0.05", "0.95"),
    ]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["rgb", "Dual-action Stream"]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["stem", "layer1"]
    assert "teacher, Flow, mean over 2 seeds" in axes.get_title().replace("\n", " ")


def test_streams_are_drawn_by_their_names_whatever_those_look_like(tmp_path):
    rows = [("1", "2020", "stem", 0.2), ("NA", "2020", "stem", 0.4)]
    table = pd.DataFrame(rows, columns=["stream", "teacher", "level", "cka"])
    table.to_csv(tmp_path / "similarity.csv", index=False)
    video = np.zeros((1, 4, 8, 8, 3), np.uint8)
    about = {"classes": ["jump"], "streams": ["1", "NA"], "bound": 20.0}
    about["rounding"] = "nearest"
    maps = {"rgb": video, "flow": video[..., :2], "layer1": np.zeros((2, 1, 4, 4, 4), np.float32)}
    np.savez(tmp_path / "maps.npz", **maps, **about)
    outputs = [tmp_path / name for name in ("a.png", "b.png", "a.svg", "b.svg")]
    titles = {"1": "One", "NA": "North America", "2020": "Flow"}
    paths = [tmp_path / "similarity.csv"], tmp_path / "maps.npz"
    features.draw_features(*paths, titles, ["1"], outputs[:2], outputs[2:])
    assert all(path.stat().st_size for path in outputs)


def test_the_maps_are_shown_below_frames_and_flow(compared):
    _, maps, *_ = compared
    figure = features.feature_maps(maps, {"ds": "Dual-action Stream"}, ["flow", "ds"])
    assert len(figure.axes) == SHOWN * 4
    names = [axes.texts[0].get_text() for axes in figure.axes if axes.texts]
    assert names == ["Frames", "Flow field", "flow", "Dual-action Stream"]
    frames = figure.axes[0].images[0].get_array()
    np.testing.assert_array_equal(frames[:, :24], maps["rgb"][0, 0])
    np.testing.assert_array_equal(frames[:, 48:], maps["rgb"][0, 3])
    for axes in figure.axes[2::4]:  # the teacher's
        picture = np.asarray(axes.images[0].get_array())
        assert picture.shape == (24, 3 * 24)
        assert 0 <= picture.min() < picture.max() <= 1
