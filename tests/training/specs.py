"""What the tests of training share: a small spec, weights of a file, and a training that dies."""

import random

import numpy as np
import torch

from dsnet import models
from dsnet.experiment.specs import TrainSpec
from dsnet.experiment.terms import Term
from dsnet.training import gradients, trainer

OPTIONS = {
    "epochs": 3,
    "batch_size": 4,
    "lr": 0.02,
    "momentum": 0.9,
    "dampening": 0,
    "weight_decay": 5e-4,
    "schedule": "cosine",
    "plateau_patience": 10,
    "warmup_epochs": 0.5,
    "clip_gradient": 5,
    "precision": "float32",
    "compile": False,
    "sync_batch_norm": True,
    "trainable": None,
    "frozen_statistics": "keep",
    "select": "best",
    "selection_clips": None,
}

DS = {
    "mae": {"weight": 50, "levels": ["layer1", "avgpool"]},
    "gram": {"weight": 50, "levels": ["layer1"], "normalize": "channels"},
}


# The same terms by their shares of the gradient.
SHARED = {"mae": {**DS["mae"], "share": 0.3}, "gram": {**DS["gram"], "share": 0.6}}

# One by its weight and one by its share, and both less with every epoch.
FADING = {"mae": {**DS["mae"], "fade": True}, "gram": {**SHARED["gram"], "fade": True}}


def make_spec(stream="flow", losses=None, plugins=None, run=None, clips=None, **options):
    modality = "flow" if stream == "flow" else "rgb"
    spec = {
        "run": {
            "dataset": "squares",
            "split": 1,
            "clip_length": 4,
            "seed": 3,
            "stream": stream,
            "protocol": "held-out",
            **(run or {}),
        },
        "validation_share": 0.34,
        "flip": False,
        "clips": {
            "crop": 16,
            "scales": [1.0, 0.9],
            "rgb_mean": [114.7748, 107.7354, 99.4750],
            "flow_mean": 127.5,
            **(clips or {}),
        },
        "model": {"layers": [1] * 4, "widths": [4, 4, 8, 8], "stem": 4, "cardinality": 2},
        "stream": {
            "input": modality,
            "init": None,
            "teacher": "flow" if losses else None,
            "losses": losses or {},
            "training": {**OPTIONS, **options},
        },
        "plugins": plugins or {},
    }
    return TrainSpec.model_validate(spec)


def terms(losses):
    """The settings of losses by name."""
    return {name: Term(**entry) for name, entry in losses.items()}


def weights(folder, which="last"):
    return models.read(folder / "model.pt")[which]["state_dict"]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


class Killed(Exception):
    """Carries the states of the three generators."""


def random_states():
    _, numpys, *position = np.random.get_state()  # noqa: NPY002 - the one that libraries draw from
    return {
        "python": random.getstate(),
        "numpy": [numpys.tolist(), *position],
        "torch": torch.get_rng_state().tolist(),
    }


def stop_after(monkeypatch, epochs):
    """Let the training die in the middle of the epoch after ``epochs`` complete ones."""

    def dying(terms, *where):
        if where == (epochs + 1, 2):
            raise Killed(random_states())
        return gradients.check_finite(terms, *where)

    monkeypatch.setattr(trainer, "check_finite", dying)
