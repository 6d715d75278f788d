"""Which streams and fusions the tables, figures and pages are about."""

import pytest

from dsnet.experiment import specs, streams


def test_fusions_are_those_of_the_tables(experiment):
    found = streams.fusions(experiment)
    assert len(found) == len(set(found))
    assert (("rgb", "flow"), "average") in found
    for name in ("mars", "ds", "rgb-from-flow"):
        for names in ((name, "rgb"), (name, "flow"), (name, "rgb", "flow")):
            assert {(names, "average"), (names, "attention")} <= set(found)


def test_the_same_streams_are_fused_once_in_whatever_order_they_are_named(experiment, loaded):
    rows = [
        {"method": "a", "stream": "rgb", "fuse": ["flow", "ds"], "by": "average"},
        {"method": "b", "stream": "rgb", "fuse": "ds", "by": "attention"},
    ]
    found = loaded({"tables": {"ablation": rows}})
    assert [row.fuse for row in found.tables.ablation] == [["flow", "ds"], ["ds"]]
    assert streams.fusions(found) == streams.fusions(experiment)
    assert streams.fused(found, ["flow", "rgb", "ds"]) == ("ds", "rgb", "flow")


def test_streams_beside_the_students_are_trained_but_not_shown_or_fused(loaded):
    chosen = {"tables": {"students": ["ds", "mars"], "claims": [], "study": []}}
    found = loaded(chosen)
    assert streams.students(found) == ["mars", "ds"]  # in the order of the streams
    assert streams.shown(found) == ["flow", "rgb", "mars", "ds"]
    assert {names[0] for names, _ in streams.fusions(found)} == {"rgb", "mars", "ds"}
    row = {"stream": "ds-gram", "fuse": "flow", "by": "attention"}
    chosen["tables"]["study"] = [{"group": "One", "rows": [row]}]
    found = loaded(chosen)
    assert (("ds-gram", "flow"), "attention") in streams.fusions(found)


ALL = ("flow", "rgb", "rgb-from-flow", "mars", "ds-mae", "ds-gram", "ds-gram-literal")
ALL += ("ds-gram-mean", "ds", "ds-literal", "ds-mean", "mars-mae", "mars-gram", "pkd-fading")


@pytest.mark.parametrize(
    ("kept", "compare", "ablation", "claims"),
    [
        (ALL, ["ds", "mars"], 14, 10),
        (("flow", "rgb", "mars", "ds"), ["ds", "mars"], 4, 4),
        (("flow", "rgb", "ds"), ["ds", "rgb"], 3, 3),
        (("flow", "rgb", "ds-mae", "mars"), ["mars", "rgb"], 2, 1),
        (("flow", "rgb", "ds-mae", "ds-gram"), ["ds-gram", "rgb"], 2, 0),
        (("flow", "rgb"), ["rgb", "flow"], 0, 0),
    ],
)
def test_tables_follow_the_streams_that_are_there(
    raw, loaded, caplog, kept, compare, ablation, claims
):
    assert set(raw["streams"]) == set(ALL)
    found = loaded({"streams": {name: None for name in ALL if name not in kept}})
    tables = found.tables
    assert set(found.streams) == set(kept)
    assert tables.compare == compare
    assert (len(tables.ablation), len(tables.claims)) == (ablation, claims)
    assert {n for _, row in streams.named_results(found) for n in row.names()} <= set(kept)
    assert {name for names, _ in streams.fusions(found) for name in names} <= set(kept)
    told = [record.message for record in caplog.records]
    left_out = ", ".join(sorted(set(ALL) - set(kept)))
    line = f"tables: rows of streams that are null are left out ({left_out})"
    assert told == [line] * (kept != ALL)


def test_a_choice_keeps_the_streams_that_are_there(loaded):
    rows = [{"stream": ["mars", "ds"]}, {"stream": "mars"}, {"stream": "ds", "fuse": "mars"}]
    groups = [{"group": "some", "rows": rows}, {"group": "none", "rows": rows[1:]}]
    claim = {"claim": "x", "method": {"stream": ["ds", "mars"]}, "against": {"stream": "rgb"}}
    changes = {"study": groups, "claims": [claim], "students": ["ds", "mars"]}
    found = loaded({"streams": {"mars": None}, "tables": changes}).tables
    assert [(g.group, [r.names() for r in g.rows]) for g in found.study] == [("some", [["ds"]])]
    assert [c.method.names() for c in found.claims] == [["ds"]]
    assert found.students == ["ds"]


@pytest.fixture
def second_teacher(loaded):
    """An experiment whose Dual-action Stream has a teacher that is not the two-stream method's."""
    given = {
        "flow2": {"title": "Flow 2", "input": "flow"},
        "ds": {"init": "flow2", "teacher": "flow2"},
    }
    return loaded({"streams": given, "tables": {"students": ["ds", "mars"]}})


def test_what_is_shown_of_the_student_is_shown_of_its_own_teacher(experiment, second_teacher):
    assert streams.featured(experiment) == ("rgb", "ds", "flow")
    assert streams.featured(second_teacher) == ("rgb", "ds", "flow2")
    assert streams.mapped_streams(second_teacher) == ["flow2", "ds", "mars", "rgb"]


def test_features_are_compared_with_those_of_the_teacher_or_else_of_flow(second_teacher):
    found = specs.similarity_spec(second_teacher)
    assert found.teachers == {"rgb": "flow", "mars": "flow", "ds": "flow2"}
    assert found.streams == ["flow", "flow2", "rgb", "mars", "ds"]


def test_latency_is_that_of_the_rows_of_table_1(experiment, second_teacher):
    title = "Dual-action Stream"
    assert streams.latency_rows(experiment) == [
        ("RGB", ["rgb"]),
        ("Flow", ["flow"]),
        ("RGB + Flow", ["rgb", "flow"]),
        (title, ["ds"]),
        (f"{title} + RGB", ["ds", "rgb"]),
        (f"{title} + Flow", ["ds", "flow"]),
        (f"{title} + RGB + Flow", ["ds", "rgb", "flow"]),
    ]
    fused_with = [names for _, names in streams.latency_rows(second_teacher)[5:]]
    assert fused_with == [["ds", "flow2"], ["ds", "rgb", "flow2"]]


def test_the_weights_that_are_drawn_begin_with_student_and_teacher(second_teacher):
    assert streams.attention_fusions(second_teacher) == [
        ("ds", "flow2"),
        ("ds", "rgb", "flow2"),
        ("ds", "rgb"),
        ("ds", "flow"),  # which Table 2 names
        ("rgb", "flow"),
    ]


def test_the_fusions_of_table_2_are_each_there_once(loaded):
    row = {"method": "x", "stream": "ds", "fuse": "flow", "by": "attention"}
    again = {**row, "method": "y"}
    alone = {"method": "z", "stream": "ds"}
    found = loaded({"tables": {"ablation": [row, again, alone, {**row, "fuse": ["flow", "rgb"]}]}})
    assert streams.ablation_fusions(found) == [
        (("ds", "flow"), "attention"),
        (("ds", "rgb", "flow"), "attention"),
    ]


def test_streams_with_a_teacher_are_distilled(experiment, loaded):
    assert streams.distilled(experiment) == [
        *("mars", "ds-mae", "ds-gram", "ds-gram-literal", "ds-gram-mean"),
        *("ds", "ds-literal", "ds-mean", "mars-mae", "mars-gram", "pkd-fading"),
    ]
    fewer = loaded({"tables": {"students": ["ds", "mars"]}})
    assert streams.distilled(fewer) == streams.distilled(experiment)


def test_fusions_with_the_same_readers_are_one_job(experiment, loaded):
    found = streams.batches(experiment)
    of_all = [each for batch in found.values() for each in batch]
    assert sorted(of_all) == sorted(streams.fusions(experiment))
    table2 = [each for name, batch in found.items() if "table2" in name for each in batch]
    assert sorted(table2) == sorted(streams.ablation_fusions(experiment))
    drawn = [each for name, batch in found.items() if "figure" in name for each in batch]
    assert sorted(drawn) == sorted((n, "attention") for n in streams.attention_fusions(experiment))
    assert next(iter(found)) == "fuse"
    assert "fuse_table2" not in streams.batches(loaded({"tables": {"ablation": []}}))
