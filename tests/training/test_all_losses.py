"""Losses that the paper does not have, all together in a training."""

import pandas as pd
import pytest
from specs import make_spec, same, weights
from test_resume import history

from dsnet import models, training
from dsnet.experiment.specs import TrainSpec
from dsnet.training import TrainingError

NAMES = ("at", "cka", "dist", "dkd", "pkd", "srd", "trusted")
ALL = {**{name: {} for name in NAMES}, "srd": {"projector": "linear"}, "cka": {"share": 0.2}}


def test_all_train_a_student_together_and_again_the_same(clips_path, teacher, tmp_path):
    spec = make_spec("ds", ALL, epochs=8, lr=0.01)
    assert TrainSpec.model_validate(spec.values()) == spec
    for folder in ("a", "b"):
        training.train(spec, clips_path, tmp_path / folder, teacher=teacher)
    found = pd.read_csv(tmp_path / "a" / "history.csv")
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert history(tmp_path / "a").equals(history(tmp_path / "b"))
    terms = [f"{kind}_{name}" for kind in ("loss", "grad") for name in NAMES]
    assert set(terms) <= set(found.columns)
    assert (found[[f"grad_{name}" for name in NAMES]] > 0).all(axis=None)
    first, last = found["train_loss"].iloc[0], found["train_loss"].iloc[-1]
    assert last < first
    assert not [key for key in weights(tmp_path / "a") if "projector" in key]
    assert models.load_model(tmp_path / "a" / "model.pt")[0].fc.out_features == 2


@pytest.mark.parametrize("name", ["dkd", "trusted"])
def test_losses_of_labels_refuse_mixed_clips(name, clips_path, teacher, tmp_path):
    spec = make_spec("ds", {name: {}}, epochs=1, mixup=0.2)
    with pytest.raises(TrainingError, match=rf"mixup: the losses {name} get labels"):
        training.train(spec, clips_path, tmp_path, teacher=teacher)
