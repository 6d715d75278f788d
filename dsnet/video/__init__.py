"""Probe, decode and encode video with ffmpeg (through ffmpeg-python).

A video is a file, or a folder of numbered images. :func:`probe` decodes it once and counts its
frames. :func:`decode` streams RGB frames at a common rate and size. Both run one single-threaded
ffmpeg per video, because videos run in parallel.
"""

from dsnet.video.decoding import Resize, Sampling, decode
from dsnet.video.encoding import encode
from dsnet.video.numbered import source_digest
from dsnet.video.probing import VideoInfo, probe
from dsnet.video.reading import VideoError
from dsnet.video.running import FfmpegError, ffmpeg_executable

__all__ = [
    "FfmpegError",
    "Resize",
    "Sampling",
    "VideoError",
    "VideoInfo",
    "decode",
    "encode",
    "ffmpeg_executable",
    "probe",
    "source_digest",
]
