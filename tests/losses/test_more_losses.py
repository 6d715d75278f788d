"""Losses that the paper does not have, against float64 NumPy, and the laws they must obey."""

import equations
import numpy as np
import pytest
import torch
from equations import LEVELS, SHAPES, features, tensors
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import clips, small

from dsnet import losses
from dsnet.experiment.terms import Losses, Term
from dsnet.losses.at import AttentionTransfer
from dsnet.losses.cka import KernelAlignment, spread
from dsnet.losses.dist import Relations, unrelated
from dsnet.losses.dkd import DecoupledKD
from dsnet.losses.mae import MultiLevelMAE
from dsnet.losses.pkd import PearsonDistance
from dsnet.losses.srd import SoftMaximum
from dsnet.losses.trusted import TrustedMAE
from dsnet.similarity import cka as similarity

MAPS = LEVELS[:2]
WITH_LOGITS = {**SHAPES, "logits": (3, 5)}
LABELS = [4, 0, 2]
CHANNELS = {k: shape[1] for k, shape in WITH_LOGITS.items()}


def projected(levels=LEVELS):
    torch.manual_seed(0)
    return SoftMaximum(CHANNELS, levels, "linear", 3).double()


def srd_projected(s, t):
    return equations.srd(equations.projected(s, projected()), t, LEVELS, 3)


CASES = {
    "dist": (Relations(4), lambda s, t: equations.dist(s, t, 4)),
    "dist-1": (Relations(1), lambda s, t: equations.dist(s, t, 1)),
    "dkd": (DecoupledKD(), lambda s, t: equations.dkd(s, t, LABELS, 4, 8)),
    "dkd-1": (DecoupledKD(1, 0.5), lambda s, t: equations.dkd(s, t, LABELS, 1, 0.5)),
    "pkd": (PearsonDistance(LEVELS), lambda s, t: equations.pkd(s, t, LEVELS)),
    "at": (AttentionTransfer(MAPS), lambda s, t: equations.at(s, t, MAPS)),
    "srd": (SoftMaximum(CHANNELS), lambda s, t: equations.srd(s, t, ["avgpool"], 4)),
    "srd-linear": (projected(), srd_projected),
    "trusted": (TrustedMAE(LEVELS), lambda s, t: equations.trusted(s, t, LABELS, LEVELS)),
    "cka": (KernelAlignment(MAPS), lambda s, t: equations.cka(s, t, MAPS)),
}
cases = pytest.mark.parametrize(("loss", "reference"), CASES.values(), ids=CASES)
plain = pytest.mark.parametrize("loss", [CASES[k][0] for k in CASES if k != "srd-linear"])
seeds = st.integers(0, 2**32 - 1)
scales = st.floats(0.5, 1000)
few = settings(max_examples=30, deadline=None)


def value(loss, student, teacher):
    """The loss of dictionaries of arrays or tensors."""
    labelled = isinstance(loss, DecoupledKD | TrustedMAE)
    labels = torch.tensor(LABELS)[: len(student["logits"])]
    student, teacher = ({k: torch.as_tensor(v) for k, v in x.items()} for x in (student, teacher))
    return loss(student, teacher, *([labels] if labelled else []))


def pair(seed=0):
    return [features(seed + i, shapes=WITH_LOGITS) for i in range(2)]


@cases
def test_value_is_the_equations(loss, reference):
    for seed in range(3):
        s, t = pair(seed)
        assert value(loss, s, t).item() == pytest.approx(reference(s, t), rel=1e-9)


@cases
def test_gradient_is_the_numerical_one(loss, reference):
    s, t = pair(4)
    student = tensors(s, requires_grad=True)
    names = list(student)

    def of(*inputs):
        return value(loss, dict(zip(names, inputs, strict=True)), t)

    assert torch.autograd.gradcheck(of, list(student.values()))


@plain
def test_zero_when_student_equals_teacher_and_more_otherwise(loss):
    s, t = pair(5)
    least = np.log(1e-12) if isinstance(loss, SoftMaximum) else 0
    assert value(loss, s, s).item() == pytest.approx(least, abs=1e-12)
    assert value(loss, s, t).item() > least + 0.01


@plain
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
@pytest.mark.parametrize("constant", [0.0, 0.3])
@pytest.mark.parametrize("count", [1, 3])
def test_constant_features_and_one_clip_have_finite_gradients(loss, constant, count, dtype):
    """Of one channel, of all of the student's, and of the teacher's too."""
    s, t = (tensors({k: v[:count] for k, v in x.items()}, dtype=dtype) for x in pair(6))
    for name in WITH_LOGITS:
        s[name][:, 0] = constant
    dead = {k: torch.full_like(v, constant) for k, v in s.items()}
    for own, theirs in ((s, t), (dead, t), (dead, dead), (s, s)):
        student = {k: v.clone().requires_grad_() for k, v in own.items()}
        found = value(loss, student, theirs)
        assert found.isfinite()
        found.backward()
        given = [v.grad for v in student.values() if v.grad is not None]
        assert given
        assert all(gradient.isfinite().all() for gradient in given)


@few
@given(seeds, scales, scales)
def test_pkd_and_srd_ignore_scale_and_shift_of_every_channel(seed, scale, other):
    s, t = ({k: 100 * v for k, v in x.items()} for x in pair(seed % 1000))  # 1e-5 is little then
    rng = np.random.default_rng(seed)
    moved = {}
    for k, v in s.items():
        shape = (1, -1, *[1] * (v.ndim - 2))
        factors = rng.uniform(min(scale, other), max(scale, other), v.shape[1]).reshape(shape)
        moved[k] = v * factors + rng.normal(size=v.shape[1]).reshape(shape)
    for loss in (PearsonDistance(LEVELS), SoftMaximum({}, LEVELS)):
        assert value(loss, moved, t).item() == pytest.approx(value(loss, s, t).item(), abs=1e-3)


def test_pkd_is_one_less_the_correlation():
    x, y = np.random.default_rng(0).standard_normal((2, 400))
    for scale in (1, -1, 100):
        s, t = ({"a": v.reshape(400, 1)} for v in (x + y, scale * x))
        expected = 1 - np.corrcoef(x + y, scale * x)[0, 1]
        found = PearsonDistance(["a"])(tensors(s), tensors(t))
        assert float(found) == pytest.approx(expected, abs=1e-4)


def rotation(rng, size):
    return np.linalg.qr(rng.standard_normal((size, size)))[0]


@few
@given(seeds, scales)
def test_cka_ignores_rotation_scale_and_shift_and_no_stretch(seed, scale):
    s, t = pair(seed % 1000)
    rng = np.random.default_rng(seed)
    loss = KernelAlignment(MAPS)
    before = value(loss, s, t).item()
    assert 0 < before < 2
    turned, stretched = dict(s), dict(s)
    for k in MAPS:
        c = s[k].shape[1]
        turned[k] = scale * np.einsum("dc,nc...->nd...", rotation(rng, c), s[k])
        turned[k] += rng.normal(size=c).reshape(1, c, 1, 1, 1)
        stretched[k] = s[k] * np.array([5] + [1] * (c - 1)).reshape(1, c, 1, 1, 1)
    assert value(loss, turned, t).item() == pytest.approx(before, abs=1e-8)
    assert value(loss, turned, s).item() == pytest.approx(0, abs=1e-8)
    assert value(loss, stretched, s).item() > 1e-3


def test_cka_is_that_of_the_figures_at_the_sampled_positions():
    s, t = pair(7)
    places = spread(90, 40)
    found = value(KernelAlignment(["stem"], 40), s, t).item()
    x, y = (equations.rows(f["stem"])[places.numpy()] for f in (s, t))
    assert found == pytest.approx(1 - similarity(x, y), rel=1e-9)
    assert found == pytest.approx(equations.cka(s, t, ["stem"], places.numpy()), rel=1e-9)
    assert found != pytest.approx(value(KernelAlignment(["stem"]), s, t).item(), rel=1e-3)


@given(st.integers(1, 300_000), st.integers(1, 512))
@settings(max_examples=100, deadline=None)
def test_positions_are_distinct_and_no_part_is_left_out(total, most):
    found = spread(total, most)
    assert len(found) == min(total, most)
    assert (found.diff() > 0).all()
    assert int(found[0]) >= 0
    assert int(found[-1]) < total
    ends = torch.cat([torch.tensor([-1]), found, torch.tensor([total])])
    assert int(ends.diff().max()) <= 2 * np.ceil(total / len(found))


@pytest.mark.parametrize(
    "shape", [(32, 8, 28, 28), (16, 8, 12, 12), (32, 2, 7, 7), (64, 8, 16, 16)]
)
def test_positions_are_of_all_clips_frames_rows_and_columns(shape):
    found = np.unravel_index(spread(int(np.prod(shape)), 256).numpy(), shape)
    assert [len(set(axis.tolist())) for axis in found] == list(shape)


@few
@given(seeds, scales)
def test_at_ignores_scale_of_a_clip_and_turns_of_channels_and_no_move(seed, scale):
    s, t = pair(seed % 1000)
    rng = np.random.default_rng(seed)
    loss = AttentionTransfer(MAPS)
    before = value(loss, s, t).item()
    turned, moved = dict(s), dict(s)
    for k in MAPS:
        turned[k] = np.einsum("dc,nc...->nd...", rotation(rng, s[k].shape[1]), s[k])
        turned[k][0] *= scale
        moved[k] = s[k][..., ::-1].copy()
    assert value(loss, turned, t).item() == pytest.approx(before, rel=1e-9)
    assert value(loss, moved, s).item() > 1e-4


@few
@given(seeds, scales, st.floats(-100, 100))
def test_relations_ignore_scale_and_shift_of_every_row(seed, scale, shift):
    a, b = torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    moved = a * torch.linspace(0.5, scale, 4)[:, None] + shift
    assert float(unrelated(moved, b)) == pytest.approx(float(unrelated(a, b)), abs=1e-7)
    assert float(unrelated(moved, a)) == pytest.approx(0, abs=1e-7)
    assert float(unrelated(-a, a)) == pytest.approx(2)


@few
@given(seeds, st.permutations(range(5)))
def test_losses_of_logits_ignore_their_shift_and_the_order_of_classes(seed, order):
    s, t = pair(seed % 1000)
    shifts = np.random.default_rng(seed).normal(size=(3, 1))
    labels = torch.tensor(LABELS)
    for loss in (Relations(2), DecoupledKD(2)):
        before = value(loss, s, t).item()
        moved = {"logits": s["logits"] + shifts}
        assert value(loss, moved, t).item() == pytest.approx(before, rel=1e-9)
        given = (labels,) if isinstance(loss, DecoupledKD) else ()
        s_, t_ = ({"logits": torch.tensor(x["logits"][:, order])} for x in (s, t))
        given = tuple(torch.tensor([order.index(k) for k in LABELS]) for _ in given)
        assert loss(s_, t_, *given).item() == pytest.approx(before, rel=1e-9)


def test_dkd_with_weights_of_the_teacher_is_plain_distillation():
    """Equation 6 of the paper: KL(p, q) is the target's part plus (1 - p_y) times the others'."""
    s, t = pair(8)
    for clip, label in enumerate(LABELS):
        p, q = (equations.softmax(x["logits"][[clip]]) for x in (t, s))
        own, theirs = (torch.tensor(x["logits"][[clip]]) for x in (s, t))
        loss = DecoupledKD(1, float(1 - p[0, label]))
        found = loss({"logits": own}, {"logits": theirs}, torch.tensor([label]))
        assert found.item() == pytest.approx(float((p * np.log(p / q)).sum()), rel=1e-9)


def test_srd_takes_the_largest_differences_and_has_the_sums_gradient():
    s, t = pair(9)
    student = torch.tensor(s["avgpool"], requires_grad=True)
    found = value(SoftMaximum({}), {**s, "avgpool": student}, t)
    (gradient,) = torch.autograd.grad(found, student)
    z = [equations.standardised(x["avgpool"]) for x in (s, t)]
    powers = np.abs(z[0] - z[1]) ** 4
    assert found.item() + np.log(powers.size) == pytest.approx(np.log(powers.sum()), rel=1e-9)
    again = torch.tensor(s["avgpool"], requires_grad=True)
    value(SoftMaximum({}), {**s, "avgpool": again}, t).add(5).exp().log().backward()
    torch.testing.assert_close(again.grad, gradient)


def test_srd_learns_its_projector_to_undo_a_map_of_the_channels():
    torch.manual_seed(1)
    teacher = torch.randn(64, 7)
    student = teacher @ torch.randn(7, 7)
    loss = SoftMaximum(CHANNELS, projector="linear")
    optimizer = torch.optim.Adam(loss.parameters(), 0.05)
    found = []
    for _ in range(150):
        found.append(loss({"avgpool": student}, {"avgpool": teacher}))
        optimizer.zero_grad()
        found[-1].backward()
        optimizer.step()
    assert found[-1].item() < found[0].item() - 4
    with pytest.raises(ValueError, match="none, linear"):
        SoftMaximum(CHANNELS, projector="mlp")


def test_trusted_is_mae_where_the_teacher_is_right_alike():
    s, t = pair(10)
    t["logits"][:] = 0
    loss = TrustedMAE(LEVELS)
    mae = float(MultiLevelMAE(LEVELS)(tensors(s), tensors(t)))
    assert value(loss, s, t).item() == pytest.approx(mae, rel=1e-12)
    t["logits"][1, LABELS[1]] = 50
    t["logits"][0, 1] = t["logits"][2, 1] = 50  # wrong
    one = [{k: torch.tensor(v[[1]]) for k, v in x.items()} for x in (s, t)]
    assert value(loss, s, t).item() == pytest.approx(float(MultiLevelMAE(LEVELS)(*one)), rel=1e-9)
    t["logits"][1, 1] = 5000  # wrong everywhere, and the probabilities are 0
    t["logits"][[0, 2], 1] = 5000
    assert value(loss, s, t).item() == 0


@pytest.mark.parametrize("shape", [(4, 256, 4, 28, 28), (8, 512, 2, 7, 7)])
def test_float32_is_near_float64_at_resnext_101s_levels(shape):
    torch.manual_seed(0)
    s, t = (
        {"a": torch.randn(shape).abs() * scale, "logits": torch.randn(8, 101)} for scale in (3, 0.1)
    )
    s["a"] = s["a"].to(memory_format=torch.channels_last_3d)
    labels = torch.arange(shape[0])
    for loss in (PearsonDistance(["a"]), AttentionTransfer(["a"]), KernelAlignment(["a"])):
        exact = float(loss({"a": s["a"].double()}, {"a": t["a"].double()}))
        assert float(loss(s, t)) == pytest.approx(exact, rel=2e-5)
    moved = {k: v + 1000 for k, v in s.items()}  # far from zero, digits must not be lost
    exact = float(KernelAlignment(["a"])({"a": moved["a"].double()}, {"a": t["a"].double()}))
    assert float(KernelAlignment(["a"])(moved, t)) == pytest.approx(exact, rel=1e-4)
    s["logits"], t["logits"] = s["logits"][labels], t["logits"][labels]
    exact = TrustedMAE(["a"])(*({k: v.double() for k, v in x.items()} for x in (s, t)), labels)
    assert float(TrustedMAE(["a"])(s, t, labels)) == pytest.approx(float(exact), rel=2e-5)


def test_a_loss_that_asks_gets_the_channels_of_every_level():
    class Asks(torch.nn.Module):
        def __init__(self, level_channels, more=1):
            super().__init__()
            self.found = level_channels, more

    seen = {}
    original = losses.registry.load
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            losses.registry, "load", lambda place: Asks if "pkd" in place else original(place)
        )
        teacher = small(2)
        before = {k: v.clone() for k, v in teacher.state_dict().items()}
        task = losses.build(
            teacher, {"pkd": Term(more=2), "mae": Term(levels=["stem"])}, clip=(4, 24, 24)
        )
        seen = task.terms["pkd"].found
    _, features = small(2).forward_features(clips()["flow"])
    assert seen == ({**{k: v.shape[1] for k, v in features.items()}, "logits": 4}, 2)
    assert teacher.training
    assert all(torch.equal(before[k], v) for k, v in teacher.state_dict().items())


def test_each_has_settings_whose_defaults_make_it():
    names = ["at", "cka", "dist", "dkd", "pkd", "srd", "trusted"]
    found = Losses.model_validate({name: {} for name in names})
    task = losses.build(small(2), found.terms())
    assert list(task.terms) == names
    assert task.labelled == {"dkd", "trusted"}
    weights = dict(zip(names, task.weights.tolist(), strict=True))
    assert weights == {"at": 50, "cka": 50, "dist": 2, "dkd": 1, "pkd": 36, "srd": 2, "trusted": 50}
    assert not list(task.terms.parameters())
    linear = Losses.model_validate({"srd": {"projector": "linear", "levels": ["stem", "avgpool"]}})
    task = losses.build(small(2), linear.terms())
    assert {k: tuple(v.shape) for k, v in task.terms.named_parameters()} == {
        "srd.projectors.stem.weight": (4, 4),
        "srd.projectors.avgpool.weight": (16, 16),
    }
    student, labels = small(3), torch.tensor([1, 3])
    _, terms = losses.build(small(2), found.terms())(student, clips(), labels)
    assert list(terms) == ["ce", *names]
    sum(terms.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in student.parameters())
