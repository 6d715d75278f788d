"""A second teacher, and one that sees RGB, through the trainer: what they are, what is refused."""

import pytest
import torch
from specs import make_spec, same, weights
from test_resume import assert_identical, history, kept, killed_after

from dsnet import models, training
from dsnet.models import CheckpointError
from dsnet.provenance import file_digest

LOGITS = {"mse": {"weight": 0.5, "levels": ["logits"]}}


def taught(second="rgb", **options):
    spec = make_spec("ds", LOGITS, **options)
    stream = spec.stream.model_copy(update={"second_teacher": second})
    return spec.model_copy(update={"stream": stream})


@pytest.fixture(scope="module")
def second(clips_path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("second")
    training.train(make_spec("rgb", epochs=2), clips_path, folder)
    return folder / "model.pt"


def test_a_second_teacher_is_a_source_changes_the_student_and_resumes(
    clips_path, teacher, second, tmp_path, monkeypatch
):
    one, two, cut = (tmp_path / name for name in ("one", "two", "cut"))
    training.train(make_spec("ds", LOGITS), clips_path, one, teacher=teacher)
    both = {"teacher": teacher, "second_teacher": second}
    training.train(taught(), clips_path, two, **both)
    assert not same(weights(one), weights(two))
    assert weights(one).keys() == weights(two).keys()
    assert "second_teacher" not in models.read(one / "model.pt")["sources"]
    content = models.read(two / "model.pt")
    assert content["sources"]["second_teacher"] == file_digest(second)
    assert content["spec"]["stream"]["second_teacher"] == "rgb"
    killed_after(monkeypatch, 2, taught(), clips_path, cut, **both)
    training.train(taught(), clips_path, cut, **both)
    assert_identical(kept(two / "model.pt"), kept(cut / "model.pt"))
    assert history(cut).equals(history(two))


def test_an_rgb_stream_teaches_a_flow_stream(clips_path, teacher, second, tmp_path, monkeypatch):
    """As in a second round of mutual training: the student teaches its teacher."""
    spec = make_spec("flow", LOGITS)
    alone, taught_back, cut = (tmp_path / name for name in ("alone", "back", "cut"))
    training.train(make_spec("flow"), clips_path, alone, init=teacher)
    training.train(spec, clips_path, taught_back, init=teacher, teacher=second)
    assert not same(weights(alone), weights(taught_back))
    content = models.read(taught_back / "model.pt")
    assert content["input"] == "flow"
    assert content["sources"]["teacher"] == file_digest(second)
    killed_after(monkeypatch, 2, spec, clips_path, cut, init=teacher, teacher=second)
    training.train(spec, clips_path, cut, init=teacher, teacher=second)
    assert_identical(kept(taught_back / "model.pt"), kept(cut / "model.pt"))


@pytest.mark.parametrize("wrong", ["teacher", "second_teacher"])
def test_logits_of_other_classes_are_refused(clips_path, teacher, second, tmp_path, wrong):
    both = {"teacher": teacher, "second_teacher": second}
    content = models.read(both[wrong])
    content["classes"] = content["classes"][::-1]
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match=r"other\.pt has 2 classes .* in the same order"):
        training.train(
            taught(), clips_path, tmp_path / "x", **{**both, wrong: tmp_path / "other.pt"}
        )
