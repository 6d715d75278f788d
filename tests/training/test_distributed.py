"""Several processes give what one gives; they talk through Gloo, as on a machine without GPUs."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
import torch.distributed as dist
from specs import DS, make_spec, weights
from specs import terms as named

from dsnet import losses, models
from dsnet.clips import EpochBatches
from dsnet.errors import UserError
from dsnet.processes import Processes
from dsnet.scores import read_scores
from dsnet.training.batch_norm import synchronise_batch_norm
from dsnet.training.steps import Classification, Step


def dsnet(*words):
    command = [sys.executable, "-m", "dsnet", *map(str, words), "--device", "cpu"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def train(spec, clips_path, folder, processes, teacher=None):
    words = ["--spec", json.dumps(spec.values()), "--clips", clips_path, "--output", folder]
    words += ["--teacher", teacher] if teacher else []
    done = dsnet("train", *words, "--processes", processes)
    assert done.returncode == 0, done.stderr
    return done.stderr


# 12 videos in batches of 7 and 5: shares of 4 and 3, and of 3 and 2.
OPTIONS = {"epochs": 2, "batch_size": 7}


@pytest.mark.parametrize("stream", ["flow", "ds"])
def test_an_epoch_of_two_processes_is_that_of_one(clips_path, teacher, tmp_path, stream):
    """The second epoch is not compared: on so few clips, rounding decides where it leads."""
    taught = teacher if stream == "ds" else None
    spec = make_spec(stream, DS if taught else None, **OPTIONS)
    for processes in (1, 2):
        said = train(spec, clips_path, tmp_path / str(processes), processes, taught)
        assert f"on cpu, {processes} processes of 1 threads" in said
        assert said.count("training {") == 1  # one of them tells
    one, two = (pd.read_csv(tmp_path / str(n) / "history.csv").iloc[0] for n in (1, 2))
    assert one.drop("seconds").to_dict() == pytest.approx(
        two.drop("seconds").to_dict(), rel=1e-3, abs=1e-6
    )
    content = models.read(tmp_path / "2/model.pt")
    assert content["last"]["epoch"] == 2
    assert content["provenance"]["processes"] == 2


def steps_of_share(rank, count, stream, folder):
    """The weights after four steps on clips of noise, of which this process has its share.

    In double precision: in single, how a processor rounds is enough to lead elsewhere.
    """
    torch.set_num_threads(1)
    if count > 1:
        dist.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=count)
    processes, spec = Processes(rank, count), make_spec(stream)
    torch.manual_seed(0)
    modality = spec.stream.input
    network = models.build(spec.model.arch(), modality, 2).double().train()
    task = Classification(modality)
    if stream == "ds":
        task = losses.build(models.build(spec.model.arch(), "flow", 2).double(), named(DS))
    if count > 1:
        synchronise_batch_norm(network, torch.device("cpu"))
    step = Step(network, task, spec.stream.training, torch.device("cpu"), processes)
    for number in range(4):
        noise = torch.Generator().manual_seed(number)
        shapes = {name: (7, channels, 4, 16, 16) for name, channels in models.CHANNELS.items()}
        clips = {
            name: 50 * torch.randn(shape, generator=noise, dtype=torch.float64)
            for name, shape in shapes.items()
        }
        labels, own = torch.randint(2, (7,), generator=noise), list(processes.share(range(7)))
        _, terms = step.forward({name: clip[own] for name, clip in clips.items()}, labels[own])
        terms, norms = step.balance(terms, len(own) / 7)
        step.update(terms, len(own) / 7)
    torch.save({"norms": norms, **network.state_dict()}, folder / f"{rank}of{count}.pt")
    if count > 1:
        dist.destroy_process_group()


@pytest.mark.parametrize("stream", ["flow", "ds"])
def test_two_processes_take_the_steps_of_one(tmp_path, stream):
    steps_of_share(0, 1, stream, tmp_path)
    torch.multiprocessing.spawn(steps_of_share, (2, stream, tmp_path), nprocs=2)
    one, a, b = (torch.load(tmp_path / name) for name in ("0of1.pt", "0of2.pt", "1of2.pt"))
    for shared in (a, b):
        assert shared.pop("norms") == pytest.approx(one["norms"], rel=1e-6)
        for name, value in shared.items():
            torch.testing.assert_close(value, one[name], rtol=1e-6, atol=1e-9, msg=name)


def normalised_clips():
    """Clips in double precision, a batch norm, and weights that make a loss of its output."""
    torch.manual_seed(0)
    clips = 3 + 2 * torch.randn(5, 4, 2, 3, 3, dtype=torch.float64)
    norm = torch.nn.BatchNorm3d(4).double()
    torch.nn.init.normal_(norm.weight)
    return clips, norm, torch.randn_like(clips)


def normalise_share(rank, rendezvous, folder):
    """What one of two processes makes of its share, three or two clips of five."""
    dist.init_process_group("gloo", f"file://{rendezvous}", rank=rank, world_size=2)
    clips, norm, weights = normalised_clips()
    network = torch.nn.Sequential(norm)
    synchronise_batch_norm(network, torch.device("cpu"))
    share = clips[rank::2].clone().requires_grad_()
    out = network(share)
    (out * weights[rank::2]).sum().backward()
    found = [out.detach(), share.grad, network[0].running_mean, network[0].running_var]
    torch.save([*found, network[0].weight.grad, network[0].bias.grad], folder / f"{rank}.pt")
    dist.destroy_process_group()


def test_a_synchronised_batch_norm_is_one_over_all_clips(tmp_path):
    torch.multiprocessing.spawn(normalise_share, (tmp_path / "meet", tmp_path), nprocs=2)
    clips, norm, weights = normalised_clips()
    clips.requires_grad_()
    out = norm(clips)
    (out * weights).sum().backward()
    expected = [out.detach(), clips.grad]
    a, b = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    for whole, even, odd in zip(expected, a, b, strict=False):
        torch.testing.assert_close(even, whole[0::2])
        torch.testing.assert_close(odd, whole[1::2])
    for which, whole in ((2, norm.running_mean), (3, norm.running_var)):
        torch.testing.assert_close(a[which], whole)
        torch.testing.assert_close(b[which], whole)
    torch.testing.assert_close(a[4] + b[4], norm.weight.grad)
    torch.testing.assert_close(a[5] + b[5], norm.bias.grad)


def test_without_synchronisation_each_process_normalises_by_its_own_clips(clips_path, tmp_path):
    for synchronised in (True, False):
        spec = make_spec(sync_batch_norm=synchronised, **OPTIONS)
        train(spec, clips_path, tmp_path / str(synchronised), 2)
    one, other = (weights(tmp_path / name) for name in ("True", "False"))
    assert any(not torch.allclose(one[n], other[n], rtol=1e-2, atol=1e-3) for n in one)


def test_the_epoch_is_selected_by_the_weights_that_are_kept(clips_path, tmp_path):
    """Though each of the processes has batch-norm statistics of its own."""
    spec = make_spec(sync_batch_norm=False, **{**OPTIONS, "epochs": 1})
    train(spec, clips_path, tmp_path, 2)
    done = dsnet(
        *("evaluate", "--model", tmp_path / "model.pt", "--clips", clips_path),
        *("--output", tmp_path / "scores.h5"),
    )
    assert done.returncode == 0, done.stderr
    scores = read_scores(tmp_path / "scores.h5").parts["validation"]
    mean, labels = torch.from_numpy(scores.videos), torch.from_numpy(scores.labels)
    loss = torch.nn.functional.cross_entropy(mean, labels)
    (row,) = pd.read_csv(tmp_path / "history.csv").to_dict("records")
    assert row["val_loss"] == pytest.approx(float(loss), rel=1e-4)


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_score_every_clip_once(clips_path, teacher, tmp_path, processes):
    for count in (1, processes):
        words = ["--model", teacher, "--clips", clips_path, "--output", tmp_path / f"{count}.h5"]
        done = dsnet("evaluate", *words, "--processes", count)
        assert done.returncode == 0, done.stderr
    alone, together = (read_scores(tmp_path / f"{n}.h5") for n in (1, processes))
    assert alone.parts.keys() == together.parts.keys()
    for name, part in alone.parts.items():
        other = together.parts[name]
        assert part.ids == other.ids
        np.testing.assert_array_equal(part.counts, other.counts)
        np.testing.assert_allclose(part.clips, other.clips, rtol=1e-4, atol=1e-5)


def test_an_error_in_one_of_the_processes_ends_all(clips_path, tmp_path):
    words = ["--clips", clips_path, "--output", tmp_path / "out", "--processes", "2"]
    spec = make_spec(lr=1e30, **OPTIONS)
    done = dsnet("train", "--spec", json.dumps(spec.values()), *words)
    assert done.returncode != 0
    assert "a lower lr" in done.stderr
    assert not (tmp_path / "out/model.pt").exists()


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("videos", [12, 13, 14, 17])
def test_shares_make_up_the_batches(videos, count, apart):
    def batches(rank, count):
        return list(EpochBatches(videos, 0, 6, Processes(rank, count), apart))

    shares = [batches(rank, count) for rank in range(count)]
    for number, whole in enumerate(batches(0, 1)):
        if len(whole) < (2 * count if apart else count):
            assert number == len(shares[0])  # the last is dropped: a clip normalises nothing
        else:
            assert sorted(key for share in shares for key in share[number]) == sorted(whole)


def test_more_processes_than_clips_is_an_error():
    with pytest.raises(UserError, match="4 processes cannot share batches of 3 clips"):
        EpochBatches(3, 0, 8, Processes(0, 4))
