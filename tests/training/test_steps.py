"""Single steps: precision, compilation, and a loss scale."""

import shutil

import pytest
import torch
from specs import DS, SHARED, make_spec
from specs import terms as named_terms

from dsnet import losses, models, training
from dsnet.devices import DeviceError
from dsnet.training.steps import Classification, Step, freeze

CPU = torch.device("cpu")


def make_step(stream="flow", terms=DS, **options):
    """A step of a network of a seed, the network, a batch and its labels."""
    spec = make_spec(stream, **options)
    torch.manual_seed(0)
    network = models.build(spec.model.arch(), spec.stream.input, 2).train()
    task = Classification(spec.stream.input)
    if stream == "ds":
        task = losses.build(models.build(spec.model.arch(), "flow", 2), named_terms(terms))
    clips = {name: 50 * torch.randn(4, c, 4, 16, 16) for name, c in models.CHANNELS.items()}
    step = Step(network, task, spec.stream.training, CPU)
    return step, network, clips, torch.tensor([0, 1, 1, 0])


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_less_than_float32_is_refused_on_a_cpu(clips_path, tmp_path, precision):
    with pytest.raises(DeviceError, match=f"{precision} is for GPUs; on CPUs it makes 3D conv"):
        training.train(make_spec(precision=precision), clips_path, tmp_path, device="cpu")
    assert not (tmp_path / "model.pt").exists()


@pytest.mark.parametrize("clip_gradient", [None, 0.5])
def test_a_step_is_that_of_sgd_written_out(clip_gradient):
    step, network, clips, labels = make_step(clip_gradient=clip_gradient, lr=0.1)
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    logits, terms = step.forward(clips, labels)
    torch.testing.assert_close(terms["ce"], torch.nn.functional.cross_entropy(logits, labels))
    gradients = torch.autograd.grad(terms["ce"], network.parameters(), retain_graph=True)
    norm = torch.sqrt(sum(g.double().square().sum() for g in gradients))
    scale = min(1.0, clip_gradient / float(norm)) if clip_gradient else 1.0
    assert (scale < 1) == (clip_gradient is not None)
    step.update(terms, 1.0)
    for (name, parameter), gradient in zip(network.named_parameters(), gradients, strict=True):
        expected = before[name] - 0.1 * (scale * gradient + 5e-4 * before[name])
        torch.testing.assert_close(parameter, expected, rtol=1e-4, atol=1e-6)


def test_a_scaled_loss_changes_neither_norms_nor_step():
    """As float16 needs it: everything is divided by the scale again."""
    found = []
    for scale in (None, 2.0**12):
        step, network, clips, labels = make_step("ds")
        if scale:
            step.scaler = torch.amp.GradScaler("cpu", init_scale=scale)
        _, terms = step.forward(clips, labels)
        terms, norms = step.balance(terms, 1.0)
        step.update(terms, 1.0)
        found.append((norms, network.state_dict()))
    (norms, plain), (scaled_norms, scaled) = found
    assert scaled_norms == pytest.approx(norms, rel=1e-5)
    for name, value in plain.items():
        torch.testing.assert_close(scaled[name], value)


def test_terms_get_their_shares_of_the_gradient_and_the_update_is_theirs():
    step, network, clips, labels = make_step("ds", SHARED, clip_gradient=None, lr=0.1)
    for _ in range(2):  # the second time they have them already
        _, terms = step.forward(clips, labels)
        terms, norms = step.balance(terms, 1.0)
        total = norms["grad_ce"] + norms["grad_mae"] + norms["grad_gram"]
        assert norms["grad_mae"] == pytest.approx(0.3 * total, rel=1e-4)
        assert norms["grad_gram"] == pytest.approx(0.6 * total, rel=1e-4)
    again = step.forward(clips, labels)[1]
    assert {n: v.item() for n, v in again.items()} == pytest.approx(
        {n: v.item() for n, v in terms.items()}, rel=1e-4
    )
    parameters = list(network.parameters())
    gradients = torch.autograd.grad(sum(again.values()), parameters, allow_unused=True)
    before = [p.detach().clone() for p in parameters]
    step.update(terms, 1.0)
    for old, new, gradient in zip(before, parameters, gradients, strict=True):
        torch.testing.assert_close(new, old - 0.1 * (gradient + 5e-4 * old), rtol=1e-3, atol=1e-5)


def test_a_step_tells_whether_its_gradient_was_clipped():
    told = []
    for clip_gradient in (None, 1e-3, 1e9):
        step, _, clips, labels = make_step("flow", clip_gradient=clip_gradient)
        told.append(bool(step.update(step.forward(clips, labels)[1], 1.0)))
    assert told == [False, True, False]


def test_a_term_of_levels_that_are_not_trained_has_no_gradient():
    step, network, clips, labels = make_step("ds", {"mae": {**DS["mae"], "levels": ["layer1"]}})
    freeze(network, ["layer4", "fc"])
    terms, norms = step.balance(step.forward(clips, labels)[1], 1.0)
    assert norms["grad_mae"] == 0
    assert norms["grad_ce"] > 0
    step.update(terms, 1.0)


def test_a_teacher_is_outside_of_what_processes_share():
    step, network, *_ = make_step("ds", DS)
    shared = {id(parameter) for parameter in step._forward.parameters()}
    assert shared == {id(parameter) for parameter in network.parameters()}
    assert list(step.task.teacher.parameters())


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_a_compiled_step_is_the_same_step():
    """Also with code from PyTorch's cache, left by a step that asked for no gradient norms."""
    found = []
    for compiled, asked in ((False, True), (True, False), (True, True)):
        torch._dynamo.reset()
        step, network, clips, labels = make_step("ds", SHARED, compile=compiled)
        _, terms = step.forward(clips, labels)
        values = {name: float(value.detach()) for name, value in terms.items()}
        norms = None
        if asked:
            terms, norms = step.balance(terms, 1.0)
        step.update(terms, 1.0)
        found.append((values, norms, network.state_dict()))
    (terms, norms, plain), (cached_terms, _, _), (compiled_terms, compiled_norms, compiled) = found
    # Shares change the update, but not the terms. So only two of the three take the same step.
    assert cached_terms == pytest.approx(terms, rel=1e-4)
    assert compiled_terms == pytest.approx(terms, rel=1e-4)
    assert compiled_norms == pytest.approx(norms, rel=1e-3)
    for name, value in plain.items():
        torch.testing.assert_close(compiled[name], value, rtol=1e-3, atol=1e-4)
