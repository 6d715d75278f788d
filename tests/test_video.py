"""Probing, decoding and encoding, of good videos and of everything that calls itself one."""

import io
import logging
import os
import re
import subprocess
import time
import types
from collections.abc import Callable
from contextlib import nullcontext, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import imageio_ffmpeg
import numpy as np
import pytest

from dsnet import video
from dsnet.video import FfmpegError, VideoError, VideoInfo, decode, encode, ffmpeg_executable, probe
from dsnet.video.running import check_end


def ffmpeg(*arguments: str | Path) -> None:
    command = [ffmpeg_executable(), "-y", "-nostdin", "-v", "error", *map(str, arguments)]
    subprocess.run(command, check=True, timeout=60)


def make_video(
    path: Path, *options: str, size: str = "64x48", rate: int = 30, seconds: float = 1
) -> Path:
    source = f"testsrc=size={size}:rate={rate}:duration={seconds}"
    ffmpeg("-f", "lavfi", "-i", source, "-c:v", "mpeg4", *options, f"file:{path}")
    return path


def pattern(length: int = 6, height: int = 48, width: int = 64) -> np.ndarray:
    """Smooth colours that move, (T, H, W, 3) uint8."""
    t, y, x = np.mgrid[:length, :height, :width]
    return (
        np.stack([4 * x + 0 * t, 5 * y + 0 * t, 20 * t + 2 * x], axis=-1)
        .clip(0, 255)
        .astype(np.uint8)
    )


@pytest.fixture(scope="module")
def thirty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One second at 30 frames per second, 64 by 48."""
    return make_video(tmp_path_factory.mktemp("video") / "thirty.avi")


def test_probe_measures_size_rate_and_frames(thirty: Path) -> None:
    assert probe(thirty) == VideoInfo(width=64, height=48, fps=30.0, frames=30)


@pytest.mark.parametrize(
    ("resize", "shape"),
    [("square", (32, 32, 3)), ("short_side", (32, 43, 3)), (None, (48, 64, 3))],
)
def test_decode_gives_frames_at_the_rate_and_size_asked_for(
    thirty: Path, resize: video.Resize | None, shape: tuple[int, ...]
) -> None:
    frames = list(decode(thirty, fps=25, resize=resize, size=32))
    assert len(frames) == 25
    assert {frame.shape for frame in frames} == {shape}
    assert {frame.dtype for frame in frames} == {np.dtype(np.uint8)}


@pytest.mark.parametrize("rate", [10, 24, 25, 50])
def test_decode_keeps_the_duration_whatever_the_native_rate(tmp_path: Path, rate: int) -> None:
    path = make_video(tmp_path / "video.avi", rate=rate, seconds=2)
    assert len(list(decode(path, size=16))) == 50
    assert probe(path).fps == pytest.approx(rate)


def test_decode_is_deterministic(thirty: Path) -> None:
    first, second = (np.stack(list(decode(thirty, size=40))) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_an_unknown_resize_is_refused(thirty: Path) -> None:
    with pytest.raises(ValueError, match="short_side"):
        next(decode(thirty, resize="long_side"))  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", ["avi", "mp4", "mkv", "mov"])
def test_encode_then_decode_gives_nearly_the_same_pixels(tmp_path: Path, suffix: str) -> None:
    path, frames = tmp_path / f"video.{suffix}", pattern()
    encode(path, frames)
    decoded = np.stack(list(decode(path, resize=None)))
    assert decoded.shape == frames.shape
    assert np.abs(decoded.astype(int) - frames).mean() < 3
    assert probe(path) == VideoInfo(width=64, height=48, fps=25.0, frames=6)


def test_encode_gives_the_same_bytes_for_the_same_frames(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        encode(tmp_path / name, pattern())
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_encode_refuses_what_it_cannot_write(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no frames"):
        encode(tmp_path / "a.avi", [])
    with pytest.raises(ValueError, match="expected uint8 frames of shape"):
        encode(tmp_path / "a.avi", [pattern()[0], pattern()[0][:10]])
    with pytest.raises(RuntimeError, match="ffmpeg cannot encode"):
        encode(tmp_path / "nowhere/a.avi", pattern())


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """The processes that are started during a test."""
    found: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    def record(*arguments: object, **options: object) -> subprocess.Popen[bytes]:
        found.append(real(*arguments, **options))  # type: ignore[call-overload]
        return found[-1]

    monkeypatch.setattr(subprocess, "Popen", record)
    return found


def test_a_failed_encoding_leaves_no_pipe_open(
    tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    frames = np.zeros((40, 512, 512, 3), np.uint8)  # more than a pipe holds
    with pytest.raises(RuntimeError, match="ffmpeg cannot encode"):
        encode(tmp_path / "nowhere/a.avi", frames)
    assert started[-1].stdin is not None
    assert started[-1].stdin.closed


def test_closing_early_ends_ffmpeg(thirty: Path, started: list[subprocess.Popen[bytes]]) -> None:
    frames = decode(thirty, size=512)
    next(frames)
    assert started[-1].poll() is None, "ffmpeg should still have frames to write"
    frames.close()  # type: ignore[attr-defined]
    assert started[-1].returncode is not None


# What is wrong with a file, how it comes about, and the reason that is given for it.


def truncated_mp4(path: Path) -> None:
    make_video(path)
    path.write_bytes(path.read_bytes()[:5000])


def zero_frames(path: Path) -> None:
    ffmpeg("-i", make_video(path.with_name("whole.avi")), "-c", "copy", "-frames:v", "0", path)


def one_frame(path: Path) -> None:
    make_video(path, "-frames:v", "1")


def too_short(path: Path) -> None:
    make_video(path, "-frames:v", "2", rate=60)


def audio_only(path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "sine=duration=1", path)


def huge(path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "color=size=9000x7500:duration=0.08", "-c:v", "mjpeg", path)


def naming_another(text: bytes) -> Callable[[Path], object]:
    """A file that names a video beside it; the last byte keeps it from being plain text."""

    def make(path: Path) -> None:
        make_video(path.with_name("other.avi"))
        path.write_bytes(text + b"\n# \0\n")

    return make


def pattern_of_pictures(path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "testsrc", "-frames:v", "9", path)
    path.write_bytes(path.with_name("x001.png").read_bytes())


BROKEN: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "empty": ("a.avi", Path.touch, "empty file"),
    "absent": ("a.avi", lambda path: None, "cannot be read: No such file"),
    "folder": ("a.avi", Path.mkdir, "a folder; if it has numbered images, set images_fps"),
    "pipe": ("a.avi", os.mkfifo, "not a regular file"),
    "text": ("a.avi", lambda path: path.write_text("not a video\n" * 9), "not a video: plain text"),
    "text as .txt": ("a.txt", lambda path: path.write_text("art\n" * 500), "plain text"),
    "playlist": ("a.avi", lambda path: path.write_text("#EXTM3U\n/etc/x.mp4"), "playlist"),
    "list": ("a.avi", naming_another(b"ffconcat version 1.0\nfile other.avi"), "playlist"),
    "script": ("a.avs", naming_another(b'AviSource("other.avi")'), "a playlist, pict|Invalid data"),
    "art": ("a.ans", lambda path: path.write_bytes(b"\x1b[31m\0art\n" * 500), "not a video: a pl"),
    "pattern": ("x%03d.png", pattern_of_pictures, "not a video: a playlist, picture"),
    "stream list": (
        "a.mkv",
        naming_another(b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nother.avi\n#EXT-X-ENDLIST"),
        "playlist",
    ),
    "noise": ("a.avi", lambda path: path.write_bytes(bytes(range(256)) * 40), "not a video"),
    "truncated index": ("a.mp4", truncated_mp4, "not a video: Invalid data"),
    "zero frames": ("a.avi", zero_frames, "no decodable frame"),
    "one frame": ("a.avi", one_frame, "only one frame"),
    "too short": ("a.avi", too_short, "too short: 2 frames within 0.017 s"),
    "audio only": ("a.mp4", audio_only, "no video stream"),
    "huge": ("a.avi", huge, "frames too large"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_cannot_be_used_says_why_in_one_line(tmp_path: Path, case: str) -> None:
    name, make, reason = BROKEN[case]
    make(tmp_path / name)
    with pytest.raises(VideoError, match=reason) as caught:
        probe(tmp_path / name)
    assert len(str(caught.value).splitlines()) == 1
    assert str(tmp_path) not in str(caught.value)
    if case not in ("one frame", "too short"):
        with pytest.raises(VideoError, match=reason):
            list(decode(tmp_path / name))


def test_a_truncated_video_works_with_the_frames_that_decode(
    thirty: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "truncated.avi"
    data = thirty.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with caplog.at_level(logging.WARNING):
        info = probe(path)
    assert 2 <= info.frames < 30
    assert "frames decode, but" in caplog.text
    assert len(list(decode(path, size=16))) == pytest.approx(info.frames * 25 / 30, abs=1)


def test_large_frames_work_up_to_the_limit(tmp_path: Path) -> None:
    path = make_video(tmp_path / "8k.avi", "-frames:v", "2", size="7680x4320", rate=25)
    assert probe(path) == VideoInfo(width=7680, height=4320, fps=25.0, frames=2)
    assert next(decode(path, size=16)).shape == (16, 16, 3)
    with pytest.raises(VideoError, match="too large"):
        probe(path, max_pixels=1920 * 1080)


def test_variable_frame_rate_follows_the_time_stamps(tmp_path: Path) -> None:
    dropped = ("-vf", "select='lt(n,20)+not(mod(n,5))'", "-fps_mode", "vfr")
    path = make_video(tmp_path / "vfr.mp4", *dropped, seconds=2)
    info = probe(path)
    assert info.frames == 28  # 20 at full rate, 8 at a fifth of it
    assert info.fps == pytest.approx(27 / (55 / 30))
    assert len(list(decode(path, size=16))) in range(47, 51)  # the last frame's duration is open


def jumping(path: Path, seconds: float) -> Path:
    """Two seconds at 25 frames per second, with a gap after the first."""
    stamps = f"setpts='PTS+if(gte(N,25),{seconds}/TB,0)'"
    return make_video(path, "-vf", stamps, "-fps_mode", "vfr", rate=25, seconds=2)


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_time_stamps_that_jump_are_no_long_video(tmp_path: Path, suffix: str) -> None:
    path = jumping(tmp_path / f"minute.{suffix}", 60)
    said = r"time stamps jump by 60 s; up to 2 s"
    with pytest.raises(VideoError, match=said):
        probe(path)
    last = tmp_path / "last.mp4"
    lasts = ("-bsf:v", "setts=duration=if(eq(N\\,24)\\,60/TB\\,DURATION)")
    ffmpeg("-i", make_video(tmp_path / "a.mp4", rate=25), "-c", "copy", *lasts, last)
    for file, reason in (path, "jump by 60 s"), (last, "lasts longer than 2 s"):
        with pytest.raises(VideoError, match=reason):
            assert len(list(islice(decode(file, size=16), 200))) < 200  # not after 1500
        with suppress(VideoError):  # ffmpeg 5 adds nothing
            assert len(list(islice(decode(file, sampling="output_rate"), 200))) < 200
    short = jumping(tmp_path / f"short.{suffix}", 1.5)
    assert probe(short).frames in (49, 50)  # ffmpeg 7 writes one less
    assert len(list(decode(short, size=16))) == pytest.approx(50 + 37, abs=1)


def test_of_several_video_streams_the_default_or_the_largest_is_taken(tmp_path: Path) -> None:
    small, large = (make_video(tmp_path / f"{s}.mkv", size=s) for s in ("32x24", "64x48"))
    cover = tmp_path / "cover.png"
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=96x72", "-frames:v", "1", cover)
    inputs = ("-i", cover, "-i", small, "-i", large)
    streams = (
        "-map",
        "0",
        "-map",
        "1",
        "-map",
        "2",
        "-c",
        "copy",
        "-disposition:0",
        "attached_pic",
    )
    for suffix, first, second, width in [
        ("mp4", "default", "default", 64),
        ("mkv", "0", "default", 64),
        ("mkv", "default", "0", 32),
    ]:
        path = tmp_path / f"both.{suffix}"
        ffmpeg(*inputs, *streams, "-disposition:1", first, "-disposition:2", second, path)
        assert probe(path).width == width
        assert next(decode(path, resize=None)).shape[1] == width


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_hdr_is_refused_and_not_shown_in_grey(tmp_path: Path, transfer: str) -> None:
    path = make_video(
        tmp_path / "hdr.mp4", "-c:v", "libx264", "-x264-params", f"transfer={transfer}"
    )
    for use in (probe, lambda path: next(decode(path))):
        with pytest.raises(VideoError, match=rf"HDR \({transfer}\).*own-data"):
            use(path)


def test_rotation_is_applied(tmp_path: Path) -> None:
    upright, rotated = make_video(tmp_path / "a.mp4"), tmp_path / "rotated.mp4"
    ffmpeg("-display_rotation", "90", "-i", upright, "-c", "copy", rotated)
    info = probe(rotated)
    assert (info.width, info.height) == (48, 64)
    frame = next(decode(rotated, resize="short_side", size=48))
    expected = np.rot90(next(decode(upright, resize="short_side", size=48)))
    assert frame.shape == (64, 48, 3)
    assert np.abs(frame.astype(int) - expected).mean() < 5


# What changes half-way: options of the second half, and the containers.
CHANGES: dict[str, tuple[str, list[str], list[str]]] = {
    "size": ("96x72", [], ["mp4", "mkv", "ts", "webm"]),
    "turned": ("48x64", [], ["mp4"]),
    "range": ("64x48", ["-x264-params", "fullrange=on"], ["mp4"]),
    "matrix": ("64x48", ["-x264-params", "colormatrix=bt709"], ["mp4"]),
    "rotation": (
        "64x48",
        ["-bsf:v", "h264_metadata=display_orientation=insert:rotate=90"],
        ["mp4"],
    ),
}


@pytest.mark.parametrize(
    ("change", "suffix"), [(name, suffix) for name in CHANGES for suffix in CHANGES[name][2]]
)
def test_a_stream_that_changes_half_way_keeps_all_frames(
    tmp_path: Path, change: str, suffix: str
) -> None:
    size, options, _ = CHANGES[change]
    codec, raw = ("libvpx", "webm") if suffix == "webm" else ("libx264", "h264")
    halves = [tmp_path / f"{number}.{raw}" for number in (1, 2)]
    for half, shape, first, more in zip(
        halves, ("64x48", size), (0, 25), ([], options), strict=True
    ):
        source = f"color=gray:size={shape}:rate=25:duration=1,format=yuv420p"
        source += f",geq=lum='40+2*({first}+N)':cb=128:cr=128"
        ffmpeg("-f", "lavfi", "-i", source, "-c:v", codec, "-bf", "0", *more, half)
    path = tmp_path / f"both.{suffix}"
    if suffix == "webm":
        (tmp_path / "list").write_text("file 1.webm\nfile 2.webm\n")
        ffmpeg("-f", "concat", "-i", tmp_path / "list", "-c", "copy", path)
    else:
        (tmp_path / "both.h264").write_bytes(b"".join(half.read_bytes() for half in halves))
        ffmpeg("-r", "25", "-i", tmp_path / "both.h264", "-c", "copy", path)
    assert probe(path).frames == 50
    expected = [frame.mean() for half in halves for frame in decode(half, size=16)]
    resizes: list[tuple[video.Resize | None, tuple[int, int, int]]] = [
        ("square", (16, 16, 3)), ("short_side", (16, 21, 3)), (None, (48, 64, 3)),
    ]  # fmt: skip
    for resize, shape in resizes:
        frames = list(decode(path, resize=resize, size=16))
        assert {frame.shape for frame in frames} == {shape}
        assert [frame.mean() for frame in frames] == pytest.approx(expected, abs=0.5)


def test_sound_that_starts_first_adds_no_frames(tmp_path: Path) -> None:
    path = tmp_path / "late.mp4"
    late = ("-itsoffset", "1", "-i", make_video(tmp_path / "a.mp4"))
    ffmpeg("-f", "lavfi", "-i", "sine=duration=2", *late, "-c:v", "copy", path)
    assert len(list(decode(path, size=16))) == 25
    assert probe(path).fps == pytest.approx(30)


@pytest.mark.parametrize(
    "name",
    [
        b"caf\xe9\xff.avi", "été.avi".encode(), b"a b#c;d&e!f(g).avi", b"100%d.avi", b"-i.avi",
        b"concat:x|y.avi", b"http:host.avi", b"quote'\"$HOME`id`.avi", b"new\nline.avi",
        b"[1]*?.avi",
    ],
)  # fmt: skip
def test_any_file_name_works(thirty: Path, tmp_path: Path, name: bytes) -> None:
    path = os.path.join(tmp_path, os.fsdecode(name))
    Path(path).write_bytes(thirty.read_bytes())
    assert probe(path).frames == 30
    assert next(decode(path, size=16)).shape == (16, 16, 3)
    encode(path, pattern())
    assert probe(path).frames == 6


def test_a_relative_name_with_a_dash_is_no_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    encode("-y.avi", pattern())
    assert probe("-y.avi").frames == 6


def test_a_stuck_ffmpeg_is_given_up(thirty: Path, fake_ffmpeg: Callable[[str], Path]) -> None:
    fake_ffmpeg("exec sleep 60")
    start = time.monotonic()
    with pytest.raises(VideoError, match=r"no data for 0\.2 s"):
        probe(thirty, timeout=0.2)
    with pytest.raises(VideoError, match=r"no data for 0\.2 s"):
        next(decode(thirty, timeout=0.2))
    assert time.monotonic() - start < 10


def test_a_slow_ffmpeg_is_waited_for_as_long_as_data_come(
    thirty: Path, fake_ffmpeg: Callable[[str], Path]
) -> None:
    lines = "; sleep 0.3; ".join(f"echo '0, 0, {90_000 * second}, 1'" for second in range(4))
    only_frames = 'case "$*" in *pipe:*) ;; *) exit;; esac'
    fake_ffmpeg(f"{only_frames}\necho '#dimensions 0: 8x6'; {lines}")
    assert probe(thirty, timeout=0.8).frames == 4


@pytest.mark.parametrize(
    ("version", "fits"),
    [
        *[("4.2.2-static", False), ("n4.4.1", False), ("5.0-1", False), ("5.1.9-0+deb12u1", True)],
        *[("n9.0.2-17-g2a571b6068", True), ("N-112345-g0123", True), ("2026-10-01-git-0", True)],
    ],
)
def test_an_ffmpeg_that_takes_other_frames_is_refused(
    fake_ffmpeg: Callable[[str], Path], version: str, fits: bool
) -> None:
    executable = fake_ffmpeg("exit")
    executable.write_text(f"#!/bin/sh\necho ffmpeg version {version} Copyright\n")
    if fits:
        assert ffmpeg_executable() == str(executable)
    else:
        with pytest.raises(
            FfmpegError, match=rf"{executable} is version \d.\d, .*put 5\.1 or newer"
        ):
            ffmpeg_executable()
    executable.write_text("#!/nowhere\n")
    ffmpeg_executable.cache_clear()
    with pytest.raises(FfmpegError, match="does not start"):
        ffmpeg_executable()


@pytest.mark.parametrize(
    ("end", "name"),
    [
        ("kill -9 $$", "signal 9 (SIGKILL)"),
        ("exit 139", "signal 11 (SIGSEGV)"),
        ("exit 255", "a s"),
    ],
)
def test_an_ffmpeg_ended_by_a_signal_is_no_fault_of_the_video(
    thirty: Path, fake_ffmpeg: Callable[[str], Path], end: str, name: str
) -> None:
    whole, part = r"P6\n1 1\n255\nabc", r"P6\n1 1\n255\na"
    for written in ("", whole, whole + part):
        fake_ffmpeg(f"printf '{written}'\n{end}")
        with pytest.raises(FfmpegError, match=re.escape(f"thirty.avi: {name}")):
            list(decode(thirty, resize=None))
    fake_ffmpeg(f"printf '0, 1, 1, 1\\n0, 4000, 4000, 1\\n'\n{end}")
    with pytest.raises(FfmpegError, match=re.escape(f"thirty.avi: {name}")):
        probe(thirty)


def test_fewer_frames_than_are_known_of_are_an_error(
    thirty: Path, fake_ffmpeg: Callable[[str], Path]
) -> None:
    frames = r"P6\n1 1\n255\nabc" * 2
    fake_ffmpeg(f"printf '{frames}'")
    assert len(list(decode(thirty, resize=None, least=2))) == 2
    with pytest.raises(VideoError, match="only 2 of at least 3 frames"):
        list(decode(thirty, resize=None, least=3))
    fake_ffmpeg(f"printf '{frames}'\necho 'no memory' >&2\nexit 1")
    with pytest.raises(FfmpegError, match=r"thirty\.avi: only 2 .*failed \(no memory\); run again"):
        list(decode(thirty, resize=None, least=3))


def test_frames_of_changing_size_are_an_error(
    thirty: Path, fake_ffmpeg: Callable[[str], Path]
) -> None:
    fake_ffmpeg(r"printf 'P6\n1 1\n255\nabcP6\n1 2\n255\nabcdef'")
    with pytest.raises(VideoError, match="frame size changes"):
        list(decode(thirty, resize=None))
    fake_ffmpeg(r"printf 'P6\n1 1\n255\nab'")
    with pytest.raises(VideoError, match="middle of a frame"):
        list(decode(thirty, resize=None))


def test_ffmpeg_on_path_comes_first_and_is_logged(
    fake_ffmpeg: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    executable = fake_ffmpeg("exit 0")
    with caplog.at_level(logging.INFO, logger="dsnet.video"):
        assert ffmpeg_executable() == str(executable)
        ffmpeg_executable()
    assert caplog.text.count(str(executable)) == 1


def test_without_any_ffmpeg_the_error_says_what_to_install(
    fake_ffmpeg: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail() -> str:
        raise RuntimeError("no binary")

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", fail)
    ffmpeg_executable.cache_clear()
    with pytest.raises(RuntimeError, match="imageio-ffmpeg"):
        ffmpeg_executable()


def mars_frames(path: Path, folder: Path) -> list[np.ndarray]:
    """The frames that MARS's extraction leaves of a video that is wider than high, as PNG."""
    folder.mkdir()
    ffmpeg("-i", path, "-r", "25", "-vf", "scale=-1:64", f"{folder}/%05d.png")
    return [cv2.imread(str(file))[..., ::-1] for file in sorted(folder.iterdir())]


def assert_as_mars(path: Path, folder: Path) -> None:
    expected = mars_frames(path, folder)
    found = list(decode(path, 25, "short_side", 64, "output_rate"))
    assert [frame.shape for frame in found] == [frame.shape for frame in expected]
    for one, other in zip(found, expected, strict=True):
        assert np.abs(one.astype(int) - other).mean() < 2  # flags of the scaler differ


@pytest.mark.parametrize("rate", ["24", "25", "30000/1001", "50"])
def test_frames_are_chosen_as_by_the_output_option(tmp_path: Path, rate: str) -> None:
    path = tmp_path / "video.avi"
    source = f"testsrc=size=96x72:rate={rate}:duration=2"
    ffmpeg("-f", "lavfi", "-i", source, "-c:v", "mpeg4", path)
    assert_as_mars(path, tmp_path / "frames")


def test_frames_of_real_videos_are_chosen_as_by_the_output_option(
    shared_data: Path, tmp_path: Path
) -> None:
    counts = {}
    for name in (
        "BaseballPitch/v_BaseballPitch_g01_c03",
        "ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01",
    ):
        path = shared_data / f"ucf101/videos/{name}.avi"
        assert_as_mars(path, tmp_path / path.stem)
        found = list(decode(path, 25, "short_side", 64, "output_rate"))
        ours = list(decode(path, 25, "short_side", 64))
        counts[path.stem] = len(ours), len(found)
    assert counts == {
        "v_BaseballPitch_g01_c03": (87, 88),  # 29.7 frames per second
        "v_ApplyEyeMakeup_g01_c01": (164, 165),  # 25, the first one twice
    }
    for one, other in zip(ours, found[1:], strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_unknown_sampling_is_refused(thirty: Path) -> None:
    with pytest.raises(ValueError, match="output_rate"):
        next(decode(thirty, sampling="all"))  # type: ignore[arg-type]


def test_real_videos_decode_to_25_fps(shared_data: Path) -> None:
    paths = sorted(shared_data.glob("*/videos/*/*.avi"))[::8]
    assert paths
    for path in paths:
        info = probe(path)
        frames = sum(1 for _ in decode(path, size=32))
        assert frames == pytest.approx(info.frames * 25 / info.fps, abs=1)


@pytest.mark.parametrize(
    ("said", "ended"), [("Error: Operation not permitted", False), ("Exiting normally", True)]
)
def test_what_a_damaged_file_makes_ffmpeg_say_is_no_signal(said: str, ended: bool) -> None:
    process: Any = types.SimpleNamespace(returncode=255, wait=lambda timeout: 255)
    with pytest.raises(FfmpegError, match="a signal ended") if ended else nullcontext():
        check_end(process, io.BytesIO(f"[avi] x\n{said}\n".encode()), "a.avi", 1)


def test_bright_bare_frames_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "bright.y4m"
    frame = b"FRAME\n" + bytes([200]) * (64 * 64) + bytes([128]) * (2 * 32 * 32)
    path.write_bytes(b"YUV4MPEG2 W64 H64 F25:1 Ip A1:1 C420jpeg\n" + frame * 5)
    assert probe(path).frames == 5
