"""Answers to claims and results in groups, over several splits and seeds."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from specs import make_spec
from toy import first, fusion, scores

from dsnet import csvs
from dsnet.cli import main
from dsnet.figures import intervals
from dsnet.scores import ScoreError
from dsnet.tables import claims, render_claims, render_study, study, to_markdown
from dsnet.tables.study import NO_ANSWER

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


def experiment(right, selected, places=PLACES):
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
        for place in places
    ]


def fused(kind, right):
    """The fused DS and Flow, right for the first ``right`` videos of every split and seed."""
    top1 = 100 * right / VIDEOS
    return [fusion("ds", "flow", top1=top1, kind=kind, of=VIDEOS, **place) for place in PLACES]


RIGHT = {"flow": 38, "mars": 10, "ds": 30, "ds-strong": 31}
SELECTED = {"flow": 9, "mars": 5, "ds": 8, "ds-strong": 6}
SCORES = experiment(RIGHT, SELECTED)
FUSIONS = fused("average", 35) + fused("attention", 35)


def claim(method, against, found=SCORES, **more):
    rows = [{"claim": "It helps", "method": method, "against": against, **more}]
    (answer,) = claims(found, FUSIONS, STREAMS, rows).to_dict("records")
    return answer


def test_a_claim_is_answered_over_all_splits_and_seeds():
    answer = claim({"stream": "ds"}, {"stream": "mars"})
    assert answer["answer"] == "supported"
    assert answer["difference"] == pytest.approx(100 * 20 / VIDEOS)
    assert (answer["splits"], answer["seeds"], answer["n_videos"]) == (2, 2, 2 * VIDEOS)
    assert 0 < answer["low"] < answer["difference"] < answer["high"]
    assert answer["p"] == answer["p_holm"] < 1e-6  # a claim alone


def test_one_seed_answers_nothing(tmp_path):
    one = [place for place in PLACES if place["seed"] == 0]
    found = experiment(RIGHT, SELECTED, one)
    rows = [
        {"claim": "", "method": {"stream": "ds"}, "against": {"stream": "mars"}},
        {"claim": "", "method": {"stream": "ds"}, "against": {"stream": "flow"}, "within": 50},
    ]
    table = claims(found, [], STREAMS, rows)
    assert (table["answer"] == "one training each: no answer").all()
    assert table["difference"].tolist() == [50, -20]
    assert table[["low", "high", "p", "p_holm"]].isna().all(axis=None)
    text = to_markdown(render_claims(table))
    assert "| one training each: no answer | DS | MARS | — | +50.0 | — | — | — |" in text
    groups = [{"group": "", "rows": [{"stream": "ds"}]}]
    grouped = study(found, [], STREAMS, groups)
    assert grouped[["low", "high", "top1_std"]].isna().all(axis=None)
    for drawn in (table, table.assign(within=np.nan), grouped):  # and as a file has them
        drawn.to_csv(tmp_path / "table.csv", index=False)
        outputs = [str(tmp_path / "figure.png"), str(tmp_path / "figure.svg")]
        assert (
            main(["intervals", "--table", str(tmp_path / "table.csv"), "--output", *outputs]) == 0
        )


def test_weights_that_are_taken_as_they_are_are_one_training_whatever_the_seed():
    found = experiment(RIGHT, SELECTED)
    taken = make_spec(epochs=0)
    found = [replace(s, spec=taken) if s.run["stream"] in ("flow", "mars") else s for s in found]
    rows = [
        {"claim": "", "method": {"stream": "flow"}, "against": {"stream": "mars"}},
        {"claim": "", "method": {"stream": "ds"}, "against": {"stream": "mars"}},
    ]
    table = claims(found, [], STREAMS, rows)
    assert table["answer"].iloc[0] == NO_ANSWER
    assert table["seeds"].tolist() == [1, 2]
    assert table["low"].isna().tolist() == [True, False]
    groups = [{"group": "", "rows": [{"stream": "flow"}, {"stream": "ds"}]}]
    assert study(found, [], STREAMS, groups)["low"].isna().tolist() == [True, False]


def test_all_claims_of_a_data_set_and_clip_length_are_one_family():
    more = [
        scores(stream, first(right - seed, VIDEOS), title="Other", seed=seed)
        for stream, right in (("mars", 10), ("ds", 30))
        for seed in (0, 1)
    ]
    rows = [
        {"claim": "", "method": {"stream": "ds"}, "against": {"stream": "mars"}},
        {"claim": "", "method": {"stream": "mars"}, "against": {"stream": "mars"}},
    ]
    table = claims([*SCORES, *more], [], STREAMS, rows)
    assert table["dataset"].tolist() == ["Toy", "Toy", "Other", "Other"]
    for _, family in table.groupby("dataset"):
        assert family["p_holm"].tolist() == pytest.approx([2 * family["p"].iloc[0], 1])


@pytest.mark.parametrize(
    ("within", "answer"), [(10, "not supported"), (50, "undecided"), (80, "supported")]
)
def test_a_claim_of_a_small_difference_is_answered_by_how_far_the_interval_reaches(within, answer):
    found = claim({"stream": "mars"}, {"stream": "ds"}, within=within)
    assert (found["answer"], found["within"], found["difference"]) == (answer, within, -50)
    assert -80 < found["low"] < -50 < found["high"] < -10
    # Twice the larger p of two one-sided tests: of the nearer of -within and within.
    shifted = claim({"stream": "mars"}, {"stream": "ds"}, within=100 - within)
    assert found["p"] == pytest.approx(shifted["p"])


def test_the_same_is_within_some_points_and_not_within_too_few():
    same = {"stream": "ds"}
    assert claim(same, same, within=10)["answer"] == "supported"
    assert claim(same, same, within=1)["answer"] == "undecided"  # of 80 videos


def test_the_opposite_is_not_supported_and_the_same_is_undecided():
    assert claim({"stream": "mars"}, {"stream": "ds"})["answer"] == "not supported"
    same = claim({"stream": "ds"}, {"stream": "ds"})
    assert (same["answer"], same["difference"], same["p"]) == ("undecided", 0, 1)


def test_one_video_decides_nothing():
    found = [scores("mars", [False], **WHERE), scores("ds", [True], **WHERE)]
    rows = [{"claim": "", "method": {"stream": "ds"}, "against": {"stream": "mars"}}]
    found += [scores("mars", [False], seed=1, **WHERE), scores("ds", [True], seed=1, **WHERE)]
    (answer,) = claims(found, [], STREAMS, rows).to_dict("records")
    assert np.isnan([answer["low"], answer["high"], answer["p"]]).all()
    assert answer["answer"] == "undecided"


def test_copies_of_one_video_count_as_one_group():
    def found(groups):
        return [
            scores(stream, first(right - 2 * seed, 40), groups=groups, seed=seed, **WHERE)
            for stream, right in (("mars", 20), ("ds", 32))
            for seed in (0, 1, 2)
        ]

    rows = [{"claim": "", "method": {"stream": "ds"}, "against": {"stream": "mars"}}]
    alone, together = (
        claims(found(groups), [], STREAMS, rows).iloc[0]
        for groups in (None, [str(i // 4) for i in range(40)])
    )
    assert alone["difference"] == together["difference"] == 30
    assert (alone["answer"], together["answer"]) == ("supported", "undecided")


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
    assert "counts all claims of a data set and clip length" in text
    assert "two one-sided" not in text
    text = to_markdown(render_claims(claims(SCORES, [], STREAMS, [{**rows[0], "within": 90}])))
    assert "| DS helps | supported | DS | MARS | 90.0 | +50.0 |" in text
    assert "two one-sided" in text
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


def test_the_figure_shows_values_without_intervals_every_answer_and_what_a_claim_allows():
    answers = ["supported", "not supported", "undecided", NO_ANSWER]
    table = pd.DataFrame(
        {
            **{"dataset": "Toy", "clip_length": 16, "claim": answers, "answer": answers},
            **{"method": "DS", "against": "MARS", "seeds": 1, "n_videos": 4},
            **{"difference": [3.0, -3.0, 1.0, 2.0], "within": [np.nan, 2.0, np.nan, np.nan]},
            **{"low": [1.0, -4.0, -1.0, np.nan], "high": [5.0, -2.5, 3.0, np.nan]},
        }
    )
    figure = intervals(table)
    (axes,) = figure.axes
    marks = [line for line in axes.lines if len(line.get_xdata()) == 1]
    assert [line.get_xdata()[0] for line in marks] == [3, -3, 1, 2]
    assert len({(line.get_color(), line.get_marker()) for line in marks}) == 4
    assert [line.get_fillstyle() for line in marks] == ["full", "full", "full", "none"]
    assert [text.get_text() for text in axes.texts] == ["+3.0", "-3.0", "+1.0", "+2.0"]
    assert all(np.isfinite(text.xy).all() for text in axes.texts)
    (band,) = axes.patches
    assert (band.get_x(), band.get_width(), band.get_y() + band.get_height() / 2) == (-2, 4, 1)
    (legend,) = figure.legends
    assert {text.get_text() for text in legend.get_texts()} == set(answers)


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
