"""Which experiments share data, and what none of them may do to another's."""

import json

import pytest

from dsnet import sharing
from dsnet.errors import UserError
from dsnet.experiment import ConfigError
from dsnet.experiment.specs import flow_spec, frames_spec
from dsnet.store import Writer

ENTRY = {"kind": "folder", "videos": "videos"}
MINE = {"datasets": ["mine"], "catalogue": {"mine": ENTRY}}


@pytest.fixture
def ran(loaded, tmp_path, monkeypatch):
    """A maker of experiments that have begun a run here, with results/NAME."""
    monkeypatch.chdir(tmp_path)

    def run(name, **changes):
        experiment = loaded({**MINE, "results": f"results/{name}", **changes})
        sharing.check(experiment)
        sharing.record(experiment)
        (tmp_path / experiment.results).mkdir(parents=True, exist_ok=True)

    return run


def test_experiments_with_the_same_settings_of_data_share_them(ran):
    ran("a")
    ran("b", training={"epochs": 3}, clips={"crop": 32}, seeds=[1, 2], protocol="held-out")
    ran("c", flow={"farneback": {"levels": 3}})  # not of the algorithm that is used


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames": {"size": 32}}, "frames.size 64, here 32"),
        ({"frames": {"sampling": "output_rate"}}, "frames.sampling the default, here output_rate"),
        (
            {"flow": {"bound": 7, "tvl1": {"warps": 4}}},
            "flow.bound 5, here 7, flow.tvl1.warps 2, here 4",
        ),
        ({"clips": {"stride": 2}}, "clips.stride 1, here 2"),
        (
            {"catalogue": {"mine": {**ENTRY, "csv": "a.csv", "shards": 3}}},
            "catalogue.mine.csv None, here a.csv, catalogue.mine.shards 1, here 3",
        ),
    ],
)
def test_an_experiment_may_change_its_own_data_and_not_anothers(ran, tmp_path, changes, message):
    ran("a")
    ran("a", **changes)
    ran("a")
    expected = (
        f"data: results/a has other settings for mine, which would have to be made again for "
        f"both: {message}; take the same, or set the key data to a folder of this experiment's "
        f"own, as results/NAME"
    )
    with pytest.raises(ConfigError) as caught:
        ran("b", **changes)
    assert str(caught.value) == expected
    ran("b")
    with pytest.raises(ConfigError, match="data: results/a has other settings"):
        ran("b", **changes)  # though it used them before
    ran("b", **changes, data="results/b")
    (tmp_path / "results/a").rmdir()
    ran("b", **changes)


def test_the_default_experiment_and_results_elsewhere_are_users_too(ran, loaded, tmp_path):
    ran("../results")
    with pytest.raises(ConfigError, match="data: results has other settings for mine"):
        ran("a", frames={"size": 32})
    ran("../elsewhere", data="results")
    (tmp_path / "results").rename(tmp_path / "moved")
    (tmp_path / "elsewhere").rename(tmp_path / "results")
    with pytest.raises(ConfigError, match="data: moved has other settings for mine"):
        ran("b", data="moved", frames={"size": 32})


def test_versions_are_no_settings(ran, tmp_path):
    """When dsnet's code changes, every experiment has to follow."""
    ran("a")
    (path,) = (tmp_path / "results/mine/used-by").glob("*.json")
    assert not {key for key in json.loads(path.read_text())["settings"] if "version" in key}


def test_a_damaged_record_is_named(ran, tmp_path):
    ran("a")
    (path,) = (tmp_path / "results/mine/used-by").glob("*.json")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UserError, match=path.name):
        ran("b")


@pytest.mark.parametrize("file", ["clips.h5", "frames/0000.h5", "flow/0000.h5"])
def test_frames_and_flow_of_older_results_are_kept(ran, loaded, tmp_path, file):
    """They have no record; two experiments may have used them."""
    ran("a")
    experiment = loaded(MINE)
    rgb, flow = frames_spec(experiment).values(), flow_spec(experiment).values()
    specs = {"clips.h5": {"rgb": rgb, "flow": flow}, "frames/0000.h5": rgb, "flow/0000.h5": flow}
    path = tmp_path / "results/mine" / file
    with Writer(path, ("rgb", "flow"), specs[file]) as writer:
        writer.close([])
    changes = {"frames": {"size": 32}, "flow": {"bound": 7}}
    ran("a", **changes)
    (tmp_path / "results/mine/used-by").rename(tmp_path / "lost")
    with pytest.raises(ConfigError, match=rf"^data: results/mine/{file} has other settings for"):
        ran("b", **changes)
    ran("b")
