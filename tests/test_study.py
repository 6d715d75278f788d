"""Answers to claims and results in groups, over several splits and seeds."""

import numpy as np
import pandas as pd
import pytest

from dsnet.figures import intervals
from dsnet.scores import Part, Scores
from dsnet.tables import claims, render_claims, render_study, study, to_markdown

STREAMS = {
    "flow": {"title": "Flow", "input": "flow"},
    "mars": {"title": "MARS", "input": "rgb"},
    "ds": {"title": "DS", "input": "rgb"},
    "ds-strong": {"title": "DS, strong", "input": "rgb"},
}
VIDEOS = 40
TUNED = {"stream": ["ds", "ds-strong"]}


def part(name, right, videos=VIDEOS):
    """Scores of two classes that are right for the first ``right`` videos."""
    labels = np.arange(videos) % 2
    shown = np.where(np.arange(videos) < right, labels, 1 - labels)
    ids = tuple(f"{name}{i}" for i in range(videos))
    return Part(ids, labels, np.eye(2, dtype=np.float32)[shown], np.ones(videos, np.int64))


def run(split, seed, **more):
    about = {"title": "Toy", "clip_length": 16, "protocol": "held-out", "n_missing": 0}
    return {**about, "split": split, "seed": seed, **more}


def experiment(right, selected):
    """Scores of two splits and two seeds: videos right, and right of the ten that select."""
    return [
        Scores(
            run(split, seed, stream=stream),
            ("a", "b"),
            {
                "test": part(f"{split}/", right[stream] - seed),
                "validation": part("v", selected[stream], 10),
            },
        )
        for stream in right
        for split in (1, 2)
        for seed in (0, 1)
    ]


def fusion(kind, right):
    """The fused DS and Flow, right for the first ``right`` videos of every split and seed."""
    return [
        {
            "run": run(split, seed, streams=["ds", "flow"], kind=kind),
            "top1": 100 * right / VIDEOS,
            "n_videos": VIDEOS,
            "right": (np.arange(VIDEOS) < right).tolist(),
        }
        for split in (1, 2)
        for seed in (0, 1)
    ]


SCORES = experiment(
    {"flow": 38, "mars": 10, "ds": 30, "ds-strong": 31},
    {"flow": 9, "mars": 5, "ds": 8, "ds-strong": 6},
)
FUSIONS = fusion("average", 35) + fusion("attention", 35)


def claim(method, against, scores=SCORES):
    rows = [{"claim": "It helps", "method": method, "against": against}]
    (answer,) = claims(scores, FUSIONS, STREAMS, rows).to_dict("records")
    return answer


def test_a_claim_is_answered_over_all_splits_and_seeds():
    answer = claim({"stream": "ds"}, {"stream": "mars"})
    assert answer["answer"] == "supported"
    assert answer["difference"] == pytest.approx(100 * 20 / VIDEOS)
    assert (answer["splits"], answer["seeds"], answer["n_videos"]) == (2, 2, 2 * VIDEOS)
    assert 0 < answer["low"] < answer["difference"] < answer["high"]
    # In each of two seeds DS alone is right for 20 videos of either split: twice the median.
    assert answer["p"] == pytest.approx(2 * 2 * 0.5**40)


def test_the_opposite_is_not_supported_and_the_same_is_undecided():
    assert claim({"stream": "mars"}, {"stream": "ds"})["answer"] == "not supported"
    same = claim({"stream": "ds"}, {"stream": "ds"})
    assert (same["answer"], same["difference"], same["p"]) == ("undecided", 0, 1)


def test_one_video_decides_nothing():
    labels, ids, counts = np.zeros(1, np.int64), ("v",), np.ones(1, np.int64)
    found = [
        Scores(
            run(1, 0, stream=name),
            ("a", "b"),
            {"test": Part(ids, labels, np.array([logits], np.float32), counts)},
        )
        for name, logits in (("mars", (0, 1)), ("ds", (1, 0)))
    ]
    rows = [{"claim": "", "method": {"stream": "ds"}, "against": {"stream": "mars"}}]
    (answer,) = claims(found, [], STREAMS, rows).to_dict("records")
    assert (answer["low"], answer["high"]) == (100, 100)
    assert answer["answer"] == "undecided"


def test_fusions_are_compared_video_by_video():
    average, attention = (
        {"stream": "ds", "fuse": ["flow"], "by": k} for k in ("average", "attention")
    )
    assert claim(attention, average)["answer"] == "undecided"
    against_one = claim(average, {"stream": "ds"})
    assert against_one["method"] == "DS + Flow (average)"
    assert against_one["difference"] == pytest.approx(100 * 5.5 / VIDEOS)  # seeds: 30 and 29 right


def test_of_several_streams_the_one_best_on_the_selection_part_counts_not_on_the_test_part():
    answer = claim(TUNED, {"stream": "mars"})
    assert answer["method"] == "DS (best of 2)"
    assert answer["difference"] == pytest.approx(100 * 20 / VIDEOS)


def test_a_fusion_that_does_not_say_which_videos_is_refused():
    silent = [{k: v for k, v in f.items() if k != "right"} for f in FUSIONS]
    rows = [
        {"claim": "", "method": {"stream": "ds", "fuse": ["flow"]}, "against": {"stream": "ds"}}
    ]
    with pytest.raises(
        ValueError, match=r"ds \+ flow \(average fusion\) on Toy, split 1.*one by one"
    ):
        claims(SCORES, silent, STREAMS, rows)


def test_a_study_pools_splits_and_shows_what_settings_may_be_chosen_by():
    groups = [{"group": "Both", "rows": [{"stream": "ds"}, {"stream": "ds", "fuse": ["flow"]}]}]
    alone, fused = study(SCORES, FUSIONS, STREAMS, groups).to_dict("records")
    assert alone["top1"] == pytest.approx(100 * 29.5 / VIDEOS)
    assert alone["top1_std"] == pytest.approx(100 / VIDEOS / np.sqrt(2))
    assert alone["low"] < alone["top1"] < alone["high"]
    assert alone["selection"] == 80
    assert (alone["splits"], alone["seeds"], alone["n_videos"]) == (2, 2, 2 * VIDEOS)
    assert fused["top1"] == pytest.approx(100 * 35 / VIDEOS)
    assert np.isnan(fused["selection"])


def test_a_seed_that_is_missing_is_named():
    with pytest.raises(ValueError, match="no result for ds-strong on Toy, split 2, 16f, seed 1"):
        study(SCORES[:-1], [], STREAMS, [{"group": "", "rows": [{"stream": "ds-strong"}]}])


def test_the_texts_say_how_to_read_them():
    rows = [{"claim": "DS helps", "method": {"stream": "ds"}, "against": {"stream": "mars"}}]
    text = to_markdown(render_claims(claims(SCORES, FUSIONS, STREAMS, rows)))
    assert "| DS helps | supported | DS | MARS | +50.0 |" in text
    assert "undecided: zero is in it" in text
    groups = [{"group": "Fused", "rows": [{"stream": "ds", "fuse": ["flow"]}]}]
    text = to_markdown(render_study(study(SCORES, FUSIONS, STREAMS, groups)))
    assert "| Fused | DS + Flow (average) | 87.5 ± 0.0 |" in text
    assert "| — |" in text


@pytest.mark.parametrize("kind", ["claims", "study"])
def test_the_figure_has_a_line_per_row_and_its_interval(kind):
    if kind == "claims":
        rows = [{"claim": "DS $helps$", "method": {"stream": "ds"}, "against": {"stream": "mars"}}]
        table = claims(SCORES, FUSIONS, STREAMS, rows)
    else:
        groups = [{"group": "Streams", "rows": [{"stream": "ds"}, {"stream": "mars"}]}]
        table = study(SCORES, FUSIONS, STREAMS, groups)
    (axes,) = intervals(table).axes
    drawn = [line.get_xdata() for line in axes.lines if len(line.get_xdata()) == 2]
    for row in table.to_dict("records"):
        assert any(list(xs) == [row["low"], row["high"]] for xs in drawn)
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert len(names) == (1 if kind == "claims" else 3)


def test_an_empty_table_is_not_drawn():
    with pytest.raises(ValueError, match="no intervals"):
        intervals(pd.DataFrame())
