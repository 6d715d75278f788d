"""The configuration, its schema, the experiments and the docs, held together."""

import copy
from pathlib import Path

import pytest
import yaml

from dsnet import config as settings
from dsnet.config import ConfigError

ROOT = Path(__file__).parents[1]
EXPERIMENTS = sorted((ROOT / "experiments").glob("*.yaml"))


def merged(base, overlay):
    """As Snakemake puts --configfile over configfile."""
    out = copy.deepcopy(base)
    for key, value in overlay.items():
        both = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = merged(out[key], value) if both else copy.deepcopy(value)
    return out


def leaves(schema, path=""):
    """Dotted paths of all keys that a schema describes, with what it says of each."""
    for key, sub in schema.get("properties", {}).items():
        yield f"{path}{key}", sub
        yield from leaves(sub, f"{path}{key}.")
    for name, sub in (("*", schema.get("additionalProperties")), ("*", schema.get("items"))):
        if isinstance(sub, dict):
            yield from leaves(sub, f"{path}{name}.")


def test_every_key_has_a_description_and_a_default_or_must_be_given(schema):
    must = {"datasets", "catalogue", "catalogue.*.kind", "streams", "streams.*.title",
            "streams.*.input", "tables.ablation.*.method", "tables.ablation.*.stream",
            "tables.study.*.group", "tables.study.*.rows", "tables.study.*.rows.*.stream",
            *(f"tables.claims.*.{k}" for k in ("claim", "method", "against")),
            *(f"tables.claims.*.{k}.stream" for k in ("method", "against"))}  # fmt: skip
    optional = {f"streams.*.losses.{term}" for term in ("mse", "mae", "gram")}
    for path, sub in leaves(schema):
        assert sub.get("description"), path
        if path not in must | optional:
            assert "default" in sub, path


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda p: p.stem)
def test_every_experiment_is_valid(raw_config, schema, path):
    overlay = yaml.safe_load(path.read_text(encoding="utf-8"))
    found = settings.resolve(merged(raw_config, overlay), schema)
    assert found["datasets"] == overlay.get("datasets", raw_config["datasets"])


def test_there_are_the_experiments_of_the_paper():
    assert {p.stem for p in EXPERIMENTS} >= {"weizmann", "ucf101", "hmdb51", "paper"}


def test_the_docs_describe_every_key(schema):
    text = (ROOT / "docs/config.md").read_text(encoding="utf-8")
    assert text == settings.document(schema)


def test_streams_take_the_common_training_and_change_single_keys(config):
    common = config["training"]
    assert config["streams"]["rgb"]["training"] == {**common, "epochs": 32}
    assert config["streams"]["ds"]["training"] == common


def test_null_leaves_out_a_stream_and_a_loss(raw_config, schema):
    overlay = {"streams": {"ds-literal": None, "ds": {"losses": {"mae": None}}}}
    rows = [r for r in raw_config["tables"]["ablation"] if r["stream"] != "ds-literal"]
    found = settings.resolve(merged(raw_config, {**overlay, "tables": {"ablation": rows}}), schema)
    assert "ds-literal" not in found["streams"]
    assert list(found["streams"]["ds"]["losses"]) == ["gram"]


@pytest.mark.parametrize(
    ("overlay", "message"),
    [
        ({"trainning": {}}, r"trainning: unknown key; did you mean training\?"),
        ({"training": {"learning": 1}}, r"training\.learning: unknown key; known keys: epochs"),
        ({"training": {"epochs": "ten"}}, r"training\.epochs: expected integer, got 'ten'"),
        ({"training": {"epochs": 0}}, r"training\.epochs: expected at least 1, got 0"),
        ({"training": {"lr": 0}}, r"training\.lr: expected more than 0, got 0"),
        ({"protocol": "test"}, r"protocol: expected one of held-out, paper, got 'test'"),
        ({"datasets": []}, r"datasets: expected at least 1 entries, got \[\]"),
        ({"datasets": ["kinetics"]}, r"datasets: kinetics is not in catalogue \(motions"),
        ({"clips": {"rgb_mean": [1, 2]}}, r"clips\.rgb_mean: expected at least 3 entries"),
        ({"catalogue": {"motions": {"flip": True}}}, r"catalogue\.motions\.flip: expected false"),
        ({"catalogue": {"mine": {"kind": "folder"}}, "datasets": ["mine"]},
         r"catalogue\.mine\.videos: expected a folder, got nothing"),
        ({"streams": {"ds": {"teacher": "nobody"}}}, r"streams\.ds\.teacher: nobody is not in"),
        ({"streams": {"ds": {"teacher": "rgb"}}}, r"streams\.ds\.teacher: expected a flow stream"),
        ({"streams": {"ds": {"teacher": None}}}, r"streams\.ds: teacher and losses belong"),
        ({"streams": {"flow": {"init": "mars"}}}, r"streams\.\w+\.init: starts from itself"),
        ({"streams": {"ds": {"losses": {"gram": {"normalize": "no"}}}}},
         r"streams\.ds\.losses\.gram\.normalize: expected one of paper, channels"),
        ({"streams": {"ds": {"losses": {"mae": {"levels": ["layer9"]}}}}},
         r"streams\.ds\.losses\.mae\.levels\.0: expected one of stem"),
        ({"streams": {"new": {"input": "rgb"}}}, r"streams\.new: 'title' is a required property"),
        ({"model": {"cardinality": 5}}, r"model\.cardinality: expected a divisor"),
        ({"tables": {"compare": ["ds", "x"]}}, r"tables\.compare: x is not in streams"),
        ({"flow": {"tvl1": {"median_filtering": 2}}}, r"median_filtering: expected one of 1, 3, 5"),
        ({"flow": {"backend": "opencv"}}, r"flow: opencv does not follow semantics cuda"),
        ({"streams": {"ds": {"title": "MARS"}}}, r"streams: two have the title 'MARS'"),
        ({"streams": {"ds": {"init": "flwo"}}}, r"streams\.ds\.init: flwo is not in streams"),
        ({"streams": {"ds": {"pretrained": "x.pth"}}}, r"streams\.ds: init and pretrained exclude"),
        ({"tables": {"two_stream": ["flow", "rgb"]}}, r"two_stream: expected an rgb and a flow"),
        ({"tables": {"ablation": [{"method": "x", "stream": "flow", "fuse": "ds"}]}},
         r"tables\.ablation\.0: name the rgb stream first"),
        ({"tables": {"claims": [{"claim": "x", "method": {"stream": ["ds", "new"]},
                                 "against": {"stream": ["mars", "ds"], "fuse": "flow"}}]}},
         r"claims\.0\.method\.stream: new is not in streams\n.*0\.against: expected one stream"),
        ({"tables": {"study": [{"group": "x", "rows": [{"stream": "flow", "fuse": "no"}]}]}},
         r"tables\.study\.0\.rows\.0\.fuse: no is not in streams"),
        ({"tables": {"ablation": [{"method": "x", "stream": "ds", "fuse": ["rgb", "no"]}]}},
         r"tables\.ablation\.0\.fuse: no is not in streams"),
        ({"tables": {"ablation": [{"method": "x", "stream": "ds", "fuse": ["rgb", "ds"]}]}},
         r"tables\.ablation\.0\.fuse: ds is the stream itself"),
        ({"tables": {"ablation": [{"method": "x", "stream": "ds", "fuse": ["rgb", "rgb"]}]}},
         r"tables\.ablation\.0\.fuse: expected entries that differ"),
        ({"tables": {"students": ["rgb"]}}, r"tables\.students: expected rgb streams .*, got rgb"),
        ({"tables": {"students": ["mars"]}}, r"tables\.compare: ds is not in tables\.students"),
        ({"catalogue": {"tables": {"kind": "motions", "flip": False}}, "datasets": ["tables"]},
         r"datasets: tables is a folder of the results"),
        ({"max_broken": 2}, r"max_broken: expected at most 1, got 2"),
        ({"training": {"device": "gpu"}}, r"training\.device: expected text like"),
    ],
)  # fmt: skip
def test_an_error_names_the_key_and_what_was_expected(raw_config, schema, overlay, message):
    with pytest.raises(ConfigError, match=message):
        settings.resolve(merged(raw_config, overlay), schema)


def test_all_errors_are_told_at_once(raw_config, schema):
    with pytest.raises(ConfigError) as caught:
        settings.resolve(merged(raw_config, {"seeds": ["a"], "splits": [0]}), schema)
    assert "seeds.0" in str(caught.value)
    assert "splits.0" in str(caught.value)


def test_the_config_given_is_not_changed(raw_config, schema):
    before = copy.deepcopy(raw_config)
    settings.resolve(raw_config, schema)
    assert raw_config == before


def test_fusions_are_those_of_the_tables(config):
    found = settings.fusions(config)
    assert len(found) == len(set(found))
    assert (("rgb", "flow"), "average") in found
    for name in ("mars", "ds", "rgb-from-flow"):
        for names in ((name, "rgb"), (name, "flow"), (name, "rgb", "flow")):
            assert {(names, "average"), (names, "attention")} <= set(found)


def test_the_same_streams_are_fused_once_in_whatever_order_they_are_named(raw_config, schema):
    rows = [
        {"method": "a", "stream": "rgb", "fuse": ["flow", "ds"], "by": "average"},
        {"method": "b", "stream": "rgb", "fuse": "ds", "by": "attention"},
    ]
    found = settings.resolve(merged(raw_config, {"tables": {"ablation": rows}}), schema)
    assert [row["fuse"] for row in found["tables"]["ablation"]] == [["flow", "ds"], ["ds"]]
    as_they_are = settings.resolve(raw_config, schema)
    assert settings.fusions(found) == settings.fusions(as_they_are)
    assert settings.fused(found, ["flow", "rgb", "ds"]) == ("ds", "rgb", "flow")


def test_streams_beside_the_students_are_trained_but_not_shown_or_fused(raw_config, schema):
    chosen = {"tables": {"students": ["ds", "mars"], "claims": [], "study": []}}
    found = settings.resolve(merged(raw_config, chosen), schema)
    assert settings.students(found) == ["mars", "ds"]  # in the order of the streams
    assert settings.shown(found) == ["flow", "rgb", "mars", "ds"]
    assert {names[0] for names, _ in settings.fusions(found)} == {"rgb", "mars", "ds"}
    row = {"stream": "ds-gram", "fuse": "flow", "by": "attention"}
    chosen["tables"]["study"] = [{"group": "One", "rows": [row]}]
    found = settings.resolve(merged(raw_config, chosen), schema)
    assert (("ds-gram", "flow"), "attention") in settings.fusions(found)


def spec(config, stream="ds"):
    return settings.train_spec(config, "motions", 1, 16, 0, stream)


@pytest.mark.parametrize("key", ["device", "threads", "workers", "gpus"])
def test_how_to_compute_is_no_part_of_a_spec(raw_config, schema, key):
    other = {"device": "cpu"}.get(key, 3)
    changed = settings.resolve(merged(raw_config, {"training": {key: other}}), schema)
    assert spec(changed) == spec(settings.resolve(raw_config, schema))


def test_a_spec_has_what_a_stream_depends_on_and_nothing_else(raw_config, schema):
    base = settings.resolve(raw_config, schema)

    def changes(overlay, stream):
        return spec(settings.resolve(merged(raw_config, overlay), schema), stream) != spec(
            base, stream
        )

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
def test_a_key_of_a_data_set_changes_what_depends_on_it(raw_config, schema, key, value, changed):
    base = settings.resolve(raw_config, schema)
    new = settings.resolve(merged(raw_config, {"catalogue": {"weizmann": {key: value}}}), schema)

    def specs(config):
        return {
            "videos": settings.videos_spec(config, "weizmann"),
            "manifest": settings.manifest_spec(config, "weizmann"),
            "train": settings.train_spec(config, "weizmann", 1, 16, 0, "ds"),
        }

    before, after = specs(base), specs(new)
    assert {name for name in before if before[name] != after[name]} == changed


@pytest.mark.parametrize(
    ("backend", "gpus", "there", "asked"),
    [
        ("auto", None, True, 1),
        ("auto", None, False, 0),
        ("torch", None, True, 1),
        ("numba", None, True, 0),
        ("auto", 0, True, 0),
        ("opencv-cuda", 2, False, 2),
    ],
)
def test_flow_jobs_ask_for_a_gpu_where_there_is_one(
    raw_config, schema, tmp_path, monkeypatch, backend, gpus, there, asked
):
    (tmp_path / "gpu").touch()
    monkeypatch.setattr(settings, "GPU_DEVICES", (str(tmp_path / ("gpu" if there else "none")),))
    overlay = {"flow": {"backend": backend, "gpus": gpus}}
    assert settings.flow_gpus(settings.resolve(merged(raw_config, overlay), schema)) == asked


def test_the_papers_recipe_is_that_of_mars_where_the_paper_defers_to_it(raw_config, schema):
    overlay = yaml.safe_load((ROOT / "experiments/paper.yaml").read_text(encoding="utf-8"))
    found = settings.resolve(merged(raw_config, overlay), schema)
    fine_tuned = {
        "trainable": ["layer4", "fc"],
        "frozen_statistics": "update",
        "lr": 0.001,
        "weight_decay": 1e-5,
        "momentum": 0.9,
        "dampening": 0.9,
        "schedule": "plateau",
        "plateau_patience": 10,
    }
    for name in ("flow", "rgb", "mars"):
        training = found["streams"][name]["training"]
        assert {key: training[key] for key in fine_tuned} == fine_tuned, name
    ds = found["streams"]["ds"]
    stated = {"lr": 0.1, "weight_decay": 5e-4, "momentum": 0.9, "trainable": None}
    assert {key: ds["training"][key] for key in stated} == stated
    assert {term: loss["weight"] for term, loss in ds["losses"].items()} == {"mae": 50, "gram": 50}
    assert ds["losses"]["gram"]["normalize"] == "paper"
    assert (found["clips"]["crop"], found["clip_lengths"]) == (112, [16, 64])
