"""Specs: what an artifact depends on and nothing else."""

import json

import pytest

from dsnet import config as settings


def spec(config, stream="ds"):
    return settings.train_spec(config, "motions", 1, 16, 0, stream)


@pytest.mark.parametrize("key", ["device", "threads", "workers", "gpus", "processes"])
def test_how_to_compute_is_no_part_of_a_spec(config, resolved, key):
    other = {"device": "cpu"}.get(key, 3)
    changed = resolved({"training": {key: other}})
    assert spec(changed) == spec(config)


def test_a_spec_has_what_a_stream_depends_on_and_nothing_else(config, resolved):
    def changes(overlay, stream):
        return spec(resolved(overlay), stream) != spec(config, stream)

    weight = {"streams": {"mars": {"losses": {"mse": {"weight": 7}}}}}
    assert changes(weight, "mars")
    assert not changes(weight, "ds")
    assert changes({"training": {"lr": 0.5}}, "ds")
    assert not changes({"streams": {"ds": {"title": "New name"}}}, "ds")
    assert not changes({"fusion": {"epochs": 3}}, "ds")


@pytest.mark.parametrize(
    ("key", "value", "changed"),
    [
        ("title", "New", set()),
        ("flip", False, {"train"}),
        ("shards", 9, {"manifest"}),
        ("seed", 9, {"videos", "manifest"}),
    ],
)
def test_a_key_of_a_data_set_changes_what_depends_on_it(config, resolved, key, value, changed):
    new = resolved({"catalogue": {"weizmann": {key: value}}})

    def specs(chosen):
        return {
            "videos": settings.videos_spec(chosen, "weizmann"),
            "manifest": settings.manifest_spec(chosen, "weizmann"),
            "train": settings.train_spec(chosen, "weizmann", 1, 16, 0, "ds"),
        }

    before, after = specs(config), specs(new)
    assert {name for name in before if before[name] != after[name]} == changed


def test_what_an_artifact_ignores_is_not_in_its_spec(resolved):
    def specs(semantics, changed):
        chosen = {"semantics": semantics, "backend": "numba", "tvl1": {"median_filtering": changed}}
        config = resolved({"flow": chosen, "fusion": {"lr": changed}})
        fusions = [settings.fusion_spec(config, kind) for kind in ("average", "attention")]
        return [settings.flow_spec(config), *fusions, settings.tables_spec(config)]

    for semantics in ("cuda", "cpu"):
        before, after = specs(semantics, 1), specs(semantics, 3)
        differs = [a != b for a, b in zip(before, after, strict=True)]
        assert differs == [semantics == "cpu", False, True, False]
    words = [
        resolved(
            {
                "tables": {
                    "claims": [
                        {"claim": claim, "method": {"stream": "ds"}, "against": {"stream": "mars"}}
                    ]
                }
            }
        )
        for claim in ("DS helps", "DS is better")
    ]
    for key in words[0]["tables"]:
        before, after = (settings.tables_spec(config, (key,)) for config in words)
        assert (before != after) == (key == "claims")


def test_keys_with_their_defaults_leave_the_specs_of_results_as_they_were(config, resolved):
    assert set(settings.frames_spec(config)) == {"fps", "resize", "size", "quality", "version"}
    expected = {"backend", "semantics", "bound", "quality", "tvl1", "version"}
    assert set(settings.flow_spec(config)) == expected
    changed = resolved(
        {"frames": {"sampling": "output_rate"}, "flow": {"rounding": "truncate"}},
    )
    assert settings.frames_spec(changed)["sampling"] == "output_rate"
    assert settings.flow_spec(changed)["rounding"] == "truncate"


def test_tables_are_given_the_streams_in_their_order(resolved):
    keys = ("compare", "students")
    changed = resolved({"streams": {"a": {"title": "{clip_length}", "input": "rgb"}}})
    given = json.loads(settings.ordered_json(settings.tables_spec(changed, keys)))
    assert list(given["streams"]) == list(changed["streams"])
    assert given["streams"]["a"] == {
        "title": "{clip_length}", "input": "rgb", "init": None, "pretrained": None, "teacher": None,
    }  # fmt: skip
    assert given["tables"] == {
        "compare": ["ds", "mars"],
        "students": ["rgb-from-flow", "mars", "ds-mae", "ds-gram", "ds"],
    }
    assert given["titles"] == {"motions": "Motions"}
    assert settings.ordered_json({"b": "ü", "a": 1}) == '{"b": "ü", "a": 1}'


def test_the_specs_of_figures_name_what_they_show(config):
    assert settings.latency_spec(config) == {
        "options": {"repeats": 20, "warmup": 3},
        "rows": settings.latency_rows(config),
    }
    assert settings.maps_spec(config)["shown"] == ["flow", "ds", "mars", "rgb"]
    assert settings.maps_spec(config)["titles"] == settings.titles(config)
    assert settings.attention_spec(config) == {
        "streams": {
            "rgb": {"title": "RGB", "input": "rgb"},
            "ds": {"title": "Dual-action Stream", "input": "rgb"},
            "flow": {"title": "Flow", "input": "flow"},
        },
        "rgb": "rgb",
    }
    similarity = settings.similarity_spec(config)
    assert similarity["streams"] == ["flow", *similarity["teachers"]]
    assert set(similarity["teachers"].values()) == {"flow"}
