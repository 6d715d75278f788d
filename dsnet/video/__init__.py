"""Probe, decode and encode video with ffmpeg (through ffmpeg-python).

Every video goes through the same two calls: :func:`probe` decodes it once and counts what is
there, :func:`decode` streams RGB frames at a common rate and size. Both run one single-threaded
ffmpeg process per video, because videos, not threads, are what runs in parallel.
"""

from dsnet.video.decoding import Resize, Sampling, decode
from dsnet.video.encoding import encode
from dsnet.video.probing import VideoInfo, probe
from dsnet.video.reading import VideoError
from dsnet.video.running import ffmpeg_executable

__all__ = [
    "Resize",
    "Sampling",
    "VideoError",
    "VideoInfo",
    "decode",
    "encode",
    "ffmpeg_executable",
    "probe",
]
