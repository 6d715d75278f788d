"""Probe, decode and encode video with ffmpeg (through ffmpeg-python).

A video is a file, or a folder of numbered images. :func:`probe` decodes it once and counts its
frames. :func:`decode` streams RGB frames at a common rate and size. Both run one single-threaded
ffmpeg per video, because videos run in parallel. :func:`resample` does for frames in memory what
:func:`decode` does for a file, and :func:`receive` for a camera or an address.
"""

from dsnet.video.decoding import Resize, Sampling, decode
from dsnet.video.encoding import encode
from dsnet.video.incoming import Live, address, camera, is_address, receive, resample
from dsnet.video.numbered import source_digest
from dsnet.video.probing import VideoInfo, probe
from dsnet.video.reading import VideoError
from dsnet.video.running import FfmpegError, ffmpeg_executable

__all__ = [
    "FfmpegError",
    "Live",
    "Resize",
    "Sampling",
    "VideoError",
    "VideoInfo",
    "address",
    "camera",
    "decode",
    "encode",
    "ffmpeg_executable",
    "is_address",
    "probe",
    "receive",
    "resample",
    "source_digest",
]
