"""Average and attention fusion of two and more streams' scores."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dsnet import fusion
from dsnet.errors import RemakeError
from dsnet.experiment.specs import Fused, FusionSpec, FusionsSpec, Kind
from dsnet.fusion.attention import Attention, AttentionFusion
from dsnet.fusion.average import Average
from dsnet.provenance import file_digest
from dsnet.scores import Part, ScoreError, Scores, accuracies, read_scores, write_scores

OPTIONS = {
    "hidden": 16,
    "epochs": 60,
    "batch_size": 32,
    "lr": 0.01,
    "weight_decay": 0.0,
}


def average(parts):
    return Average()([p.videos for p in parts])


def attention(known, test, options, seed):
    fusion = Attention(**options)
    fusion.fit([p.videos for p in known], known[0].labels, seed)
    shown = [p.videos for p in test]
    return fusion(shown), fusion.weights(shown)


def part(videos, labels):
    count = len(labels)
    ids = tuple(map(str, range(count)))
    return Part(ids, labels, videos.astype(np.float32), np.ones(count, np.int64), ids)


def streams(seed, count=200, classes=4):
    """Two streams, each right where the other is not; which one shows in its own scores.

    A stream that is right has a high score for the label; one that is wrong has two higher ones
    for others, so that the average of both is wrong.
    """
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    first = rng.random(count) < 0.5
    good = 4 * np.eye(classes)[labels]
    bad = 6 * np.eye(classes)[(labels + 1) % classes] + 6 * np.eye(classes)[(labels + 2) % classes]
    noise = 0.1 * rng.standard_normal((2, count, classes))
    a = np.where(first[:, None], good, bad) + noise[0]
    b = np.where(first[:, None], bad, good) + noise[1]
    return part(a, labels), part(b, labels), first


def test_the_average_is_the_mean_of_the_scores():
    labels = np.array([0, 1])
    a, b = part(np.array([[1, 3], [0, 2]]), labels), part(np.array([[3, 0], [4, 2]]), labels)
    np.testing.assert_array_equal(average([a, b]), [[2, 1.5], [2, 2]])


def several(streams, seed, count=12, classes=5):
    """Streams of random scores of the same videos, of very different sizes."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    sizes = 10.0 ** rng.integers(-2, 3, (streams, 1, 1))
    return [part(s, labels) for s in sizes * rng.standard_normal((streams, count, classes))]


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 5), st.integers(0, 999), st.data())
def test_the_average_of_any_number_of_streams(streams, seed, data):
    parts = several(streams, seed)
    found = average(parts)
    mean = sum(p.videos.astype(np.longdouble) for p in parts) / streams
    np.testing.assert_array_equal(found, mean.astype(np.float32))
    np.testing.assert_array_equal(average(data.draw(st.permutations(parts))), found)
    equal = [parts[0]] * streams
    np.testing.assert_array_equal(average(equal), parts[0].videos)
    if streams == 2:  # as it was computed before more could be fused
        np.testing.assert_array_equal(found, (parts[0].videos + parts[1].videos) / 2)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 5), st.integers(0, 999), st.data())
def test_attention_knows_its_streams_by_their_place_alone(streams, seed, data):
    classes, hidden = 5, 3
    torch.manual_seed(seed)
    module = AttentionFusion(classes, hidden, streams).double()
    scores = [torch.tensor(p.videos).double() for p in several(streams, seed)]
    with torch.no_grad():
        weights, found = module.weights(*scores), module(*scores)
        torch.testing.assert_close(weights.sum(dim=1), torch.ones(len(weights)).double())
        torch.testing.assert_close(found, torch.einsum("ns,snk->nk", weights, torch.stack(scores)))
        torch.testing.assert_close(module(*scores[:1] * streams), scores[0])
        # The same streams at other places, whose parameters move with them.
        order = data.draw(st.permutations(range(streams)))
        first = module.linear1.weight.view(hidden, streams, classes)[:, order]
        module.linear1.weight.copy_(first.reshape(hidden, -1))
        module.linear2.weight.copy_(module.linear2.weight[order])
        module.linear2.bias.copy_(module.linear2.bias[order])
        moved = [scores[i] for i in order]
        torch.testing.assert_close(module.weights(*moved), weights[:, order])
        torch.testing.assert_close(module(*moved), found)


def test_attention_weights_sum_to_one_and_equal_scores_are_kept():
    torch.manual_seed(0)
    fusion = AttentionFusion(5, 8)
    a, b = torch.randn(7, 5), torch.randn(7, 5)
    weights = fusion.weights(a, b)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(7))
    torch.testing.assert_close(fusion(a, b), weights[:, :1] * a + weights[:, 1:] * b)
    torch.testing.assert_close(fusion(a, a), a)


def by_figure_2(module, a, b):
    """Weights and fused scores in float64 NumPy, from the figure."""
    w1, b1, w2, b2 = (p.detach().double().numpy() for p in module.parameters())
    energies = (np.concatenate([a, b], axis=1) @ w1.T + b1) @ w2.T + b2
    shares = np.exp(energies - energies.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return shares, shares[:, :1] * a + shares[:, 1:] * b


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 8), st.integers(1, 6), st.sampled_from([0.1, 1, 30, 1e4]), st.integers(0, 99))
def test_attention_is_a_weighing_of_the_streams_as_in_figure_2(classes, hidden, scale, seed):
    torch.manual_seed(seed)
    module = AttentionFusion(classes, hidden).double()
    a, b = scale * np.random.default_rng(seed).standard_normal((2, 4, classes))
    with torch.no_grad():
        weights = module.weights(torch.tensor(a), torch.tensor(b)).numpy()
        fused = module(torch.tensor(a), torch.tensor(b)).numpy()
        kept = module(torch.tensor(a), torch.tensor(a)).numpy()
    expected_weights, expected = by_figure_2(module, a, b)
    np.testing.assert_allclose(weights, expected_weights, atol=1e-9)
    np.testing.assert_allclose(fused, expected, atol=1e-9 * scale)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(kept, a, rtol=1e-12)
    slack = 1e-12 * scale
    assert (fused >= np.minimum(a, b) - slack).all()
    assert (fused <= np.maximum(a, b) + slack).all()


def test_two_streams_of_equal_scores_give_that_score():
    (train, _, _), (test, _, _) = streams(0), streams(1)
    np.testing.assert_array_equal(average([test, test]), test.videos)
    few = {**OPTIONS, "epochs": 3}
    fused, weights = attention([train, train], [test, test], few, seed=0)
    np.testing.assert_allclose(fused, test.videos, rtol=1e-5)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)


def test_attention_beats_the_average_where_one_stream_is_reliable_per_sample():
    (*train, _), (a, b, first) = streams(0), streams(1)
    fused, weights = attention(train, [a, b], OPTIONS, seed=0)
    assert accuracies(average([a, b]), a.labels)["top1"] < 10
    assert accuracies(fused, a.labels)["top1"] > 95
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
    assert weights[first, 0].mean() > 0.8
    assert weights[~first, 0].mean() < 0.2
    for share in np.linspace(0, 1, 21):  # no weights that are the same for all videos do
        fixed = share * a.videos + (1 - share) * b.videos
        assert accuracies(fixed, a.labels)["top1"] < 65


def test_attention_finds_the_reliable_one_of_three_streams():
    (*train, _), (a, b, first) = streams(0), streams(1)
    rng = np.random.default_rng(2)
    train, test = (
        [*two, part(6 * rng.standard_normal((200, 4)), two[0].labels)] for two in (train, [a, b])
    )
    fused, weights = attention(train, test, OPTIONS, seed=0)
    assert weights.shape == (200, 3)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
    assert accuracies(fused, a.labels)["top1"] > 90
    assert weights[first, 0].mean() > 0.7
    assert weights[~first, 1].mean() > 0.7
    assert weights[:, 2].mean() < 0.2  # noise


def test_attention_repeats_from_its_seed():
    (*train, _), (*test, _) = streams(0), streams(1)
    few = {**OPTIONS, "epochs": 2}
    first = attention(train, test, few, seed=1)[0]
    np.testing.assert_array_equal(attention(train, test, few, seed=1)[0], first)
    assert not np.array_equal(attention(train, test, few, seed=2)[0], first)


def write(path, stream, train, test, validation=None, **run):
    run = {"dataset": "d", "seed": 0, "stream": stream, **run}
    parts = {"train": train, "validation": validation or test, "test": test}
    write_scores(path, Scores(run, tuple("abcd"), parts))
    return path


def learnt_by_heart(seed, known, count, classes=4):
    """A stream that knows its training videos and guesses others, and one that is right on 70 %."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    guess, other = rng.integers(0, classes, (2, count))
    other = np.where(rng.random(count) < 0.6, labels, other)  # and right by chance
    noise = 0.5 * rng.standard_normal((2, count, classes))
    first, second = (
        part(size * np.eye(classes)[shown] + plus, labels)
        for size, shown, plus in zip(
            (6, 4), (labels if known else guess, other), noise, strict=True
        )
    )
    return first, second


@pytest.mark.parametrize(("fit", "count", "trusted"), [("train", 300, 0), ("held-out", 40, 1)])
def test_held_out_videos_show_which_stream_only_knows_what_it_has_seen(
    tmp_path, caplog, fit, count, trusted
):
    test = learnt_by_heart(1, False, 400)
    parts = zip(learnt_by_heart(0, True, 300), test, learnt_by_heart(2, False, 40), strict=True)
    names = ("memory", "reason")
    paths = [write(tmp_path / n, n, *p) for n, p in zip(names, parts, strict=True)]
    with caplog.at_level("INFO"):
        scores = map(read_scores, paths)
        found = fusion.fuse([*scores], "attention", {**OPTIONS, "fit": fit}, tmp_path / "out.json")
    assert found["fitted_on"] == {"part": fit, "n_videos": count}
    assert f"fitted on the scores of {count} {fit} videos" in caplog.text
    alone = [accuracies(stream.videos, stream.labels)["top1"] for stream in test]
    assert alone == pytest.approx([25, 70], abs=3)
    assert found["weights"]["mean"][trusted] > 0.85
    assert found["top1"] == pytest.approx(alone[trusted], abs=5)


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("kind", ["average", "attention"])
def test_the_file_says_what_was_fused_and_what_came_out(tmp_path, kind, count):
    (a, b, _), (c, d, _) = streams(0), streams(1)
    parts = {"ds": (a, c), "flow": (b, d), "rgb": (b, c)}
    names = list(parts)[:count]
    paths = [write(tmp_path / f"{name}.h5", name, *parts[name]) for name in names]
    options = {"fit": "train", **OPTIONS} if kind == "attention" else {}
    returned = fusion.fuse([*map(read_scores, paths)], kind, options, tmp_path / "out.json")
    found = json.loads((tmp_path / "out.json").read_text())
    assert found == returned
    assert found["run"] == {"dataset": "d", "seed": 0, "streams": names, "kind": kind}
    assert found["classes"] == list("abcd")
    assert found["n_videos"] == 200
    if kind == "average":
        assert found["weights"] is found["fitted_on"] is None
    else:
        assert found["fitted_on"] == {"part": "train", "n_videos": 200}
        per_class = np.array(found["weights"]["per_class"])
        assert per_class.shape == (4, count)
        np.testing.assert_allclose(per_class.sum(axis=1), 1, rtol=1e-5)
        mean = np.bincount(c.labels) @ per_class / 200
        np.testing.assert_allclose(found["weights"]["mean"], mean, rtol=1e-5)
    right = np.array(found["per_class"]) @ np.bincount(c.labels) / 200
    assert found["top1"] == pytest.approx(right)


def test_streams_of_different_runs_are_not_fused(tmp_path):
    a, b, _ = streams(0)
    first = write(tmp_path / "a.h5", "ds", a, a)
    second = write(tmp_path / "b.h5", "flow", b, b, seed=1)
    with pytest.raises(ScoreError, match="ds and flow are of different runs"):
        fusion.fuse([read_scores(first), read_scores(second)], "average", {}, tmp_path / "out.json")
    assert not (tmp_path / "out.json").exists()


TWO = [("ds", "flow"), ("ds", "rgb")]


@pytest.fixture
def scored(tmp_path):
    """Scores of three streams."""
    (a, b, _), (c, d, _) = streams(0), streams(1)
    parts = {"ds": (a, c), "flow": (b, d), "rgb": (b, c)}
    return {name: write(tmp_path / name, name, *pair) for name, pair in parts.items()}


def job(code="x", **options):
    """Both fusions by average and by attention."""
    fits = {"fit": "train", **OPTIONS, **options}
    return FusionsSpec(
        streams=["ds", "flow", "rgb"],
        fusions=[Fused(streams=[*n], kind=k) for n in TWO for k in ("average", "attention")],
        kinds={
            "average": Kind(spec=FusionSpec(), code=""),
            "attention": Kind(spec=FusionSpec(**fits), code=code),
        },
    )


def run_job(folder, scored, spec, monkeypatch):
    """Run a job as Snakemake does, which first removes what it made; the fusions it computes."""
    outputs = [folder / f"{'+'.join(each.streams)}.{each.kind}.json" for each in spec.fusions]
    for path in outputs:
        path.unlink(missing_ok=True)
    made = []
    fuse = fusion.fuse
    with monkeypatch.context() as patch:
        patch.setattr(fusion, "fuse", lambda *a: made.append(a[3].name) or fuse(*a))
        fusion.fuse_all(spec, [scored[name] for name in spec.streams], outputs)
    return made


def test_a_job_computes_only_fusions_of_which_something_changed(tmp_path, scored, monkeypatch):
    folder = tmp_path / "fusion"

    def run(spec):
        return run_job(folder, scored, spec, monkeypatch)

    assert len(run(job())) == 4
    before = {path.name: path.read_bytes() for path in folder.glob("*.json")}
    assert len(before) == 4
    assert run(job()) == []
    assert {path.name: path.read_bytes() for path in folder.glob("*.json")} == before
    assert run(job(code="y")) == ["ds+flow.attention.json", "ds+rgb.attention.json"]
    assert run(job(code="y", lr=0.02)) == ["ds+flow.attention.json", "ds+rgb.attention.json"]
    write(scored["rgb"], "rgb", streams(2)[0], streams(1)[0])
    assert run(job(code="y", lr=0.02)) == ["ds+rgb.average.json", "ds+rgb.attention.json"]
    found = json.loads((folder / "ds+rgb.average.json").read_text())
    assert found["sources"]["scores"] == [file_digest(scored[name]) for name in ("ds", "rgb")]
    kept = folder / fusion.KEPT / "ds+flow.average.json"
    kept.write_bytes(kept.read_bytes().replace(b"0", b"1", 1))
    assert run(job(code="y", lr=0.02)) == ["ds+flow.average.json"]  # of which one was damaged


def test_a_fusion_that_fails_does_not_take_the_others_along(tmp_path, scored, monkeypatch, caplog):
    good = scored["flow"].read_bytes()
    scored["flow"].write_bytes(good[: len(good) // 2])
    with pytest.raises(RemakeError, match="flow is damaged"):
        run_job(tmp_path / "fusion", scored, job(), monkeypatch)
    assert {path.name for path in (tmp_path / "fusion").glob("*.json")} == {
        "ds+rgb.average.json",
        "ds+rgb.attention.json",
    }
    assert "ds+flow.attention.json" in caplog.text
    scored["flow"].write_bytes(good)
    made = run_job(tmp_path / "fusion", scored, job(), monkeypatch)
    assert made == ["ds+flow.average.json", "ds+flow.attention.json"]
