"""What a training is fed: pairs of RGB and flow whose every draw is shared and its own.

The pixels of the clips say where and when they are, so that what a pair shows can be read off it.
"""

import cv2
import numpy as np
import pytest
import torch

from dsnet.clips import ClipSource, ScoringClips, TrainingClips, open_clips, training_loader
from dsnet.experiment.data import Clips
from dsnet.store import Writer

HEIGHT, WIDTH, LENGTH = 48, 64, 4
SETTINGS = Clips(crop=16, scales=[1.0, 0.5, 0.25], rgb_mean=[0, 0, 0], flow_mean=0)
# RGB frames and what the second flow plane tells; the last video is looped.
VIDEOS = {"space": (20, "y"), "time": (20, "t"), "short": (4, "t")}


def planes(frames):
    """(frames, H, W) uint8 of what tells x, y and t."""
    t, y, x = np.mgrid[:frames, :HEIGHT, :WIDTH]
    return {
        "x": (4 * x).astype(np.uint8),
        "y": (5 * y).astype(np.uint8),
        "t": (10 * t).astype("u1"),
    }


def encoded(images):
    return [cv2.imencode(".png", image)[1].tobytes() for image in images]


def write(path, contents):
    """A ``clips.h5`` of videos by id: number of RGB frames and the second flow plane's content."""
    with Writer(path, ["rgb", "flow"], {}) as writer:
        for id, (frames, second) in contents.items():
            p = planes(frames)
            rgb = np.stack([p["t"], p["y"], p["x"]], axis=-1)  # OpenCV writes blue first
            pairs = zip(p["x"][:-1], p[second][:-1], strict=True)
            flow = [plane for pair in pairs for plane in pair]
            writer.add(id, {"rgb": encoded(rgb), "flow": encoded(flow)})
        writer.close(list(contents))
    return path


def videos(path, contents):
    ids = list(contents)
    reader = open_clips(write(path, contents))
    return ClipSource(reader, ids, [0] * len(ids), ("rgb", "flow"), LENGTH, SETTINGS)


def close(a, b):
    return bool((a - b).abs().max() <= 1)  # both are rounded


def assert_same_place_and_time(clip, id):
    """Whether the pair is mirrored, and the numbers of its frames."""
    (x, y, t), (first, second) = (clip[m].permute(3, 0, 1, 2).int() for m in ("rgb", "flow"))
    mirrored = bool(x[0, 0, 0] > x[0, 0, -1])
    assert close(255 - first if mirrored else first, x)
    assert close(second, y if VIDEOS[id][1] == "y" else t)
    assert (t == t[:, :1, :1]).all()
    return mirrored, [int(value) // 10 for value in t[:, 0, 0]]


def test_both_clips_of_a_training_pair_show_the_same_place_and_time(tmp_path):
    source = videos(tmp_path / "clips.h5", VIDEOS)
    dataset = TrainingClips(source, 3, True)
    seen = {id: set() for id in VIDEOS}
    widths = set()
    for epoch in range(60):
        for index, id in enumerate(VIDEOS):
            clip, _ = dataset[(epoch, index)]
            mirrored, times = assert_same_place_and_time(clip, id)
            seen[id].add((mirrored, tuple(times)))
            x = clip["rgb"][0, 0, :, 0].float()
            widths.add(round(float((x[-2] - x[1]).abs() / 13 * 16 / 4)))
    # 19 flow fields have 16 clips of 4; three loop.
    starts = {tuple(range(start, start + 4)) for start in range(16)}
    for id in ("space", "time"):
        assert {mirrored for mirrored, _ in seen[id]} == {False, True}
        assert {times for _, times in seen[id]} <= starts
        assert len({times for _, times in seen[id]}) > 10
    assert seen["short"] == {(False, (0, 1, 2, 0)), (True, (0, 1, 2, 0))}
    assert widths == {48, 24, 12}


def test_both_clips_of_a_test_pair_show_the_same_place_and_time(tmp_path):
    dataset = ScoringClips(videos(tmp_path / "clips.h5", VIDEOS))
    found = []
    for number, owner in enumerate(dataset.owners):
        clip, _ = dataset[number]
        found.append((owner, *assert_same_place_and_time(clip, list(VIDEOS)[owner])))
    full = [list(range(start, start + 4)) for start in (0, 4, 8, 12)]
    expected = [(owner, False, times) for owner in (0, 1) for times in full]
    assert found == [*expected, (2, False, [0, 1, 2, 0])]


@pytest.mark.parametrize("seed", [3, 4])
def test_workers_and_epochs_draw_their_own_and_repeat_it(tmp_path, seed):
    """All videos are the same, so that clips differ by what is drawn alone."""
    dataset = TrainingClips(
        videos(tmp_path / "clips.h5", {f"copy{i}": (120, "y") for i in range(8)}), seed, True
    )

    def drawn(workers):
        batches = training_loader(dataset, 2, workers)
        batches.multiprocessing_context = "fork" if workers else None
        epochs = []
        for epoch in range(2):
            batches.batch_sampler.epoch = epoch
            epochs.append(torch.cat([batch["rgb"] for batch, _ in batches]))
        return torch.cat(epochs)

    helped = drawn(2)
    assert len({clip.numpy().tobytes() for clip in helped}) == 16
    assert torch.equal(helped, drawn(2))
    assert torch.equal(helped, drawn(0))
