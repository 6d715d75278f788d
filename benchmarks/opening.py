"""What every job pays to open a large clips.h5: its tables are read and compared with a checksum.

    python benchmarks/opening.py [--times 1 10]

Prints Markdown; docs/scale.md keeps a run. The files are stand-ins with the videos and frames of
UCF-101, and multiples, whose images are empty.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import machine
from tqdm import tqdm

from dsnet.store import Writer

VIDEOS, FRAMES = 13_320, 180  # of UCF-101; frames of a video at 25 per second
OPEN = """
import resource, sys, time
from pathlib import Path
from dsnet.clips import open_clips

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6

before, start = resident(), time.perf_counter()
reader = open_clips(sys.argv[1])
print(time.perf_counter() - start, resident() - before)
"""


def write(path: Path, videos: int) -> None:
    """A packed file of so many videos with empty images."""
    rgb, planes = [b""] * FRAMES, [b""] * (2 * (FRAMES - 1))
    with Writer(path, ["rgb", "flow"], {}) as writer:
        for video in tqdm(range(videos), "writing", unit="video", disable=None):
            writer.add(f"v_{video}", {"rgb": rgb, "flow": planes})
        writer.close([f"v_{video}" for video in range(videos)])


def main() -> None:
    """Write files, open each in a process of its own, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", nargs="*", type=int, default=[1, 10])
    print(machine("h5py") + "\n")
    print("| times UCF-101 | videos | frames | tables, MB | seconds to open | MB of memory |")
    print("|---|---|---|---|---|---|")
    for times in parser.parse_args().times:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "clips.h5"
            videos = times * VIDEOS
            write(path, videos)
            command = [sys.executable, "-c", OPEN, str(path)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            seconds, memory = map(float, done.stdout.split())
            print(
                f"| {times} | {videos:,} | {videos * FRAMES:,} | {path.stat().st_size / 1e6:.0f} "
                f"| {seconds:.1f} | {memory:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
