"""Specs: what an artifact depends on and nothing else."""

import hashlib
import json
import os

import pytest

from dsnet.experiment import specs, streams
from dsnet.experiment.data import TVL1


def spec(experiment, stream="ds"):
    return specs.train_spec(experiment, "motions", 1, 16, 0, stream)


@pytest.mark.parametrize("key", ["device", "threads", "workers", "gpus", "processes"])
def test_how_to_compute_is_no_part_of_a_spec(experiment, loaded, key):
    other = {"device": "cpu"}.get(key, 3)
    changed = loaded({"training": {key: other}})
    assert spec(changed) == spec(experiment)


def test_a_spec_has_what_a_stream_depends_on_and_nothing_else(experiment, loaded):
    def changes(overlay, stream):
        return spec(loaded(overlay), stream) != spec(experiment, stream)

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
        ("images_fps", 25, {"manifest"}),
        ("shards", 9, {"manifest"}),
        ("seed", 9, {"videos", "manifest"}),
        ("camera", 2, {"videos", "manifest"}),
    ],
)
def test_a_key_of_a_data_set_changes_what_depends_on_it(experiment, loaded, key, value, changed):
    new = loaded({"catalogue": {"weizmann": {key: value}}})

    def made(chosen):
        return {
            "videos": specs.videos_spec(chosen, "weizmann"),
            "manifest": specs.manifest_spec(chosen, "weizmann"),
            "train": specs.train_spec(chosen, "weizmann", 1, 16, 0, "ds"),
        }

    before, after = made(experiment), made(new)
    assert {name for name in before if before[name] != after[name]} == changed


def test_what_an_artifact_ignores_is_not_in_its_spec(loaded):
    def made(semantics, changed):
        chosen = {"semantics": semantics, "backend": "numba", "tvl1": {"median_filtering": changed}}
        experiment = loaded({"flow": chosen, "fusion": {"lr": changed}})
        fusions = [specs.fusion_spec(experiment, kind) for kind in ("average", "attention")]
        found = [specs.flow_spec(experiment), *fusions, specs.shown_spec(experiment)]
        return [spec.values() for spec in found]

    for semantics in ("cuda", "cpu"):
        before, after = made(semantics, 1), made(semantics, 3)
        differs = [a != b for a, b in zip(before, after, strict=True)]
        assert differs == [semantics == "cpu", False, True, False]
    words = [
        loaded(
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
    for key in ("two_stream", "compare", "students", "claims", "study", "ablation"):
        before, after = (specs.shown_spec(experiment, key) for experiment in words)
        assert (before != after) == (key == "claims")


def test_keys_with_their_defaults_leave_the_specs_of_results_as_they_were(experiment, loaded):
    assert set(specs.frames_spec(experiment).values()) == {
        "fps",
        "resize",
        "size",
        "quality",
        "version",
    }
    expected = {"backend", "semantics", "bound", "quality", "tvl1", "version"}
    assert set(specs.flow_spec(experiment).values()) == expected
    clips = {"crop", "scales", "rgb_mean", "flow_mean"}
    assert set(spec(experiment).values()["clips"]) == clips
    entry = specs.manifest_spec(experiment, "motions").values()["entry"]
    assert not {"images_fps", "camera"} & entry.keys()
    assert "camera" not in specs.videos_spec(experiment, "motions").values()
    changed = loaded(
        {
            "frames": {"sampling": "output_rate"},
            "flow": {"rounding": "truncate"},
            "clips": {"rgb_std": [58, 57, 56], "flow_std": 57},
        },
    )
    assert set(spec(changed).values()["clips"]) == clips | {"rgb_std", "flow_std"}
    assert set(spec(experiment, "mars").values()["stream"]["losses"]["mse"]) == {
        "weight",
        "share",
        "levels",
    }
    faded = loaded({"streams": {"mars": {"losses": {"mse": {"fade": True}}}}})
    assert spec(faded, "mars").values()["stream"]["losses"]["mse"]["fade"] is True
    assert not {"first_convolution", "second_teacher"} & spec(experiment).values()["stream"].keys()
    logits = {"second_teacher": "rgb", "losses": {"mae": {"levels": ["logits"]}}}
    taught = loaded({"streams": {"ds": logits}})
    assert spec(taught).values()["stream"]["second_teacher"] == "rgb"
    averaged = loaded({"streams": {"ds": {"first_convolution": "averaged"}}})
    assert spec(averaged).values()["stream"]["first_convolution"] == "averaged"
    assert "still" not in spec(experiment).values()["stream"]
    assert spec(loaded({"streams": {"ds": {"still": True}}})).values()["stream"]["still"] is True
    assert specs.frames_spec(changed).values()["sampling"] == "output_rate"
    assert specs.flow_spec(changed).values()["rounding"] == "truncate"


def test_the_stride_is_of_the_flow_and_of_the_streams_but_not_of_the_frames(experiment, loaded):
    changed = loaded({"clips": {"stride": 3}})
    assert specs.frames_spec(changed) == specs.frames_spec(experiment)
    same = specs.flow_spec(experiment).values()
    assert specs.flow_spec(changed).values() == {**same, "stride": 3}
    assert spec(changed).values()["clips"]["stride"] == 3


def test_other_weights_of_raft_are_other_flow(loaded, tmp_path):
    weights = tmp_path / "raft.pth"
    experiment = loaded({"flow": {"algorithm": "raft", "raft": {"weights": str(weights)}}})
    assert "weights" not in specs.flow_spec(experiment).values()
    found = []
    for number, content in enumerate((b"one", b"another")):
        weights.write_bytes(content)
        os.utime(weights, ns=(number, number))
        found.append(specs.flow_spec(experiment))
    assert found[0] != found[1]
    digests = [hashlib.sha256(content).hexdigest()[:16] for content in (b"one", b"another")]
    assert [made.values()["weights"] for made in found] == digests
    for values in (made.values() for made in found):
        assert specs.FlowSpec.model_validate(values).values() == values


def test_tables_are_given_the_streams_in_their_order(loaded):
    changed = loaded({"streams": {"a": {"title": "{clip_length}", "input": "rgb"}}})
    given = specs.shown_spec(changed, "compare", "students")
    assert list(given.titles()) == list(changed.streams)
    assert given.by_name()["a"] == {
        "name": "a", "title": "{clip_length}", "input": "rgb", "init": None, "pretrained": None,
        "teacher": None,
    }  # fmt: skip
    assert given.tables.compare == ["ds", "mars"]
    assert given.tables.students == [
        *("rgb-from-flow", "mars", "ds-mae", "ds-gram", "ds", "pkd-fading"),
    ]
    assert given.tables.claims == []
    assert (given.names, given.datasets) == ({"motions": "Motions"}, {"Motions": "motions"})


def test_the_specs_of_figures_name_what_they_show(experiment):
    latency = specs.latency_spec(experiment)
    assert (latency.repeats, latency.warmup) == (20, 3)
    rows = [(row.title, row.streams) for row in latency.rows]
    assert rows == streams.latency_rows(experiment)
    similarity = specs.similarity_spec(experiment)
    assert similarity.streams == ["flow", *similarity.teachers]
    assert set(similarity.teachers.values()) == {"flow"}


def test_the_spec_of_imported_flow_says_where_it_is_from_and_not_how_it_is_computed(loaded):
    def made(**flow):
        overlay = {"algorithm": "imported", "imported": {"layout": "tsn"}, **flow}
        entry = {"images_fps": 25}
        changes = {"datasets": ["weizmann"], "catalogue": {"weizmann": entry}, "flow": overlay}
        return loaded(changes)

    spec = specs.flow_spec(made())
    keys = {"algorithm", "imported", "bound", "quality", "version"}
    assert set(spec.values()) == keys
    assert spec.values()["imported"] == {"layout": "tsn", "bound": 20}
    assert type(spec).model_validate(json.loads(json.dumps(spec.values()))) == spec.model_copy(
        update={"tvl1": TVL1()}
    )
    other = made(backend="numba", tvl1={"warps": 1}, semantics="cpu")
    assert specs.flow_spec(other).values() == spec.values()
    assert (other.flow.n_gpus(), other.flow.n_threads()) == (0, 1)
    rows = [names for _, names in streams.latency_rows(other)]
    assert rows == [["rgb"], ["ds"], ["ds", "rgb"]]  # what computes its flow is not known


@pytest.mark.parametrize("make", ["frames_spec", "flow_spec", "shown_spec", "latency_spec"])
def test_a_spec_is_read_as_it_was_written(experiment, make):
    made = getattr(specs, make)(experiment)
    assert type(made).model_validate(json.loads(json.dumps(made.values()))) == made


FEW = {
    "least_steps": 300,
    "class_weights": "balanced",
    "label_smoothing": 0.1,
    "dropout": 0.3,
    "ema": 0.9,
    "mixup": 0.2,
    "augment": {"rotation": 10},
}


@pytest.mark.parametrize("key", FEW)
def test_what_is_for_few_videos_is_in_a_spec_only_if_it_is_on(experiment, loaded, key):
    def written(experiment):
        return spec(experiment).values()["stream"]["training"]

    assert not FEW.keys() & written(experiment).keys()
    changed = written(loaded({"training": {key: FEW[key]}}))
    assert changed.pop(key)
    changed.pop("processes", None)
    assert changed == written(experiment)


@pytest.mark.parametrize("key", FEW)
def test_processes_count_where_each_draws_its_own(loaded, key):
    def made(processes):
        return spec(loaded({"training": {key: FEW[key], "processes": processes}}))

    assert (made(1) != made(2)) == (key in ("dropout", "mixup"))


@pytest.mark.parametrize("loss", ["at", "dkd", "mae", "cka", "dist", "pkd", "srd", "trusted"])
def test_processes_count_where_clips_of_a_batch_count_together(loaded, loss):
    def made(processes):
        streams = {"mars": {"losses": {"mse": None, loss: {}}}}
        chosen = loaded({"streams": streams, "training": {"processes": processes}})
        return specs.train_spec(chosen, "motions", 1, 16, 0, "mars")

    assert (made(1) != made(2)) == (loss not in ("at", "dkd", "mae"))
