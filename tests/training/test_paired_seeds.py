"""Students of one seed differ in their losses alone: same start, same clips, same noise."""

import hashlib

import pytest
import torch
from specs import DS, FADING, SHARED, make_spec
from test_plugins import PLUGINS

from dsnet import training
from dsnet.training.noise import Dropout
from dsnet.training.steps import Step

LOSSES = {
    "mse": {"mse": {"weight": 50, "levels": ["avgpool"]}},
    "mae": {"mae": DS["mae"]},
    "gram": {"gram": DS["gram"]},
    "shares": SHARED,
    "fading": FADING,
    "drawing": {**DS, "drawing": {"weight": 3, "channels": 16}},
}
NOISY = {
    **{"epochs": 2, "dropout": 0.3, "mixup": 0.4},
    "augment": {"rotation": 10, "shear": 0.1, "brightness": 0.2, "hue": 20},
}


def digest(tensors):
    made = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        made.update(name.encode())
        made.update(value.detach().contiguous().numpy().tobytes())
    return made.hexdigest()


@pytest.fixture
def seen(clips_path, teacher, tmp_path, monkeypatch):
    """What a student of some losses starts from and sees, step by step."""
    forward, call = Step.forward, Dropout.__call__
    found = []

    def looking(self, batch, labels):
        if not found:
            found.append(("start", digest(self.network.state_dict())))
        found.append(("batch", digest({**batch, "labels": labels})))
        return forward(self, batch, labels)

    def dropping(self, module, inputs):
        if module.training:
            found.append(("dropped", digest({"generator": torch.get_rng_state()})))
        return call(self, module, inputs)

    monkeypatch.setattr(Step, "forward", looking)
    monkeypatch.setattr(Dropout, "__call__", dropping)

    def train(name, losses, **options):
        found.clear()
        spec = make_spec(name, losses, PLUGINS, **{**NOISY, **options})
        training.train(spec, clips_path, tmp_path / name, init=teacher, teacher=teacher)
        return list(found)

    return train


def test_students_of_one_seed_see_the_same_whatever_their_losses(seen):
    first = seen("mse", LOSSES["mse"])
    assert [kind for kind, _ in first] == ["start"] + 6 * ["batch", "dropped"]
    assert len(set(first)) == len(first)
    for name, losses in LOSSES.items():
        assert seen(f"again {name}", losses) == first, name
    assert not {*first} & {*seen("other", LOSSES["mse"], run={"seed": 4})}
