"""A finished run: everything that was promised is there, and there is nothing left to do."""

import subprocess
import sys

import pandas as pd
import pytest
from checks import assert_whole, leftovers
from project import CLASSES, EVERYTHING, FUSED, RUN, SHARDS, STREAMS, TEST, TITLES, Project

DATASET = "results/motions"
FIGURES = (
    "motions-split1-4f-training",
    "motions-split1-4f-curves",
    "motions-split1-4f-confusion",
    "motions-split1-4f-per-class",
    "motions-split1-4f-attention",
    "motions-split1-4f-similarity",
    "motions-split1-4f-features",
    "motions-contact",
    "table1",
    "cost",
)


def test_the_copy_runs_its_own_code(finished: Project, tmp_path):
    command = [sys.executable, "-c", "import dsnet.losses; print(dsnet.losses.__file__)"]
    output = subprocess.run(
        command, cwd=tmp_path, env=finished.environment, capture_output=True, text=True, check=True
    )
    assert output.stdout.strip() == str(finished / "dsnet/losses/__init__.py")


def test_a_second_run_does_nothing(project: Project):
    before = {path: path.stat().st_mtime_ns for path in (project / "results").rglob("*")}
    assert project.plan().nothing_to_do
    assert project.finish().nothing_to_do
    assert {path: path.stat().st_mtime_ns for path in (project / "results").rglob("*")} == before


def test_everything_forced_is_every_job_that_the_tests_know(finished: Project, tmp_path):
    assert finished.copy_to(tmp_path / "project").finish("-n", "--forceall").jobs == EVERYTHING


@pytest.mark.parametrize(
    "path",
    [
        f"{DATASET}/manifest.csv",
        f"{DATASET}/clips.h5",
        f"{DATASET}/broken.csv",
        *(f"{DATASET}/{kind}/{shard}.h5" for kind in ("frames", "flow") for shard in SHARDS),
        *(
            f"{RUN}/{stream}/{name}"
            for stream in STREAMS
            for name in ("model.pt", "history.csv", "scores.h5")
        ),
        *(
            f"{RUN}/fusion/{'+'.join(names)}.{kind}.json"
            for names in FUSED
            for kind in ("average", "attention")
        ),
        *(
            f"results/tables/{table}.{suffix}"
            for table in ("table1", "table2", "significance", "claims", "study", "latency")
            for suffix in ("csv", "md", "tex", "html")
        ),
        *(f"results/figures/{figure}.{suffix}" for figure in FIGURES for suffix in ("png", "svg")),
        "results/figures/motions-split1-4f-classes.html",
        "results/summary.html",
        "results/tables/motions-split1-4f-classes.csv",
        "results/provenance.html",
        *(f"{RUN}/{name}" for name in ("similarity.csv", "maps.npz")),
    ],
)
def test_the_artifact_is_there(finished: Project, path):
    assert (finished / path).stat().st_size > 0


def test_every_stream_has_event_files(finished: Project):
    for stream in STREAMS:
        assert list((finished / f"{RUN}/{stream}/tensorboard").glob("events.out.tfevents.*"))


def test_every_file_is_whole_and_none_is_left_over(finished: Project):
    assert assert_whole(finished) > 40
    assert leftovers(finished) == []


def test_table1_has_a_row_for_every_result(finished: Project):
    table = pd.read_csv(finished / "results/tables/table1.csv")
    measured = table[table["source"] == "measured"]
    two = "Two streams (4f)"
    mimic = [f"{TITLES[name]} (4f)" for name in ("mars", "ds")]
    expected = {(two, "RGB"), (two, "Flow"), (two, "RGB+Flow")}
    columns = ("Mimic", "Mimic+RGB", "Mimic+Flow", "Mimic+RGB+Flow")
    expected |= {(m, c) for m in mimic for c in columns}
    assert set(zip(measured["method"], measured["column"], strict=True)) == expected
    assert len(measured) == len(expected)
    assert list(dict.fromkeys(measured["method"])) == [two, *mimic]  # as the config has them
    assert set(measured["dataset"]) == {"tiny motions"}
    assert set(measured["n_videos"]) == {CLASSES * TEST}
    assert set(measured["seeds"]) == {1}
    assert set(measured["protocol"]) == {"held-out"}
    # Ten videos: accuracies are whole tenths.
    assert set(measured["top1"]) <= {100 * right / (CLASSES * TEST) for right in range(11)}


def test_table1_of_other_videos_has_none_of_the_papers_rows(finished: Project):
    table = pd.read_csv(finished / "results/tables/table1.csv")
    assert set(table["source"]) == {"measured"}
    assert set(table["dataset"]) == {"tiny motions"}
    assert "†" not in (finished / "results/tables/table1.md").read_text(encoding="utf-8")


def test_table2_has_the_rows_of_the_ablation(finished: Project):
    table = pd.read_csv(finished / "results/tables/table2.csv")
    assert list(table["method"]) == ["Baseline (MARS)", "DS", "DS + Flow", "DS + Flow, attention"]
    assert table["top1"].between(0, 100).all()
    first = pd.read_csv(finished / "results/tables/table1.csv")
    mimic = first[(first["column"] == "Mimic") & (first["source"] == "measured")]
    of_the_streams = dict(zip(mimic["method"], mimic["top1"], strict=True))
    assert list(table["top1"][:2]) == [of_the_streams[f"{TITLES[s]} (4f)"] for s in ("mars", "ds")]


def test_claims_and_study_are_of_the_same_results_as_table1(finished: Project):
    first = pd.read_csv(finished / "results/tables/table1.csv")
    first = first[first["source"] == "measured"].set_index(["method", "column"])["top1"]
    ds, mars = (first[f"{TITLES[name]} (4f)", "Mimic"] for name in ("ds", "mars"))
    claims = pd.read_csv(finished / "results/tables/claims.csv")
    assert list(claims["claim"]) == ["DS helps", "Attention helps"]
    assert claims["difference"][0] == pytest.approx(ds - mars)
    study = pd.read_csv(finished / "results/tables/study.csv")
    assert list(study["group"]) == ["Streams", "Streams", "Fusions"]
    fused = first[f"{TITLES['ds']} (4f)", "Mimic+Flow"]
    assert study["top1"][0] == pytest.approx(first["Two streams (4f)", "Flow"])
    assert study["top1"][1] in (pytest.approx(ds), pytest.approx(mars))
    assert study["top1"][2] == pytest.approx(fused)


def test_latency_adds_up(finished: Project):
    table = pd.read_csv(finished / "results/tables/latency.csv")
    streams = ["rgb", "flow", "rgb+flow", "ds", "ds+rgb", "ds+flow", "ds+rgb+flow"]
    assert list(table["streams"]) == streams
    assert list(table["input"]) == [names.replace("ds", "rgb") for names in streams]
    alone = table.set_index("streams")["ms_network"]
    for names, together in alone.items():  # to four decimals each
        assert together == pytest.approx(sum(alone[n] for n in names.split("+")), abs=5e-4)
    assert ((table["ms_network"] + table["ms_flow"] - table["ms_total"]).abs() < 1e-3).all()
    assert (table["ms_network"] > 0).all()
    assert list(table["ms_flow"] > 0) == ["flow" in names for names in streams]


def test_no_video_was_broken(finished: Project):
    assert pd.read_csv(finished / f"{DATASET}/broken.csv").empty


def test_histories_have_an_epoch_a_row(finished: Project):
    for stream in STREAMS:
        history = pd.read_csv(finished / f"{RUN}/{stream}/history.csv")
        assert list(history["epoch"]) == [1, 2]
        assert history["train_loss"].gt(0).all()
    terms = {name for name in history.columns if name.startswith("loss_")}
    assert terms == {"loss_ce", "loss_mae", "loss_gram"}
