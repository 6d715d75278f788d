"""The experiments that come with dsnet, and what of the paper they must keep to."""

import pytest
import yaml
from project import ROOT

EXPERIMENTS = sorted((ROOT / "experiments").glob("*.yaml"))


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda p: p.stem)
def test_every_experiment_is_valid(raw_config, resolved, path):
    overlay = yaml.safe_load(path.read_text(encoding="utf-8"))
    found = resolved(overlay)
    assert found["datasets"] == overlay.get("datasets", raw_config["datasets"])


def test_there_are_the_experiments_of_the_paper():
    assert {p.stem for p in EXPERIMENTS} >= {"weizmann", "ucf101", "hmdb51", "paper"}


def test_the_papers_recipe_is_that_of_mars_where_the_paper_defers_to_it(resolved):
    overlay = yaml.safe_load((ROOT / "experiments/paper.yaml").read_text(encoding="utf-8"))
    found = resolved(overlay)
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
