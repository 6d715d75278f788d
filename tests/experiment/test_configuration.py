"""The configuration, its messages and its docs, held together."""

import copy
import json
import math
import re

import pytest
import yaml
from project import ROOT

from dsnet.experiment import ConfigError, Experiment, check_keys, load
from dsnet.experiment.schema import children, document, schema

AVERAGED = {"first_convolution": "averaged"}


def leaves(node, path=""):
    """Dotted paths of all keys that a schema describes, with what it says of each."""
    for key, sub in children(node):
        yield f"{path}{key}", sub
        if path + key != "streams.*.training":
            yield from leaves(sub, f"{path}{key}.")


def test_every_key_has_a_description_and_a_default_or_must_be_given():
    must = {"datasets", "catalogue", "catalogue.*.kind", "streams", "streams.*.title",
            "streams.*.input", "tables.ablation.*.method", "tables.ablation.*.stream",
            "tables.study.*.group", "tables.study.*.rows", "tables.study.*.rows.*.stream",
            *(f"tables.claims.*.{k}" for k in ("claim", "method", "against")),
            *(f"tables.claims.*.{k}.stream" for k in ("method", "against"))}  # fmt: skip
    for path, sub in leaves(schema()):
        entries = path.endswith("*") and "properties" not in sub
        assert sub.get("description") or entries or path.endswith(".levels.*"), path
        if path not in must and not path.endswith("*"):
            assert "default" in sub, path


def test_the_docs_and_the_schema_for_editors_are_written_from_the_settings():
    assert (ROOT / "docs/config.md").read_text(encoding="utf-8") == document()
    written = (ROOT / "workflow/schemas/config.schema.json").read_text(encoding="utf-8")
    assert json.loads(written) == Experiment.model_json_schema()


def test_streams_take_the_common_training_and_change_single_keys(experiment):
    common = experiment.training
    assert experiment.streams["rgb"].training == common.model_copy(update={"epochs": 32})
    assert experiment.streams["ds"].training == common


@pytest.mark.parametrize("epochs", ["x3", "\u00d73"])
def test_epochs_of_a_stream_may_be_relative_to_the_common_ones(raw, loaded, epochs):
    assert raw["streams"]["rgb"]["training"]["epochs"] == "x2"
    found = loaded(
        {"training": {"epochs": 100}, "streams": {"ds": {"training": {"epochs": epochs}}}}
    )
    epochs = {name: stream.training.epochs for name, stream in found.streams.items()}
    assert epochs.pop("rgb") == 200
    assert epochs.pop("ds") == 300
    assert set(epochs.values()) == {100}
    pattern = re.compile(
        schema()["properties"]["training"]["properties"]["epochs"]["anyOf"][1]["pattern"]
    )
    assert pattern.search("x2")
    assert not any(map(pattern.search, ("x0", "2x", "x1.5", "x")))


OWN = {"datasets": ["mine"], "catalogue": {"mine": {"kind": "folder", "videos": "videos"}}}
BOTH = {**OWN, "datasets": ["mine", "motions"]}


@pytest.mark.parametrize(
    ("overlay", "steps"),
    [
        (OWN, (300, 600, 300)),  # of flow, RGB and DS
        (BOTH, (0, 0, 0)),
        ({}, (0, 0, 0)),
        ({**OWN, "training": {"least_steps": 0}}, (0, 0, 0)),
        ({"training": {"least_steps": 75}}, (75, 150, 75)),
        ({"training": {"epochs": 7, "least_steps": 75}}, (75, 150, 75)),
        (
            {
                **OWN,
                "streams": {
                    "rgb": {"training": {"least_steps": 9}},
                    "ds": {"training": {"epochs": 1}},
                },
            },
            (300, 9, 19),  # 300 / 16, rounded up
        ),
        (
            {**OWN, "streams": {"rgb": {"pretrained": "x.pth", "training": {"epochs": 0}}}},
            (300, 0, 300),
        ),
        ({**OWN, "streams": {"ds": {"training": {"least_steps": 0}}}}, (300, 600, 0)),
    ],
)
def test_trainings_on_own_videos_have_a_least_length(loaded, overlay, steps):
    streams = loaded(overlay).streams
    assert tuple(streams[name].training.least_steps for name in ("flow", "rgb", "ds")) == steps


@pytest.mark.parametrize(
    ("results", "data"),
    [
        ("results", "results"),
        ("results/study", "results"),
        ("./results/study/", "results"),
        ("results/a/b", "results/a/b"),
        ("results-110", "results-110"),
        ("/disk/results/study", "/disk/results/study"),
    ],
)
def test_experiments_beside_the_default_one_share_its_data(loaded, results, data):
    assert loaded({"results": results}).data == data
    assert loaded({"results": results, "data": "other"}).data == "other"


def test_null_leaves_out_a_stream_and_a_loss(raw, loaded):
    overlay = {"streams": {"ds-literal": None, "ds": {"losses": {"mae": None}}}}
    rows = [r for r in raw["tables"]["ablation"] if r["stream"] != "ds-literal"]
    found = loaded({**overlay, "tables": {"ablation": rows}})
    assert "ds-literal" not in found.streams
    assert list(found.streams["ds"].losses.terms()) == ["gram"]


@pytest.mark.parametrize(
    ("overlay", "message"),
    [
        ({"trainning": {}}, r"trainning: unknown key; did you mean training\?"),
        (
            {"streams": {"ds": {"losses": {"mae": {"share": 0.6}, "gram": {"share": 0.4}}}}},
            r"streams\.ds\.losses: expected shares that sum to less than 1, got 1",
        ),
        (
            {"streams": {"mars": {"training": {"trainable": ["layer4", "fc"]}}}},
            r"streams\.mars\.init: flow sees flow, so conv1 stays as drawn; train conv1 and its",
        ),
        (
            {"streams": {"rgb-from-flow": {"training": {"epochs": 0}}}},
            r"streams\.rgb-from-flow\.init: flow sees flow, so conv1 stays as drawn",
        ),
        (
            {"streams": {"mars": {**AVERAGED, "training": {"trainable": ["layer4", "fc"]}}}},
            r"streams\.mars\.init: flow sees flow, so conv1 has the same kernels for all channels;",
        ),
        (
            {"streams": {"rgb": AVERAGED}},
            r"streams\.rgb\.first_convolution: expected drawn, since there are no weights",
        ),
        (
            {"streams": {"ds": {**AVERAGED, "init": "rgb"}}},
            r"streams\.ds\.first_convolution: expected drawn, since rgb sees rgb, too",
        ),
        (
            {"streams": {"rgb": {**AVERAGED, "pretrained": "x.pth", "training": {"epochs": 0}}}},
            r"streams\.rgb\.first_convolution: expected drawn, since training\.epochs 0 takes",
        ),
        (
            {"streams": {"ds": {"init": "rgb", "training": {"epochs": 0}}}},
            r"streams\.ds\.training\.epochs: 0 trains nothing; set teacher to null",
        ),
        ({"training": {"learning": 1}}, r"training\.learning: unknown key; known keys: epochs"),
        ({"training": {"epochs": "ten"}}, r"training\.epochs: expected a whole number, got 'ten'"),
        ({"training": {"epochs": -1}}, r"training\.epochs: expected at least 0, got -1"),
        ({"streams": {"flow": {"training": {"epochs": 0}}}},
         r"streams\.flow: training\.epochs 0 takes weights as they are; set pretrained or init"),
        ({"streams": {"flow": {"pretrained": "Flow_{dataset}_16f"}}},
         r"streams\.flow\.pretrained: \{dataset\} is for the kinds ucf101, hmdb51; motions is of"),
        ({"datasets": ["hmdb51"], "splits": [1, 2],
          "streams": {"flow": {"pretrained": "Flow_{dataset}_{clip_length}f"}}},
         r"streams\.flow\.pretrained: Flow_HMDB51_16f was fine-tuned on split 1"),
        ({"datasets": ["hmdb51"], "splits": [2],
          "streams": {"flow": {"pretrained": "mine/Flow_HMDB51_16f.pth"}}},
         r"streams\.flow\.pretrained: mine/Flow_HMDB51_16f.pth was fine-tuned on split 1"),
        ({"training": {"lr": 0}}, r"training\.lr: expected more than 0, got 0"),
        ({"protocol": "paper"}, r"fusion\.fit: held-out would fit on the test split under"),
        ({"fusion": {"fit": "test"}}, r"fusion\.fit: expected 'train' or 'held-out', got 'test'"),
        ({"protocol": "test"}, r"protocol: expected 'held-out' or 'paper', got 'test'"),
        ({"datasets": []}, r"datasets: expected at least 1 entries, got \[\]"),
        ({"datasets": ["kinetics"]}, r"datasets: kinetics is not in catalogue \(motions"),
        ({"clips": {"rgb_mean": [1, 2]}}, r"clips\.rgb_mean: expected at least 3 entries"),
        ({"catalogue": {"motions": {"flip": True}}}, r"catalogue\.motions\.flip: expected false"),
        ({"catalogue": {"mine": {"kind": "folder"}}, "datasets": ["mine"]},
         r"catalogue\.mine\.videos: expected a folder, got nothing"),
        ({"streams": {"ds": {"teacher": "nobody"}}}, r"streams\.ds\.teacher: nobody is not in"),
        ({"streams": {"ds": {"teacher": "rgb"}}},
         r"ds\.teacher: expected a stream with another input, got rgb, which sees rgb too"),
        ({"streams": {"ds": {"teacher": None}}}, r"streams\.ds: teacher and losses belong"),
        ({"streams": {"flow": {"init": "mars"}}}, r"flow\.init: mars is made from flow itself"),
        ({"streams": {"ds": {"init": "ds"}}}, r"streams\.ds\.init: ds is made from ds itself"),
        ({"streams": {"flow": {"init": "ds"}, "ds": {"init": None}}},
         r"streams\.ds\.teacher: flow is made from ds itself"),
        ({"streams": {"rgb": {"init": "ds"}, "ds": {"second_teacher": "rgb"}}},
         r"streams\.ds\.second_teacher: rgb is made from ds itself"),
        ({"streams": {"ds": {"second_teacher": "nobody"}}}, r"second_teacher: nobody is not in"),
        ({"streams": {"ds": {"second_teacher": "flow"}}},
         r"second_teacher: expected a stream with the input rgb, got flow"),
        ({"streams": {"rgb-from-flow": {"second_teacher": "rgb"}}},
         r"from-flow\.second_teacher: expected a teacher too, whose .* averaged with those of rgb"),
        ({"streams": {"ds": {"second_teacher": "rgb"}}},
         r"streams\.ds\.second_teacher: no loss compares logits"),
        ({"streams": {"flow": {"still": True}}},
         r"streams\.flow\.still: expected false, since the flow of a still picture is zero"),
        ({"catalogue": {"motions": {"camera": -1}}}, r"motions\.camera: expected at least 0"),
        ({"streams": {"ds": {"losses": {"gram": {"normalize": "no"}}}}},
         r"streams\.ds\.losses\.gram\.normalize: expected 'paper', 'channels' or 'mean'"),
        ({"streams": {"ds": {"losses": {"mae": {"levels": ["layer9"]}}}}},
         r"streams\.ds\.losses\.mae\.levels\.0: expected one of stem, layer1"),
        ({"streams": {"ds": {"losses": {"cka": {"levels": ["layer9"]}}}}},
         r"streams\.ds\.losses\.cka\.levels\.0: expected one of stem, layer1"),
        ({"streams": {"ds": {"losses": {"at": {"levels": ["stem", "avgpool"]}}}}},
         r"streams\.ds\.losses\.at\.levels: expected levels with positions, which avgpool"),
        ({"streams": {"ds": {"losses": {"srd": {"projector": "mlp"}}}}},
         r"streams\.ds\.losses\.srd\.projector: expected 'none' or 'linear', got 'mlp'"),
        ({"streams": {"new": {"input": "rgb"}}}, r"streams\.new\.title: is missing \(Name"),
        ({"model": {"cardinality": 5}}, r"model\.cardinality: expected a divisor"),
        ({"tables": {"compare": ["ds", "x"]}}, r"tables\.compare: x is not in streams"),
        ({"flow": {"algorithm": "imported"}},
         r"flow\.rounding: expected truncate, as in images of layout mars\n.*"
         r"catalogue\.motions\.images_fps: expected the rate of the images that the imported flow"),
        ({"datasets": ["weizmann"], "catalogue": {"weizmann": {"images_fps": 24.5}},
          "flow": {"algorithm": "imported", "imported": {"layout": "tsn"}}},
         r"frames\.fps: expected 24\.5, the images_fps of weizmann"),
        ({"datasets": ["none"], "flow": {"algorithm": "imported"}}, r"none is not in catalogue"),
        ({"flow": {"imported": {"layout": "x"}}}, r"imported\.layout: expected 'mars', 'dense"),
        ({"catalogue": {"motions": {"images_fps": 25}}},
         r"catalogue\.motions\.images_fps: expected null, since the workflow gets videos"),
        ({"catalogue": {"ucf101": {"images_fps": 25, "fetch": True}}},
         r"catalogue\.ucf101\.images_fps: expected null, since the workflow gets videos"),
        ({"flow": {"tvl1": {"median_filtering": 2}}}, r"median_filtering: expected 1, 3 or 5"),
        ({"flow": {"backend": "opencv"}}, r"flow: opencv does not follow semantics cuda"),
        ({"flow": {"algorithm": "diss"}}, r"flow\.algorithm: unknown name 'diss'; .*dis"),
        ({"flow": {"dis": {"preset": "fast"}}}, r"flow\.dis\.preset: unknown key"),
        ({"flow": {"farneback": {"neighbourhood": 6}}}, r"neighbourhood: expected 5 or 7"),
        ({"clips": {"stride": 20}}, r"motions\.length: expected more frames than clips"),
        ({"clips": {"stride": 0}}, r"clips\.stride: expected"),
        ({"streams": {"ds": {"title": "MARS"}}}, r"streams: two have the title 'MARS'"),
        ({"streams": {"ds": {"init": "flwo"}}}, r"streams\.ds\.init: flwo is not in streams"),
        ({"streams": {"ds": {"pretrained": "x.pth"}}}, r"streams\.ds: init and pretrained exclude"),
        ({"tables": {"two_stream": ["flow", "rgb"]}}, r"two_stream: expected an rgb and a flow"),
        ({"tables": {"ablation": [{"method": "x", "stream": "flow", "fuse": "ds"}]}},
         r"tables\.ablation\.0: name the rgb stream first"),
        ({"tables": {"claims": [{"claim": "x", "method": {"stream": ["ds", "new"]},
                                 "against": {"stream": ["mars", "ds"], "fuse": "flow"}}]}},
         r"claims\.0\.method\.stream: new is not in streams; .*\n.*against: expected one stream"),
        ({"tables": {"study": [{"group": "x", "rows": [{"stream": "flow", "fuse": "no"}]}]}},
         r"tables\.study\.0\.rows\.0\.fuse: no is not in streams; known keys: flow, rgb, "),
        ({"streams": {"flow": None}, "tables": {"two_stream": ["rgb", "flow"]}},
         r"two_stream: flow is not in streams .*; tables and figures need an rgb and a flow "),
        ({"tables": {"ablation": [{"method": "x", "stream": "ds-ma"}]}},
         r"tables\.ablation\.0\.stream: ds-ma is not in streams; did you mean ds-mae\?"),
        ({"tables": {"ablation": [{"method": "x", "stream": "ds", "fuse": ["rgb", "no"]}]}},
         r"tables\.ablation\.0\.fuse: no is not in streams"),
        ({"tables": {"ablation": [{"method": "x", "stream": "ds", "fuse": ["rgb", "ds"]}]}},
         r"tables\.ablation\.0\.fuse: ds is the stream itself"),
        ({"tables": {"ablation": [{"method": "x", "stream": "ds", "fuse": ["rgb", "rgb"]}]}},
         r"tables\.ablation\.0\.fuse: expected entries that differ"),
        ({"tables": {"students": ["rgb"]}}, r"tables\.students: expected rgb streams .*, got rgb"),
        (
            {"tables": {"students": ["mars"]}},
            r"tables\.compare: ds is not in Table 1 \(flow, rgb, mars\); see students",
        ),
        (
            {
                "streams": {"second": {"title": "Second", "input": "flow"}},
                "tables": {"compare": ["ds", "second"]},
            },
            r"tables\.compare: second is not in Table 1 \(flow, rgb, .*\); see students",
        ),
        (
            {
                "catalogue": {"again": {"kind": "motions", "flip": False, "title": "Motions"}},
                "datasets": ["motions", "again"],
            },
            r"catalogue: two have the title 'Motions'",
        ),
        ({"catalogue": {"tables": {"kind": "motions", "flip": False}}, "datasets": ["tables"]},
         r"datasets: tables is a folder of the results"),
        ({"catalogue": {"benchmarks": {"kind": "motions", "flip": False}},
          "datasets": ["benchmarks"]}, r"datasets: benchmarks is a folder of the results"),
        ({"max_broken": 2}, r"max_broken: expected at most 1, got 2"),
        ({"training": {"device": "gpu"}}, r"training\.device: expected text like"),
        ({"max_broken": math.nan}, r"max_broken: expected a finite number, got nan"),
        ({"model": {"backbone": "own", "options": {"a": [math.inf]}}},
         r"model\.options\.a\.0: expected a finite number, got inf"),
        ({"training": {"lr": "1e999"}}, r"training\.lr: expected a number, got inf"),
        ({"seeds": [10**20]}, r"seeds\.0: expected at most .*, got a number of 21 digits"),
        ({"training": {"lr": 10**400}}, r"training\.lr: expected at most"),
        ({"results": "a{x}"}, r"results: expected a path without \{ and \}"),
        ({"results": "results/motions"}, r"results: results/motions has the data of motions; name"),
        ({"data": "a{dataset}"}, r"data: expected a path without \{ and \}"),
    ],
)  # fmt: skip
def test_an_error_names_the_key_and_what_was_expected(loaded, overlay, message):
    with pytest.raises(ConfigError, match=message):
        loaded(overlay)


def test_a_value_that_contains_itself_is_named(raw):
    raw["streams"]["ds"]["losses"]["mae"] = raw["streams"]["ds"]["losses"]
    with pytest.raises(ConfigError, match=r"streams\.ds\.losses\.mae: contains itself"):
        load(raw)


@pytest.mark.parametrize("text", ["1e-3", "1E-3", "+10e-4"])
def test_numbers_that_yaml_takes_for_texts_are_numbers(loaded, text):
    overlay = yaml.safe_load(f"training: {{lr: {text}}}")
    assert overlay == {"training": {"lr": text}}
    assert loaded(overlay).training.lr == 0.001


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("seeds: [1]\ndatasets: [a]\nseeds: [2]\n", "line 3: seeds is in line 1 already"),
        ("training: {lr: 1, epochs: 2, lr: 3}\n", "line 1: lr is in line 1 already"),
        ("a:\n- {b: 1}\n- c: 1\n  c: 2\n", "line 4: c is in line 3 already"),
        ("a: &a {b: 1}\nc: *a\nd: {b: 1}\ne: &e [*e]\n", None),
        ("a: &a {b: 1}\nc: &c {d: 2}\ne: {<<: *a, <<: *c}\n", None),
        ("a: [", None),
    ],
)
def test_a_key_that_is_there_twice_is_named(tmp_path, content, said):
    path = tmp_path / "x.yaml"
    path.write_text(content)
    if said is None:
        check_keys(path)
    else:
        with pytest.raises(ConfigError, match=said):
            check_keys(path)


def test_all_errors_are_told_at_once(loaded):
    with pytest.raises(ConfigError) as caught:
        loaded({"seeds": ["a"], "splits": [0]})
    assert "seeds.0" in str(caught.value)
    assert "splits.0" in str(caught.value)


def test_the_config_given_is_not_changed(raw):
    before = copy.deepcopy(raw)
    load(raw)
    assert raw == before
