"""The numbers of Tables 1 and 2: means, spreads, intervals, and the paper's own."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from toy import (
    ABLATION,
    FUSED,
    PAPER,
    STREAMS,
    TRAINED,
    experiment,
    first,
    fusion,
    one_video_of_a_class,
    row,
    scores,
    table1,
    table2,
)

from dsnet import tables
from dsnet.scores import ScoreError
from dsnet.tables.measured import Measured


def test_table1_has_the_columns_in_order():
    assert " ".join(table1(*experiment()).columns) == (
        "dataset split clip_length method column top1 top1_std seeds n_videos paper_top1 "
        "source protocol n_missing pretrain low high streams macro"
    )


def test_mean_and_sample_deviation_over_seeds():
    single, fused = experiment(seeds=(0, 1, 2))
    mimic = row(table1(single, fused), method="MARS (16f)", column="Mimic", source="measured")
    # MARS is right for 7, 8 and 9 of 10 videos.
    assert mimic.top1 == pytest.approx(80)
    assert mimic.top1_std == pytest.approx(10)
    assert (mimic.seeds, mimic.n_videos) == (3, 10)


def test_one_seed_has_neither_deviation_nor_interval():
    measured = table1(*experiment()).query("source == 'measured'")
    assert measured[["top1_std", "low", "high"]].isna().all(axis=None)
    assert (measured["seeds"] == 1).all()


def test_columns_take_the_right_streams_whatever_their_order():
    table = table1(*experiment())
    found = {(r.method, r.column): r.top1 for r in table.query("source == 'measured'").itertuples()}
    assert found == {
        ("Two streams (16f)", "RGB"): 60,
        ("Two streams (16f)", "Flow"): 50,
        ("Two streams (16f)", "RGB+Flow"): 70,
        ("MARS (16f)", "Mimic"): 70,
        ("MARS (16f)", "Mimic+RGB"): 71,
        ("MARS (16f)", "Mimic+Flow"): 72,
        ("MARS (16f)", "Mimic+RGB+Flow"): 75,
        ("Dual-action Stream (16f)", "Mimic"): 80,
        ("Dual-action Stream (16f)", "Mimic+RGB"): 73,
        ("Dual-action Stream (16f)", "Mimic+Flow"): 74,
        ("Dual-action Stream (16f)", "Mimic+RGB+Flow"): 76,
    }


def test_a_student_is_fused_with_its_own_teacher_and_only_averages_count():
    single, fused = experiment()
    streams = {
        **STREAMS,
        "flow2": {"title": "Flow 2", "input": "flow"},
        "late": {"title": "Late", "input": "rgb", "teacher": "flow2"},
    }
    single += [scores("late", first(4)), scores("flow2", first(3))]
    fused += [fusion("late", "rgb", top1=11.0), fusion("late", "flow2", top1=12.0)]
    fused += [fusion("late", "rgb", "flow2", top1=13.0), fusion("late", "rgb", "flow", top1=97.0)]
    fused += [fusion("late", "flow2", top1=99.0, kind="attention")]
    fused += [fusion("late", "flow", top1=98.0)]
    table = table1(single, fused, streams)
    assert row(table, method="Late (16f)", column="Mimic+Flow").top1 == 12
    both = row(table, method="Late (16f)", column="Mimic+RGB+Flow")
    assert (both.top1, both.streams) == (13, "late+rgb+flow2")


def test_paper_numbers_are_matched_on_title_method_and_column():
    table = table1(*experiment())
    where = {"dataset": "UCF-101", "source": "measured"}
    for method, column, value in (
        ("MARS (16f)", "Mimic", 94.6),
        ("MARS (16f)", "Mimic+RGB", 95.6),
        ("Dual-action Stream (16f)", "Mimic+Flow", 95.6),
    ):
        assert row(table, method=method, column=column, **where).paper_top1 == value
    assert np.isnan(row(table, method="Two streams (16f)", column="RGB", **where).paper_top1)


@pytest.mark.parametrize("where", [{"title": "motions"}, {"split": 2}, {"length": 32}])
def test_other_conditions_have_no_paper_number(where):
    measured = table1(*experiment(**where)).query("source == 'measured'")
    assert len(measured) == 11
    assert measured["paper_top1"].isna().all()


@pytest.mark.parametrize("title", ["motions", "UCF-101"])
def test_reported_rows_are_beside_their_own_data_set(title):
    table = table1(*experiment(title=title))
    assert set(table["dataset"]) == {title}
    reported = table[table["source"] == "reported"]
    assert len(reported) == (PAPER["dataset"] == title).sum()


def test_reported_rows_are_the_whole_table_of_the_paper():
    both = [experiment(title=title) for title in ("UCF-101", "HMDB-51")]
    table = table1(*([item for one in both for item in one[part]] for part in (0, 1)))
    reported = table.query("source == 'reported'")
    assert len(reported) == len(PAPER)
    assert (reported["top1"] == reported["paper_top1"]).all()
    assert reported[["seeds", "n_videos", "top1_std", "n_missing"]].isna().all(axis=None)
    assert set(reported["dataset"]) == {"UCF-101", "HMDB-51"}
    long = row(reported, dataset="HMDB-51", method="Dual-action Stream (64f)", column="Mimic+Flow")
    assert (long.top1, long.clip_length, long.pretrain) == (81.2, 64, "Kinetics")
    c3d = row(reported, dataset="UCF-101", method="C3D (2015)")
    assert c3d.top1 == 82.3
    assert c3d[["clip_length"]].isna().all()


def test_weights_fine_tuned_on_each_data_set_are_named_for_each():
    name = "MARS_{dataset}_{clip_length}f"
    streams = {**STREAMS, "mars": {"title": "MARS", "input": "rgb", "pretrained": name}}
    kinds = {"UCF-101": "ucf101", "HMDB-51": "hmdb51"}
    both = [experiment(title=title) for title in kinds]
    single, fused = ([item for one in both for item in one[part]] for part in (0, 1))
    table = tables.table1(single, fused, streams, ["rgb", "flow"], ["mars", "ds"], kinds)
    mars = table.query("method == 'MARS (16f)' and column == 'Mimic' and source == 'measured'")
    assert mars["pretrain"].tolist() == ["MARS_UCF101_16f", "MARS_HMDB51_16f"]
    text = tables.to_markdown(tables.render_table1(table))
    assert r"| MARS (16f) | MARS\_UCF101\_16f, MARS\_HMDB51\_16f (" in text


def test_pretraining_goes_back_through_the_streams():
    table = table1(*experiment())
    measured = table[table["source"] == "measured"]
    for column in ("Mimic", "Mimic+RGB", "Mimic+Flow"):
        mimic = row(measured, method="MARS (16f)", column=column)
        assert mimic.pretrain == "Flow_Kinetics_16f.pth"
    assert row(measured, column="RGB").pretrain == "none"
    assert row(measured, column="RGB+Flow").pretrain == "none+Flow_Kinetics_16f.pth"


def test_macro_accuracy_counts_every_class_the_same():
    found = [
        one_video_of_a_class(np.arange(10) < right, seed=seed)[0][0]
        for seed, right in ((0, 9), (1, 10))
    ]
    table = tables.table2(found, [], [{"method": "RGB", "stream": "rgb"}])
    # Class a is right for both seeds, 9 of 9. The one video of class b is right for one of two.
    assert table[["top1", "macro"]].iloc[0].tolist() == pytest.approx([95, 75])
    group = [{"group": "All", "rows": [{"stream": "rgb"}]}]
    splits = [one_video_of_a_class(np.arange(10) < 9, split=k)[0][0] for k in (1, 2)]
    (pooled,) = tables.study(splits, [], STREAMS, group).to_dict("records")
    assert (pooled["top1"], pooled["macro"]) == pytest.approx((90, 50))


def test_a_missing_seed_is_named():
    single, fused = experiment(seeds=(0, 1))
    single = [s for s in single if (s.run["stream"], s.run["seed"]) != ("ds", 1)]
    with pytest.raises(ScoreError, match=r"no result for ds on UCF-101, split 1, 16f, seed 1;"):
        table1(single, fused)


def test_a_missing_fusion_is_named():
    single, fused = experiment()
    for missing, named in ((4, r"ds \+ flow"), (6, r"ds \+ rgb \+ flow")):
        some = [item for i, item in enumerate(fused) if i != missing]
        with pytest.raises(ScoreError, match=rf"{named} \(average fusion\) on UCF.* seed 0;"):
            table1(single, some)


def test_doubtful_input_is_refused():
    single, fused = experiment(seeds=(0, 1))
    with pytest.raises(ScoreError, match="two results for flow on UCF-101, split 1, 16f, seed 0"):
        table1([*single, single[0]], fused)
    other = [scores("flow", first(3, of=9), seed=1) if s is single[1] else s for s in single]
    with pytest.raises(ScoreError, match=r"n_videos differs .* flow on UCF-101.*\[9, 10\]"):
        table1(other, fused)
    same = {**STREAMS, "ds": {**STREAMS["ds"], "title": "MARS"}}
    with pytest.raises(ScoreError, match=r"title of 'MARS \(16f\)'"):
        table1(single, fused, same)


def test_table2():
    table = table2()
    assert " ".join(table.columns) == (
        "method top1 top1_std seeds paper_top1 dataset split clip_length n_videos protocol "
        "n_missing low high macro"
    )
    assert table["top1"].tolist() == [65, 75, 74.5, 90.5]
    assert (table["low"] < table["top1"]).all()
    assert (table["top1"] < table["high"]).all()
    assert table["top1_std"].tolist() == pytest.approx([50**0.5, 50**0.5, 0.5**0.5, 0.5**0.5])
    assert table["paper_top1"].fillna(0).tolist() == [0, 94.6, 95.6, 95.7]
    assert set(table["clip_length"]) == {16}
    assert table2("motions")["paper_top1"].isna().all()


def test_table2_names_what_is_missing():
    with pytest.raises(ScoreError, match=r"ds \+ flow \(attention fusion\)"):
        tables.table2(*experiment(), ABLATION)


def test_intervals_hold_the_mean_and_shrink_with_the_videos():
    widths = []
    for videos in (10, 1000):
        single = [
            scores(name, first(videos // 2, of=videos), seed=seed)
            for name in TRAINED
            for seed in (0, 1)
        ]
        fused = [
            fusion(*names, top1=60.0, of=videos, seed=seed) for names in FUSED for seed in (0, 1)
        ]
        measured = table1(single, fused).query("source == 'measured'")
        assert (measured["low"] < measured["top1"]).all()
        assert (measured["high"] > measured["top1"]).all()
        widths.append((measured["high"] - measured["low"]).mean())
    # A proportion's interval of 95 % is 2 x 1.96 sqrt(p (1 - p) / n) wide.
    assert widths[1] == pytest.approx(200 * 1.96 * (0.25 / 1000) ** 0.5, rel=0.05)
    assert widths[0] > 5 * widths[1]


def test_a_fitted_fusion_counts_every_seed_though_its_streams_were_not_trained():
    settings = SimpleNamespace(training=SimpleNamespace(epochs=0))
    taken = SimpleNamespace(stream=settings)
    single = [
        replace(scores(name, first(5), seed=seed), spec=taken)
        for name in ("rgb", "flow")
        for seed in (0, 1)
    ]
    fused = [fusion("rgb", "flow", top1=50, seed=seed) for seed in (0, 1)]
    fused += [
        fusion("rgb", "flow", top1=50, seed=seed, kind="mine") | {"fitted_on": {"part": "train"}}
        for seed in (0, 1)
    ]
    measured = Measured(single, fused)
    assert measured.trainings(measured.experiments, (("rgb", "flow"), "average")) == slice(1)
    assert measured.trainings(measured.experiments, (("rgb", "flow"), "mine")) == slice(None)
