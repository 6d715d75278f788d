"""Clips of the videos of a file, and their batches."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from dsnet import clips
from dsnet.clips import ClipSource, EpochBatches, ScoringClips, TrainingClips
from dsnet.errors import UserError
from dsnet.experiment.data import Clips
from dsnet.experiment.specs import TrainSpec
from dsnet.processes import Processes
from dsnet.store import DamagedError

SETTINGS = Clips(crop=16, scales=[1.0, 0.5])
SPEC = TrainSpec.model_validate(
    {
        "run": {
            "dataset": "squares", "split": 1, "clip_length": 4, "seed": 0, "stream": "flow",
            "protocol": "held-out",
        },
        "validation_share": 0.5,
        "flip": False,
        "clips": SETTINGS.values(),
        "model": {},
        "stream": {"input": "flow", "training": {}},
    }
)  # fmt: skip


@pytest.fixture
def videos(tmp_path, make_clips):
    reader = clips.open_clips(make_clips(tmp_path / "clips.h5"))
    table = clips.table(reader)
    table = table[table["split1"] == "train"]
    return ClipSource(reader, list(table["id"]), list(table["label"]), ("rgb", "flow"), 4, SETTINGS)


def test_a_spec_says_which_videos_a_stream_sees_and_how(videos):
    reader = videos.reader
    parts = clips.parts(reader, SPEC)
    assert {role: len(ids) for role, ids in parts.items()} == {
        "train": 6,
        "validation": 6,
        "test": 8,
    }
    assert set(parts["train"]) | set(parts["validation"]) == set(videos.ids)
    run = SPEC.run.model_copy(update={"protocol": "paper"})
    paper = clips.parts(reader, SPEC.model_copy(update={"run": run}))
    assert paper == {"train": videos.ids, "validation": parts["test"], "test": parts["test"]}
    backwards = videos.ids[::-1]
    found = ClipSource.of_spec(reader, backwards, ("flow",), SPEC)
    assert found == ClipSource(reader, backwards, videos.labels[::-1], ("flow",), 4, SETTINGS)


def epoch(dataset, number, workers, context=None):
    batches = clips.training_loader(dataset, 4, workers)
    batches.batch_sampler.epoch = number
    if context:
        batches.multiprocessing_context = context
    return [(batch["rgb"], batch["flow"], labels) for batch, labels in batches]


@pytest.mark.parametrize(
    ("workers", "context"), [(1, "fork"), (1, "spawn"), (4, "fork"), (4, "spawn")]
)
def test_clips_do_not_depend_on_the_number_of_workers(videos, workers, context):
    dataset = TrainingClips(videos, 3, True)
    alone, helped = epoch(dataset, 1, 0), epoch(dataset, 1, workers, context)
    assert len(alone) == len(helped) == 3
    for a, b in zip(alone, helped, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_epochs_and_seeds_differ_and_repeat(videos):
    def first(seed, number):
        return TrainingClips(videos, seed, True)[(number, 0)][0]["rgb"]

    assert torch.equal(first(0, 0), first(0, 0))
    others = [first(0, 1), first(0, 2), first(1, 0), first(2, 0)]
    assert not all(torch.equal(first(0, 0), other) for other in others)
    orders = [[i for batch in EpochBatches(50, s, 8) for _, i in batch] for s in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == list(range(50))


@pytest.mark.parametrize("flip", [False, True])
def test_training_clips_are_the_stored_pixels_of_their_crop(videos, flip):
    """Of crops as large as what they are resized to, so that they are the same to the bit."""
    videos.settings = Clips(crop=16, scales=[0.67])
    dataset = TrainingClips(videos, 0, flip)
    crops = set()
    for key in [(epoch, index) for epoch in range(4) for index in range(12)]:
        index, positions, crop = dataset.draw(key)
        crops.add(crop)
        clip, _ = dataset[key]
        for frame, position in enumerate(positions):
            rgb = stored(videos, index, "rgb", position)[crop.area]
            x, y = (stored(videos, index, "flow", 2 * position + i)[crop.area] for i in (0, 1))
            if crop.flip:
                rgb, x, y = rgb[:, ::-1], 255 - x[:, ::-1], y[:, ::-1]
            np.testing.assert_array_equal(clip["rgb"][frame], rgb)
            np.testing.assert_array_equal(clip["flow"][frame], np.dstack([x, y]))
    places = {(4, 4), (0, 0), (8, 0), (0, 8), (8, 8)}
    assert {(crop.x, crop.y) for crop in crops} == places
    assert {crop.flip for crop in crops} == ({False, True} if flip else {False})


def stored(videos, index, modality, item):
    """An item of a video as OpenCV decodes it: (H, W, 3) RGB or (H, W)."""
    mode = cv2.IMREAD_COLOR_RGB if modality == "rgb" else cv2.IMREAD_GRAYSCALE
    return cv2.imdecode(videos.reader.item(videos.ids[index], modality, item), mode)


def test_training_draws_only_frames_that_rgb_and_flow_have(videos):
    assert videos.frames(0) == 8  # nine frames have eight flow fields
    clip, label = TrainingClips(videos, 0, False)[(0, 1)]
    assert clip["rgb"].shape == (4, 16, 16, 3)
    assert clip["flow"].shape == (4, 16, 16, 2)
    assert clip["rgb"].dtype == torch.uint8
    assert label == 1


def test_a_video_of_one_frame_is_an_rgb_clip_that_stands_still(tmp_path, make_clips):
    reader = clips.open_clips(make_clips(tmp_path / "still.h5", frames=1))
    videos = ClipSource(reader, ["train/0"], [1], ("rgb",), 4, SETTINGS)
    clip, _ = TrainingClips(videos, 0, False)[(0, 0)]
    assert list(clip) == ["rgb"]
    assert clip["rgb"].shape == (4, 16, 16, 3)
    assert torch.equal(clip["rgb"], clip["rgb"][:1].expand(4, 16, 16, 3))


def test_test_clips_cover_every_video_in_order(videos):
    dataset = ScoringClips(videos)
    assert dataset.owners.tolist() == [i for i in range(12) for _ in range(2)]
    assert dataset.owners.dtype == np.int64
    sizes = [len(labels) for _, labels in clips.scoring_loader(dataset, 5)]
    assert sizes == [5, 5, 5, 5, 4]
    assert len(dataset) == 24
    few = ScoringClips(videos, most=1)
    assert few.owners.tolist() == list(range(12))


@pytest.mark.parametrize("count", [2, 3, 5])
def test_processes_score_every_clip_once_together(videos, count):
    dataset = ScoringClips(videos)
    together = [len(y) for _, y in clips.scoring_loader(dataset, len(dataset))]
    assert together == [24]
    ((whole, _),) = clips.scoring_loader(dataset, len(dataset))
    for rank in range(count):
        loader = clips.scoring_loader(dataset, len(dataset), 0, Processes(rank, count))
        ((own, _),) = loader
        assert torch.equal(own["rgb"], whole["rgb"][rank::count])


@pytest.mark.parametrize("count", [2, 3])
def test_processes_train_on_every_clip_once_together(videos, count):
    dataset = TrainingClips(videos, 0, True)
    ((whole, _),) = clips.training_loader(dataset, 12)
    for rank in range(count):
        ((own, _),) = clips.training_loader(dataset, 12, 0, Processes(rank, count))
        assert torch.equal(own["flow"], whole["flow"][rank::count])


def test_epochs_are_counted_from_zero(videos):
    dataset = TrainingClips(videos, 0, True)
    loader = clips.training_loader(dataset, 4)
    assert {epoch for batch in loader.batch_sampler for epoch, _ in batch} == {0}
    first = torch.cat([batch["rgb"] for batch, _ in loader])
    assert torch.equal(first, torch.cat([rgb for rgb, _, _ in epoch(dataset, 0, 0)]))


def test_clips_are_prepared_in_the_same_process_unless_workers_are_asked_for(videos):
    loaders = [
        clips.training_loader(TrainingClips(videos, 0, True), 4),
        clips.scoring_loader(ScoringClips(videos), 4),
    ]
    assert [loader.num_workers for loader in loaders] == [0, 0]
    assert not any(loader.persistent_workers for loader in loaders)
    # Starting them takes seconds: they live from epoch to epoch.
    assert clips.training_loader(TrainingClips(videos, 0, True), 4, 1).persistent_workers


def test_a_worker_uses_one_thread(videos):
    """Workers are as many as there are cores for; threads of their own would be in their way."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(3)
    cv2.setNumThreads(3)
    try:
        clips.training_loader(TrainingClips(videos, 0, True), 4, 2).worker_init_fn(0)
        assert (torch.get_num_threads(), cv2.getNumThreads()) == (1, 1)
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


def test_damaged_bytes_of_a_wanted_modality_are_found_before_they_are_used(videos):
    path = videos.reader.path
    content = bytearray(path.read_bytes())
    place = content.find(videos.reader.item("train/3", "flow", 2).tobytes())
    content[place + 200] ^= 1
    path.write_bytes(content)
    ClipSource(clips.open_clips(path), videos.ids, videos.labels, ("rgb",), 4, SETTINGS).verify()
    others = [id for id in videos.ids if id != "train/3"]
    ClipSource(clips.open_clips(path), others, videos.labels, ("flow",), 4, SETTINGS).verify()
    with pytest.raises(DamagedError, match="the flow bytes of train/3 are damaged"):
        ClipSource(
            clips.open_clips(path), videos.ids, videos.labels, ("flow",), 4, SETTINGS
        ).verify()


def test_no_videos_give_no_clips(videos):
    dataset = ScoringClips(ClipSource(videos.reader, [], [], ("rgb",), 4, SETTINGS))
    assert len(dataset) == 0
    assert dataset.owners.dtype == np.int64


def test_a_lonely_last_training_clip_is_dropped(videos):
    dataset = TrainingClips(videos, 0, False)
    sizes = [len(x[2]) for x in epoch_of_size(dataset, 11)]
    assert sizes == [11]
    assert [len(x[2]) for x in epoch_of_size(dataset, 10)] == [10, 2]
    assert EpochBatches(21, 0, 10).sizes == [10, 10]
    assert EpochBatches(1, 0, 10).sizes == [1]  # there is nothing else to learn from
    three = Processes(0, 3)
    assert EpochBatches(12, 0, 10, three).sizes == [10]  # one would have none
    assert EpochBatches(13, 0, 10, three).sizes == [10, 3]
    # Each process normalises by its own clips.
    assert EpochBatches(15, 0, 10, three, local_batch_norm=True).sizes == [10]
    assert EpochBatches(16, 0, 10, three, local_batch_norm=True).sizes == [10, 6]


def test_where_each_process_normalises_by_itself_the_loader_drops_more(videos):
    dataset = TrainingClips(videos, 0, False)  # twelve videos
    for apart, sizes in ((True, [10]), (False, [10, 2])):
        loader = clips.training_loader(dataset, 10, 0, Processes(0, 2), apart)
        assert loader.batch_sampler.sizes == sizes
    assert clips.training_loader(dataset, 10, 0, Processes(0, 2)).batch_sampler.sizes == [10, 2]


def test_fewer_clips_than_processes_are_refused():
    message = (
        r"^3 processes cannot share batches of 2 clips; "
        r"set training\.processes lower \(or batch_size higher\)$"
    )
    with pytest.raises(UserError, match=message):
        EpochBatches(2, 0, 10, Processes(0, 3))


def epoch_of_size(dataset, size):
    return [(b["rgb"], b["flow"], y) for b, y in clips.training_loader(dataset, size)]


def test_an_epoch_leaves_no_memory_behind(tmp_path, make_clips):
    """Of its own; pages of the mapped file are the system's, which takes them back at need."""
    path = make_clips(tmp_path / "clips.h5")
    script = (
        "import sys, torch; from pathlib import Path; from dsnet import clips\n"
        "from dsnet.experiment.data import Clips\n"
        "def own():\n"
        "    text = Path('/proc/self/status').read_text()\n"
        "    return int(text.split('RssAnon:')[1].split()[0])\n"
        "reader = clips.open_clips(sys.argv[1])\n"
        "settings = Clips(crop=64, scales=[1.0, 0.5])\n"
        "ids = [*reader.videos] * 40\n"
        "videos = clips.ClipSource(reader, ids, [0] * len(ids), ('rgb', 'flow'), 8, settings)\n"
        "batches = clips.training_loader(clips.TrainingClips(videos, 0, True), 8)\n"
        "for epoch in range(4):\n"
        "    batches.batch_sampler.epoch = epoch\n"
        "    moved = sum(x.numel() for batch, _ in batches for x in batch.values())\n"
        "    print(own(), moved // 1024)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    first, *_, last = [[int(word) for word in line.split()] for line in done.stdout.splitlines()]
    assert last[1] > 50_000  # what an epoch moves, in KiB
    assert last[0] - first[0] < 0.05 * 3 * last[1]
