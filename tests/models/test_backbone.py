"""A network that is not a 3D ResNeXt, and the code that may be run for one."""

import numpy as np
import pytest
import torch
from specs import make_spec
from torch import nn

from dsnet import models, registry
from dsnet.clips import normalise
from dsnet.experiment.data import Clips
from dsnet.export import FromBytes
from dsnet.training.gradients import gradient_norms

TWO = """
from torch import nn
from dsnet.models import Backbone
class Two(Backbone):
    levels = ("early", "late")
    first = "early"
    classifier = "head"
    statistics = {"flow_mean": 100.0}
    def __init__(self, num_classes, in_channels, width):
        super().__init__()
        self.early = nn.Conv3d(in_channels, width, 1)
        self.norm = nn.BatchNorm3d(width)  # of late's output, though it follows early here
        self.late = nn.Conv3d(width, width, 1)
        self.head = nn.Linear(width, num_classes)
    def forward_features(self, x):
        early = self.early(x)
        late = self.norm(self.late(early))
        return self.head(late.mean(dim=(2, 3, 4))), {"early": early, "late": late}
class Other: ...
BACKBONES = {"two": Two}
"""


@pytest.fixture
def arch(tmp_path):
    (tmp_path / "two.py").write_text(TWO)
    return {"backbone": f"{tmp_path}/two.py:Two", "width": 4}


def content(network, arch, modality):
    about = {"format": "dsnet-model", "version": 1, "arch": arch, "input": modality}
    return {**about, "classes": ["a", "b"], "state_dict": network.state_dict(), "provenance": {}}


def test_a_student_starts_from_all_but_the_first_convolution_that_its_network_names(tmp_path, arch):
    teacher, student = (models.build(arch, modality, 2) for modality in ("flow", "rgb"))
    models.save(tmp_path / "model.pt", content(teacher, arch, "flow"))
    assert models.start_from(student, tmp_path / "model.pt", ["b", "a"]) == ["early.weight"]
    assert torch.equal(student.head.weight, teacher.head.weight.flip(0))
    found = models.inspect(tmp_path / "model.pt")
    assert found.summary() == "dsnet: Two for flow, 2 classes"
    assert "width 4" in found.describe()
    x = torch.randn(1, 2, 4, 8, 8)
    assert torch.equal(models.load_checkpoint(tmp_path / "model.pt")(x), teacher.eval()(x))


@pytest.mark.parametrize("norms", [True, False])
def test_a_frozen_network_gives_what_the_network_gave(arch, norms):
    network = models.build(arch, "rgb", 2)
    for norm in (m for m in network.modules() if isinstance(m, nn.BatchNorm3d)):
        nn.init.uniform_(norm.running_mean, -1, 1)
    if norms:
        type(network).folds = lambda self: [("late", "norm")]
    x = torch.randn(2, 3, 4, 8, 8)
    frozen = models.Frozen(network)
    assert isinstance(frozen.network.norm, nn.Identity) == norms
    torch.testing.assert_close(frozen(x)["logits"], network.eval()(x))


def test_the_gradient_of_the_deepest_level_is_watched(arch):
    network = models.build(arch, "rgb", 2)
    norms = gradient_norms(network, {"ce": network(torch.randn(2, 3, 4, 8, 8)).sum()})
    assert set(norms) == {"grad_ce", "grad_late"}


def test_a_network_has_its_own_statistics_beside_those_of_the_configuration(arch):
    network = models.build(arch, "flow", 2)
    settings = Clips().model_copy(update=network.statistics)
    pixels = torch.from_numpy(np.full((1, 4, 8, 8, 2), 100, np.uint8))
    assert not normalise(pixels, "flow", settings).any()
    expected = network.eval()(torch.zeros(1, 2, 4, 8, 8))
    assert torch.equal(FromBytes(network, "flow", settings)(pixels), expected)


def test_planning_reads_a_class_without_running_it(arch):
    assert registry.constant(arch["backbone"], "levels", ()) == ("early", "late")
    assert registry.constant(registry.BACKBONES["resnext3d"], "levels", ()) == (
        models.ResNeXt3D.levels
    )
    assert registry.constant(arch["backbone"], "needs", ("videos",)) == ("videos",)


@pytest.mark.parametrize("place", ["subprocess:Popen", "{}/two.py:Other", "two", "{}/none.py:Two"])
def test_a_file_of_weights_runs_no_code_but_that_of_a_plugin(tmp_path, arch, place):
    with pytest.raises(registry.PluginError, match=r"is not in BACKBONES|cannot be read"):
        models.build({"backbone": place.format(tmp_path)}, "rgb", 2)


def test_a_network_of_other_arguments_is_refused_by_name(arch):
    with pytest.raises(registry.PluginError, match=r"model\.backbone: .*Two cannot be made"):
        models.build({**arch, "depth": 3}, "rgb", 2)


@pytest.mark.parametrize(
    ("known", "name"),
    [
        ({"algorithm": "my_flow.py:Normal"}, r"my_flow\.py:Normal"),
        ({"algorithm": "dis", "dis": {}}, "dis"),
        ({"algorithm": "raft", "raft": {"model": "raft_large"}}, "raft_large"),
        ({"stride": 2}, "tvl1 over 2 frames"),
    ],
)
def test_a_model_refuses_clips_of_another_flow(tmp_path, arch, known, name):
    tvl1, own = ({"rgb": {}, "flow": flow} for flow in ({}, known))
    for modality in ("flow", "rgb"):
        trained = content(models.build(arch, modality, 2), arch, modality)
        models.save(
            tmp_path / f"{modality}.pt", {**trained, "spec": make_spec().values(), "data": own}
        )
    models.load_trained(tmp_path / "flow.pt", own)
    models.load_trained(tmp_path / "rgb.pt", tvl1)
    with pytest.raises(models.CheckpointError, match=f"trained on flow by {name}, and"):
        models.load_trained(tmp_path / "flow.pt", tvl1)
