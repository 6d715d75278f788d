"""The losses where autocast computes in 16 bits, of which float16 ends at 65504."""

import equations
import numpy as np
import pytest
import torch
from equations import features, gram_distance, mae, mse
from tiny import clips, small

from dsnet import losses
from dsnet.experiment.terms import Term
from dsnet.losses.at import AttentionTransfer
from dsnet.losses.cka import KernelAlignment
from dsnet.losses.dist import Relations
from dsnet.losses.dkd import DecoupledKD
from dsnet.losses.gram import GramDistance
from dsnet.losses.gram import gram_distance as blockwise
from dsnet.losses.mae import MultiLevelMAE
from dsnet.losses.mse import FeatureMSE
from dsnet.losses.pkd import PearsonDistance
from dsnet.losses.srd import SoftMaximum
from dsnet.losses.trusted import TrustedMAE

both = pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
SHAPES = {"stem": (2, 8, 4, 6, 6), "avgpool": (2, 16)}
LEVELS = tuple(SHAPES)
LABELS = torch.tensor([3, 1])
torch.manual_seed(0)
LINEAR = SoftMaximum({"stem": 8, "avgpool": 16}, LEVELS, "linear")
CASES = [
    (FeatureMSE(LEVELS), lambda s, t: mse(s, t, LEVELS)),
    (MultiLevelMAE(LEVELS), lambda s, t: mae(s, t, LEVELS)),
    (GramDistance(LEVELS), lambda s, t: gram_distance(s, t, LEVELS)),
    (GramDistance(LEVELS, "channels"), lambda s, t: gram_distance(s, t, LEVELS, 2)),
    (PearsonDistance(LEVELS), lambda s, t: equations.pkd(s, t, LEVELS)),
    (AttentionTransfer(["stem"]), lambda s, t: equations.at(s, t, ["stem"])),
    (LINEAR, lambda s, t: equations.srd(equations.projected(s, LINEAR), t, LEVELS, 4)),
    (KernelAlignment(["stem"], 300), lambda s, t: equations.cka(s, t, ["stem"])),
]
IDS = ["mse", "mae", "gram", "gram-channels", "pkd", "at", "srd-linear", "cka"]


def test_gram_is_float32_within_autocast():
    big = torch.full((1, 2, 4, 8, 8), 200.0, dtype=torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        distance = blockwise(big, torch.zeros_like(big))
    assert distance.dtype == torch.float32
    assert distance.tolist() == [4 * 200.0**2 * 256]


@both
@pytest.mark.parametrize("scale", [1, 1000, 10000])
@pytest.mark.parametrize(("loss", "reference"), CASES, ids=IDS)
def test_losses_of_16_bit_features_are_those_of_float64(loss, reference, dtype, scale):
    """Squares and inner products of the larger ones are beyond float16."""
    s, t = (
        {k: torch.tensor(scale * v).to(dtype) for k, v in features(seed, shapes=SHAPES).items()}
        for seed in (0, 1)
    )
    student = {k: v.requires_grad_() for k, v in s.items()}
    with torch.autocast("cpu", dtype=dtype):
        value = loss(student, t)
    exact = [{k: v.detach().double().numpy() for k, v in x.items()} for x in (s, t)]
    assert value.item() == pytest.approx(reference(*exact), rel=1e-4)
    value.backward()
    assert all(student[k].grad.isfinite().all() for k in loss.levels)


@both
@pytest.mark.parametrize("scale", [1, 5])
@pytest.mark.parametrize(
    ("loss", "reference"),
    [
        (Relations(), lambda s, t: equations.dist(s, t, 4)),
        (DecoupledKD(), lambda s, t: equations.dkd(s, t, LABELS.tolist(), 4, 8)),
        (TrustedMAE(["stem"]), lambda s, t: equations.trusted(s, t, LABELS.tolist(), ["stem"])),
    ],
    ids=["dist", "dkd", "trusted"],
)
def test_losses_of_16_bit_logits_are_those_of_float64(loss, reference, dtype, scale):
    shapes = {"stem": SHAPES["stem"], "logits": (2, 12)}
    s, t = (
        {k: torch.tensor(scale * v).to(dtype) for k, v in features(seed, shapes=shapes).items()}
        for seed in (0, 1)
    )
    student = {k: v.requires_grad_() for k, v in s.items()}
    with torch.autocast("cpu", dtype=dtype):
        value = loss(student, t, *([] if isinstance(loss, Relations) else [LABELS]))
    exact = [{k: v.detach().double().numpy() for k, v in x.items()} for x in (s, t)]
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(reference(*exact), rel=1e-4)
    value.backward()
    assert all(v.grad is None or v.grad.isfinite().all() for v in student.values())


@both
@pytest.mark.parametrize("scale", [1, 500])
def test_distillation_within_autocast_is_that_of_float32_but_for_rounding(dtype, scale):
    levels = {"levels": ["layer1", "layer2"]}
    entries = {
        "mse": Term(weight=2, **levels),
        "mae": Term(weight=50, **levels),
        "gram": Term(weight=3, **levels),
    }
    batch, labels = clips(), torch.tensor([1, 3])
    found = []
    for enabled in (False, True):
        student, task = small(3), losses.build(small(2), entries)
        torch.nn.init.constant_(student.layer1[0].bn3.weight, scale)
        with torch.autocast("cpu", dtype=dtype, enabled=enabled):
            _, features = student.forward_features(batch["rgb"])
            _, terms = task(student, batch, labels)
        assert features["layer1"].dtype == (dtype if enabled else torch.float32)
        if dtype == torch.bfloat16:  # gradients in float16 need a scaled loss, whatever the loss
            sum(terms.values()).backward()
            assert all(p.grad.isfinite().all() for p in student.parameters())
        found.append({name: value.item() for name, value in terms.items()})
    exact, rounded = found
    assert list(rounded) == ["ce", "mse", "mae", "gram"]
    assert all(np.isfinite(value) for value in rounded.values())
    assert rounded == pytest.approx(exact, rel=0.05)
    flat = features["layer1"].detach().float().flatten(2)
    largest = float((flat @ flat.mT).max())
    assert (largest > torch.finfo(torch.float16).max) == (scale == 500)
