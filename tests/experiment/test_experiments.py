"""The experiments that come with dsnet, and what of the paper they must keep to."""

import functools
import re

import pandas as pd
import pytest
import yaml
from project import ROOT, merge

from dsnet.experiment import ConfigError

EXPERIMENTS = sorted((ROOT / "experiments").glob("*.yaml"))


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda p: p.stem)
def test_every_experiment_is_valid(raw, loaded, path):
    overlay = yaml.safe_load(path.read_text(encoding="utf-8"))
    if path.stem == "egogestar-study":
        with pytest.raises(ConfigError, match="egogestar is not in catalogue"):
            loaded(overlay)
        base = (ROOT / "experiments/egogestar.yaml").read_text(encoding="utf-8")
        overlay = merge(yaml.safe_load(base), overlay)
    found = loaded(overlay)
    assert found.datasets == overlay.get("datasets", raw["datasets"])


@pytest.mark.parametrize("names", [["egogestar", "egogestar-study"], ["advice"]])
def test_one_frame_is_trained_like_rgb_but_for_the_motion(loaded, names):
    overlay = {}
    for name in names:
        text = (ROOT / f"experiments/{name}.yaml").read_text(encoding="utf-8")
        overlay = merge(overlay, yaml.safe_load(text))
    streams = loaded(overlay).streams
    stills = {name for name, stream in streams.items() if stream.still}
    assert stills >= {"frame"}
    for name in stills:
        beside = streams[name.replace("frame", "rgb")]
        own = {"still": False, "title": beside.title}
        assert streams[name].model_copy(update=own) == beside


def test_the_list_of_egogestar_tests_each_balanced_scene_in_one_fold(loaded):
    overlay = yaml.safe_load((ROOT / "experiments/egogestar.yaml").read_text(encoding="utf-8"))
    found = pd.read_csv(ROOT / loaded(overlay).catalogue["egogestar"].csv)
    assert found.shape == (217, 6)
    assert found["class"].value_counts().between(20, 22).all()
    assert (found["path"].str.split("/").str[0] == found["class"]).all()
    tested = [{*found["group"][found[f"split{fold}"] == "test"]} for fold in (1, 2, 3)]
    assert [len(scenes) for scenes in tested] == [5, 5, 5]
    unbalanced = {"bright", "home", "misc", "office", "plaid"}
    assert set.union(*tested, unbalanced) == {*found["group"]}
    assert len(set.union(*tested)) == 15
    for fold, scenes in enumerate(tested, start=1):
        assert ((found[f"split{fold}"] == "test") == found["group"].isin(scenes)).all()
    counts = pd.crosstab(found["group"], found["class"]).drop(index=[*unbalanced])
    assert (counts == 1).sum().sum() == 144  # of 150; two scenes lack a class, and four have two
    assert counts.sum(axis=1).between(9, 12).all()


def test_the_list_of_egogestar_names_the_videos(loaded, shared_data):
    listed = {*pd.read_csv(ROOT / "experiments/egogestar.csv")["path"]}
    root = shared_data / "egogestar"
    assert listed == {path.relative_to(root).as_posix() for path in root.rglob("*.mp4")}


def test_experiments_have_results_of_their_own(raw):
    """Those without change a part of any experiment: its data set, its seeds."""
    overlays = {p.stem: yaml.safe_load(p.read_text(encoding="utf-8")) for p in EXPERIMENTS}
    found = [overlay["results"] for overlay in overlays.values() if "results" in overlay]
    assert len({*found, raw["results"]}) == len(found) + 1
    parts = {name for name, overlay in overlays.items() if "results" not in overlay}
    assert parts == {"fetch", "hmdb51", "three-seeds", "ucf101"}


def test_the_settings_for_torchvisions_weights_are_valid(loaded):
    page = (ROOT / "docs/backbones.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```yaml\n(.*?)^```", page, re.M | re.S)
    block, *others = [block for block in blocks if "r2plus1d_18" in block]
    assert not others
    found = loaded(yaml.safe_load(block))
    assert found.model.arch() == {"backbone": "r2plus1d_18"}
    assert found.streams["ds"].training.epochs == 30


def test_there_are_the_experiments_of_the_paper():
    assert {p.stem for p in EXPERIMENTS} >= {"weizmann", "ucf101", "hmdb51", "paper"}


RECIPES = {
    "default": [],
    "best": ["paper"],
    "mars": ["paper-mars"],
    "literal": ["paper-literal"],
    "from-scratch": ["paper", "from-scratch"],
    "start-rgb": ["paper", "start-rgb"],
    "start-teacher": ["paper", "start-teacher"],
}


@pytest.fixture
def recipe(loaded):
    """A maker of the values of a recipe, its overlays one after another."""

    def make(name):
        overlays = [ROOT / f"experiments/{overlay}.yaml" for overlay in RECIPES[name]]
        contents = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in overlays]
        return loaded(functools.reduce(merge, contents, {})).values()

    return make


def students(found):
    """The students and the control, by name."""
    return {
        name: stream
        for name, stream in found["streams"].items()
        if stream["teacher"] or name == "rgb-from-flow"
    }


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_the_same_for_all_students_and_their_control(recipe, name):
    """What rows of a table differ in is their loss alone; the paper's have one weight."""
    found = students(recipe(name))
    assert {"rgb-from-flow", "mars", "mars-mae", "mars-gram", "ds-mae", "ds-gram", "ds"} <= {*found}
    for key in ("training", "init", "pretrained"):
        assert all(stream[key] == found["ds"][key] for stream in found.values()), key
    assert found["ds"]["init"] or found["ds"]["pretrained"]
    taught = [stream for name, stream in found.items() if name != "rgb-from-flow"]
    assert {stream["teacher"] for stream in taught} == {"flow"}
    paper = [
        stream for name, stream in found.items() if name not in {"rgb-from-flow", "pkd-fading"}
    ]
    weights = {loss["weight"] for stream in paper for loss in stream["losses"].values()}
    assert weights == {50}
    grams = [s["losses"]["gram"] for s in (found[n] for n in ("mars-gram", "ds-gram", "ds"))]
    assert len({gram["normalize"] for gram in grams}) == 1


def test_paper_literal_is_section_4_2(recipe):
    found = recipe("literal")
    stated = {"lr": 0.1, "weight_decay": 5e-4, "momentum": 0.9, "trainable": None}
    for stream in students(found).values():
        assert {key: stream["training"][key] for key in stated} == stated
    assert found["streams"]["ds"]["losses"]["gram"]["normalize"] == "paper"
    frames = {"fps": 25, "resize": "square", "size": 256}
    assert {key: found["frames"][key] for key in frames} == frames
    assert (found["clips"]["crop"], found["clip_lengths"]) == (112, [16, 64])


def test_paper_mars_is_the_fine_tuning_of_mars(recipe):
    found = recipe("mars")
    fine_tuned = {
        "trainable": ["layer4", "fc"],
        "frozen_statistics": "update",
        "lr": 0.001,
        "weight_decay": 1e-5,
        "momentum": 0.9,
        "dampening": 0.9,
        "schedule": "plateau",
        "plateau_patience": 10,
        "clip_gradient": None,
        "batch_size": 16,
    }
    for stream in students(found).values():
        assert {key: stream["training"][key] for key in fine_tuned} == fine_tuned
        assert stream["pretrained"] == "MARS_Kinetics_{clip_length}f"


def test_the_best_bet_warms_up_and_keeps_gram_from_outweighing_the_rest(recipe):
    found = recipe("best")["streams"]
    assert found["ds"]["training"]["warmup_epochs"] > 0
    assert found["ds"]["training"]["lr"] < recipe("literal")["streams"]["ds"]["training"]["lr"]
    assert found["ds"]["losses"]["gram"]["normalize"] != "paper"


@pytest.mark.parametrize("name", ["mars", "literal"])
def test_recipes_differ_in_how_students_are_trained_and_in_what_they_say(recipe, name):
    best, found = recipe("best"), recipe(name)
    own = {"results", "data", "catalogue", "training", "streams"}
    own |= {"frames", "flow"} if name == "literal" else set()
    for key in best.keys() - own:
        assert found[key] == best[key], key
    assert best["streams"].keys() == found["streams"].keys()
    for stream, entry in found["streams"].items():
        for key in entry.keys() - {"training", "losses"}:
            assert entry[key] == best["streams"][stream][key], (stream, key)


@pytest.mark.parametrize("name", ["best", "mars", "literal"])
def test_the_papers_teacher_and_rgb_stream_are_mars_releases_as_they_are(recipe, name):
    found = recipe(name)
    for stream, release in (("flow", "Flow"), ("rgb", "RGB")):
        assert found["streams"][stream]["pretrained"] == f"{release}_{{dataset}}_{{clip_length}}f"
        assert found["streams"][stream]["training"]["epochs"] == 0
    shared = found["data"] == recipe("best")["data"]
    assert shared == all(found[key] == recipe("best")[key] for key in ("frames", "flow"))
    others = [recipe(other)["results"] for other in ("best", "mars", "literal") if other != name]
    assert found["results"] not in others


def test_the_recipe_for_own_videos_is_the_one_that_is_tried(loaded):
    tried = yaml.safe_load((ROOT / "experiments/few-videos.yaml").read_text(encoding="utf-8"))
    entry = {"kind": "folder", "videos": "videos"}
    recipe = loaded({"datasets": ["mine"], "catalogue": {"mine": entry}})
    compared = loaded(tried)
    for name in ("ds", "flow"):
        assert compared.streams[name].training == recipe.streams[name].training
