"""Which streams and fusions the tables, figures and pages are about."""

import pytest

from dsnet import config as settings


def test_fusions_are_those_of_the_tables(config):
    found = settings.fusions(config)
    assert len(found) == len(set(found))
    assert (("rgb", "flow"), "average") in found
    for name in ("mars", "ds", "rgb-from-flow"):
        for names in ((name, "rgb"), (name, "flow"), (name, "rgb", "flow")):
            assert {(names, "average"), (names, "attention")} <= set(found)


def test_the_same_streams_are_fused_once_in_whatever_order_they_are_named(config, resolved):
    rows = [
        {"method": "a", "stream": "rgb", "fuse": ["flow", "ds"], "by": "average"},
        {"method": "b", "stream": "rgb", "fuse": "ds", "by": "attention"},
    ]
    found = resolved({"tables": {"ablation": rows}})
    assert [row["fuse"] for row in found["tables"]["ablation"]] == [["flow", "ds"], ["ds"]]
    assert settings.fusions(found) == settings.fusions(config)
    assert settings.fused(found, ["flow", "rgb", "ds"]) == ("ds", "rgb", "flow")


def test_streams_beside_the_students_are_trained_but_not_shown_or_fused(resolved):
    chosen = {"tables": {"students": ["ds", "mars"], "claims": [], "study": []}}
    found = resolved(chosen)
    assert settings.students(found) == ["mars", "ds"]  # in the order of the streams
    assert settings.shown(found) == ["flow", "rgb", "mars", "ds"]
    assert {names[0] for names, _ in settings.fusions(found)} == {"rgb", "mars", "ds"}
    row = {"stream": "ds-gram", "fuse": "flow", "by": "attention"}
    chosen["tables"]["study"] = [{"group": "One", "rows": [row]}]
    found = resolved(chosen)
    assert (("ds-gram", "flow"), "attention") in settings.fusions(found)


@pytest.fixture
def second_teacher(resolved):
    """An experiment whose Dual-action Stream has a teacher that is not the two-stream method's."""
    streams = {
        "flow2": {"title": "Flow 2", "input": "flow"},
        "ds": {"init": "flow2", "teacher": "flow2"},
    }
    return resolved({"streams": streams, "tables": {"students": ["ds", "mars"]}})


def test_what_is_shown_of_the_student_is_shown_of_its_own_teacher(config, second_teacher):
    assert settings.featured(config) == ("rgb", "ds", "flow")
    assert settings.featured(second_teacher) == ("rgb", "ds", "flow2")
    assert settings.maps_spec(second_teacher)["shown"] == ["flow2", "ds", "mars", "rgb"]


def test_features_are_compared_with_those_of_the_teacher_or_else_of_flow(second_teacher):
    found = settings.similarity_spec(second_teacher)
    assert found["teachers"] == {"rgb": "flow", "mars": "flow", "ds": "flow2"}
    assert found["streams"] == ["flow", "flow2", "rgb", "mars", "ds"]


def test_latency_is_that_of_the_rows_of_table_1(config, second_teacher):
    title = "Dual-action Stream"
    assert settings.latency_rows(config) == [
        ("RGB", ["rgb"]),
        ("Flow", ["flow"]),
        ("RGB + Flow", ["rgb", "flow"]),
        (title, ["ds"]),
        (f"{title} + RGB", ["ds", "rgb"]),
        (f"{title} + Flow", ["ds", "flow"]),
        (f"{title} + RGB + Flow", ["ds", "rgb", "flow"]),
    ]
    fused_with = [streams for _, streams in settings.latency_rows(second_teacher)[5:]]
    assert fused_with == [["ds", "flow2"], ["ds", "rgb", "flow2"]]


def test_the_weights_that_are_drawn_begin_with_student_and_teacher(second_teacher):
    assert settings.attention_fusions(second_teacher) == [
        ("ds", "flow2"),
        ("ds", "rgb", "flow2"),
        ("ds", "rgb"),
        ("ds", "flow"),  # which Table 2 names
        ("rgb", "flow"),
    ]


def test_the_fusions_of_table_2_are_each_there_once(resolved):
    row = {"method": "x", "stream": "ds", "fuse": "flow", "by": "attention"}
    again = {**row, "method": "y"}
    alone = {"method": "z", "stream": "ds"}
    found = resolved(
        {"tables": {"ablation": [row, again, alone, {**row, "fuse": ["flow", "rgb"]}]}}
    )
    assert settings.ablation_fusions(found) == [
        (("ds", "flow"), "attention"),
        (("ds", "rgb", "flow"), "attention"),
    ]


def test_streams_with_a_teacher_are_distilled(config, resolved):
    assert settings.distilled(config) == [
        *("mars", "ds-mae", "ds-gram", "ds-gram-literal", "ds-gram-mean"),
        *("ds", "ds-literal", "ds-mean", "mars-mae", "mars-gram"),
    ]
    fewer = resolved({"tables": {"students": ["ds", "mars"]}})
    assert settings.distilled(fewer) == settings.distilled(config)
