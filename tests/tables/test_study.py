"""Answers to claims and results in groups, over several splits and seeds."""

import numpy as np
import pandas as pd
import pytest
from toy import first, fusion, scores

from dsnet import csvs
from dsnet.cli import main
from dsnet.figures import intervals
from dsnet.scores import ScoreError
from dsnet.tables import claims, render_claims, render_study, study, to_markdown

STREAMS = {
    "flow": {"title": "Flow", "input": "flow"},
    "mars": {"title": "MARS", "input": "rgb"},
    "ds": {"title": "DS", "input": "rgb"},
    "ds-strong": {"title": "DS, strong", "input": "rgb"},
}
VIDEOS = 40
TUNED = {"stream": ["ds", "ds-strong"]}
WHERE = {"title": "Toy", "length": 16}
PLACES = [{**WHERE, "split": split, "seed": seed} for split in (1, 2) for seed in (0, 1)]


def experiment(right, selected):
    """Scores of two splits and two seeds: videos right, and right of the ten that select."""
    return [
        scores(
            stream,
            first(right[stream] - place["seed"], VIDEOS),
            ids=[f"{place['split']}/{i}" for i in range(VIDEOS)],
            selection=first(selected[stream]),
            **place,
        )
        for stream in right
        for place in PLACES
    ]


def fused(kind, right):
    """The fused DS and Flow, right for the first ``right`` videos of every split and seed."""
    top1 = 100 * right / VIDEOS
    return [fusion("ds", "flow", top1=top1, kind=kind, of=VIDEOS, **place) for place in PLACES]


SCORES = experiment(
    {"flow": 38, "mars": 10, "ds": 30, "ds-strong": 31},
    {"flow": 9, "mars": 5, "ds": 8, "ds-strong": 6},
)
FUSIONS = fused("average", 35) + fused("attention", 35)


def claim(method, against):
    rows = [{"claim": "It helps", "method": method, "against": against}]
    (answer,) = claims(SCORES, FUSIONS, STREAMS, rows).to_dict("records")
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
    found = [scores("mars", [False], **WHERE), scores("ds", [True], **WHERE)]
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
        ScoreError, match=r"ds \+ flow \(average fusion\) on Toy, split 1.*one by one"
    ):
        claims(SCORES, silent, STREAMS, rows)


def test_a_study_pools_splits_and_shows_what_settings_may_be_chosen_by():
    groups = [{"group": "Both", "rows": [{"stream": "ds"}, {"stream": "ds", "fuse": ["flow"]}]}]
    alone, together = study(SCORES, FUSIONS, STREAMS, groups).to_dict("records")
    assert alone["top1"] == pytest.approx(100 * 29.5 / VIDEOS)
    assert alone["top1_std"] == pytest.approx(100 / VIDEOS / np.sqrt(2))
    assert alone["low"] < alone["top1"] < alone["high"]
    assert alone["selection"] == 80
    assert (alone["splits"], alone["seeds"], alone["n_videos"]) == (2, 2, 2 * VIDEOS)
    assert together["top1"] == pytest.approx(100 * 35 / VIDEOS)
    assert np.isnan(together["selection"])


def test_a_seed_that_is_missing_is_named():
    with pytest.raises(ScoreError, match="no result for ds-strong on Toy, split 2, 16f, seed 1"):
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


@pytest.mark.parametrize("names", [("0.1", "1"), ("2020", "2021"), ("None", "NA")])
def test_groups_are_drawn_by_their_names_whatever_those_look_like(tmp_path, names):
    groups = [{"group": name, "rows": [{"stream": "ds"}]} for name in names]
    path = tmp_path / "study.csv"
    study(SCORES, FUSIONS, STREAMS, groups).to_csv(path, index=False)
    outputs = [str(tmp_path / "study.png"), str(tmp_path / "study.svg")]
    assert main(["intervals", "--table", str(path), "--output", *outputs]) == 0
    (axes,) = intervals(csvs.read(path)).axes
    drawn = [label.get_text() for label in axes.get_yticklabels()]
    assert drawn == [names[0], "DS", names[1], "DS"]
