"""Several processes give what one gives; they talk through Gloo, as on a machine without GPUs."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.distributed as dist
from forked import programs
from specs import DS, FADING, make_spec, weights
from specs import terms as named

from dsnet import losses, models, training
from dsnet.cli import main
from dsnet.clips import EpochBatches
from dsnet.errors import UserError
from dsnet.processes import Processes
from dsnet.scores import read_scores
from dsnet.training.batch_norm import synchronise_batch_norm
from dsnet.training.steps import Classification, Step

ROOT = Path(__file__).parents[2]


def run(*words):
    """Run ``python -m dsnet`` on this machine's CPU; torchrun forks processes with PyTorch."""
    python = str(programs() / "python")
    command = [python, "-m", "dsnet", *map(str, words), "--device", "cpu"]
    environment = {**os.environ, "PYTHON_EXEC": python, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def train(spec, clips_path, folder, teacher=None):
    """Train in two processes, which must succeed; what they say."""
    words = ["--spec", json.dumps(spec.values()), "--clips", clips_path, "--output", folder]
    words += ["--teacher", teacher] if teacher else []
    done = run("train", *words, "--processes", 2)
    assert done.returncode == 0, done.stderr
    return done.stderr


# 12 videos in batches of 7 and 5: shares of 4 and 3, and of 3 and 2.
OPTIONS = {"epochs": 2, "batch_size": 7}


@pytest.fixture(scope="module")
def together(clips_path, tmp_path_factory):
    """The flow stream of two processes, and what they said."""
    folder = tmp_path_factory.mktemp("together")
    return folder, train(make_spec(**OPTIONS), clips_path, folder)


@pytest.fixture(scope="module")
def apart(clips_path, tmp_path_factory):
    """The same, where each process normalises by its own clips."""
    folder = tmp_path_factory.mktemp("apart")
    train(make_spec(sync_batch_norm=False, **OPTIONS), clips_path, folder)
    return folder


def assert_an_epoch_of_one(alone, together, said):
    """The second epoch is not compared: on so few clips, rounding decides where it leads."""
    assert "on cpu, 2 processes of 1 threads" in said
    assert said.count("training {") == 1  # one of them tells
    one, two = (pd.read_csv(folder / "history.csv").iloc[0] for folder in (alone, together))
    assert one.drop("seconds").to_dict() == pytest.approx(
        two.drop("seconds").to_dict(), rel=1e-3, abs=1e-6
    )
    content = models.read(together / "model.pt")
    assert content["last"]["epoch"] == 2
    assert content["provenance"]["processes"] == 2


def test_an_epoch_of_two_processes_is_that_of_one(clips_path, together, tmp_path):
    training.train(make_spec(**OPTIONS), clips_path, tmp_path)
    assert_an_epoch_of_one(tmp_path, *together)


def test_an_epoch_of_a_student_of_two_processes_is_that_of_one(clips_path, teacher, tmp_path):
    alone, together, spec = tmp_path / "1", tmp_path / "2", make_spec("ds", DS, **OPTIONS)
    training.train(spec, clips_path, alone, teacher=teacher)
    assert_an_epoch_of_one(alone, together, train(spec, clips_path, together, teacher))


def test_weights_fade_in_two_processes_as_in_one(clips_path, teacher, tmp_path):
    alone, together = tmp_path / "1", tmp_path / "2"
    spec = make_spec("ds", FADING, **OPTIONS)
    training.train(spec, clips_path, alone, teacher=teacher)
    assert_an_epoch_of_one(alone, together, train(spec, clips_path, together, teacher))
    for folder in (alone, together):
        last = pd.read_csv(folder / "history.csv").iloc[-1]
        assert (last[["weight_mae", "share_mae", "share_gram"]] == 0).all()


def test_an_average_of_two_processes_is_that_of_one(clips_path, tmp_path):
    """With weighted and smoothed cross-entropy, whose parts have to add up."""
    alone, together = tmp_path / "1", tmp_path / "2"
    few = {"ema": 0.9, "class_weights": "balanced", "label_smoothing": 0.2}
    spec = make_spec(**few, **OPTIONS)
    training.train(spec, clips_path, alone)
    assert_an_epoch_of_one(alone, together, train(spec, clips_path, together))


def share(rank, folder):
    """Take the share of one of two processes: the steps of both streams, and a batch norm."""
    dist.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=2)
    for stream in ("flow", "ds"):
        steps_of_share(rank, 2, stream, folder)
    normalise_share(rank, folder)
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """The folder of what two processes made of their shares."""
    folder = tmp_path_factory.mktemp("shared")
    torch.multiprocessing.spawn(share, (folder,), nprocs=2)
    return folder


def steps_of_share(rank, count, stream, folder):
    """The weights after four steps on clips of noise, of which this process has its share.

    In double precision: in single, how a processor rounds is enough to lead elsewhere.
    """
    torch.set_num_threads(1)
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
        labels, own = torch.randint(2, (7,), generator=noise), list(processes.shard(range(7)))
        _, terms = step.forward({name: clip[own] for name, clip in clips.items()}, labels[own])
        terms, norms = step.balance(terms, len(own) / 7)
        step.update(terms, len(own) / 7)
    made = {"norms": norms, **network.state_dict()}
    torch.save(made, folder / f"{stream}{rank}of{count}.pt")


@pytest.mark.parametrize("stream", ["flow", "ds"])
def test_two_processes_take_the_steps_of_one(shared, tmp_path, stream):
    steps_of_share(0, 1, stream, tmp_path)
    one = torch.load(tmp_path / f"{stream}0of1.pt")
    for rank in (0, 1):
        own = torch.load(shared / f"{stream}{rank}of2.pt")
        assert own.pop("norms") == pytest.approx(one["norms"], rel=1e-6)
        for name, value in own.items():
            torch.testing.assert_close(value, one[name], rtol=1e-6, atol=1e-9, msg=name)


def normalised_clips():
    """Clips in double precision, a batch norm, and weights that make a loss of its output."""
    torch.manual_seed(0)
    clips = 3 + 2 * torch.randn(5, 4, 2, 3, 3, dtype=torch.float64)
    norm = torch.nn.BatchNorm3d(4).double()
    torch.nn.init.normal_(norm.weight)
    return clips, norm, torch.randn_like(clips)


def normalise_share(rank, folder):
    """What one of two processes makes of its share, three or two clips of five."""
    clips, norm, weights = normalised_clips()
    network = torch.nn.Sequential(norm)
    synchronise_batch_norm(network, torch.device("cpu"))
    own = clips[rank::2].clone().requires_grad_()
    out = network(own)
    (out * weights[rank::2]).sum().backward()
    found = [out.detach(), own.grad, network[0].running_mean, network[0].running_var]
    torch.save([*found, network[0].weight.grad, network[0].bias.grad], folder / f"{rank}.pt")


def test_a_synchronised_batch_norm_is_one_over_all_clips(shared):
    clips, norm, weights = normalised_clips()
    clips.requires_grad_()
    out = norm(clips)
    (out * weights).sum().backward()
    expected = [out.detach(), clips.grad]
    a, b = (torch.load(shared / f"{rank}.pt") for rank in (0, 1))
    for whole, even, odd in zip(expected, a, b, strict=False):
        torch.testing.assert_close(even, whole[0::2])
        torch.testing.assert_close(odd, whole[1::2])
    for which, whole in ((2, norm.running_mean), (3, norm.running_var)):
        torch.testing.assert_close(a[which], whole)
        torch.testing.assert_close(b[which], whole)
    torch.testing.assert_close(a[4] + b[4], norm.weight.grad)
    torch.testing.assert_close(a[5] + b[5], norm.bias.grad)


def test_without_synchronisation_each_process_normalises_by_its_own_clips(together, apart):
    one, other = weights(together[0]), weights(apart)
    assert any(not torch.allclose(one[n], other[n], rtol=1e-2, atol=1e-3) for n in one)


def score(model, clips_path, output):
    """Score all clips in this process alone."""
    words = ("--model", model, "--clips", clips_path, "--output", output, "--device", "cpu")
    assert main(["evaluate", *map(str, words)]) == 0
    return read_scores(output)


def test_the_epoch_is_selected_by_the_weights_that_are_kept(clips_path, apart, tmp_path):
    """Though each of the processes has batch-norm statistics of its own."""
    scores = score(apart / "model.pt", clips_path, tmp_path / "scores.h5").parts["validation"]
    mean, labels = torch.from_numpy(scores.videos), torch.from_numpy(scores.labels)
    loss = torch.nn.functional.cross_entropy(mean, labels)
    history = pd.read_csv(apart / "history.csv").set_index("epoch")
    selected = models.read(apart / "model.pt")["epoch"]
    assert history["val_loss"][selected] == pytest.approx(float(loss), rel=1e-4)


def test_processes_score_every_clip_once(clips_path, teacher, tmp_path):
    words = ["--model", teacher, "--clips", clips_path, "--output", tmp_path / "3.h5"]
    done = run("evaluate", *words, "--processes", 3)
    assert done.returncode == 0, done.stderr
    alone, together = score(teacher, clips_path, tmp_path / "1.h5"), read_scores(tmp_path / "3.h5")
    assert alone.parts.keys() == together.parts.keys()
    for name, part in alone.parts.items():
        other = together.parts[name]
        assert part.ids == other.ids
        np.testing.assert_array_equal(part.counts, other.counts)
        np.testing.assert_allclose(part.clips, other.clips, rtol=1e-4, atol=1e-5)


def test_an_error_in_one_of_the_processes_ends_all(clips_path, tmp_path):
    words = ["--clips", clips_path, "--output", tmp_path / "out", "--processes", "2"]
    spec = make_spec(lr=1e30, **OPTIONS)
    done = run("train", "--spec", json.dumps(spec.values()), *words)
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
