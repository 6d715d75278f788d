"""Common parts of the listings of all data sets: files, ids, roles, groups, missing videos.

A listing is a DataFrame with one row per video and the columns id, path, label (int, from 0),
class_name, group, and split1, split2, ..., each ``train``, ``test`` or ``unused``.
"""

import logging
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from dsnet.disk import PathLike
from dsnet.errors import UserError
from dsnet.video.numbered import is_image

log = logging.getLogger(__name__)
ROLES = ("train", "test", "unused")
COLUMNS = ("id", "path", "label", "class_name", "group", "split1")
PICTURES = {
    "bmp", "heic", "jpeg", "jpg", "pgm", "png", "ppm", "svg", "tif", "tiff", "webp",
}  # fmt: skip
# Extensions of files that are no videos. A file with any other one may be a video.
NO_VIDEOS = PICTURES | {
    "csv", "doc", "docx", "htm", "html", "ini", "json", "jsonl", "log", "md", "pdf", "rst", "rtf",
    "toml", "tsv", "txt", "xls", "xlsx", "xml", "yaml", "yml", "ass", "srt", "vtt", "aac", "flac",
    "m4a", "mp3", "opus", "wav", "7z", "bz2", "gz", "rar", "tar", "tgz", "xz", "zip", "db", "h5",
    "hdf5", "ipynb", "lnk", "mat", "npy", "npz", "onnx", "pkl", "pt", "pth", "py", "sh", "url",
}  # fmt: skip
NAMED = 5  # most names in a message


class DataSetError(UserError, ValueError):
    """Wrong videos, lists or manifest; the message says where."""


def scan(root: str, images: bool = False) -> list[dict[str, str]]:
    """Return every file below ``root/CLASS/`` that may be a video, as path and class, sorted.

    Hidden files are left out, and so is what :func:`left_out` names. With ``images``, every folder
    with images is returned instead; DataSetError for images without one.
    """
    if not os.path.isdir(root):
        raise DataSetError(f"{root}: no such folder of videos")
    paths = [path for path in files_below(root) if len(path.parts) > 1]
    if images:
        folders = {path.parent for path in paths if is_image(path.name)}
        if loose := sorted(folder for folder in folders if len(folder.parts) == 1):
            raise DataSetError(
                f"{root}/{loose[0]} has images; expected a folder of them for each video in it"
            )
        paths = sorted(folders, key=os.fsencode)
    else:
        paths = [path for path in paths if may_be_video(path)]
    return [{"path": path.as_posix(), "class": path.parts[0]} for path in paths]


def left_out(root: str, images: bool = False) -> list[str]:
    """Return a line for each kind of thing below ``root`` that :func:`scan` leaves out.

    These are files that are no videos by their extension, videos in no class folder, and class
    folders without videos. With ``images``, files that may be videos are left out.
    """
    files = files_below(root)
    videos, others = ([path for path in files if may_be_video(path) == may] for may in (1, 0))
    what = "no videos by their names"
    if images:
        videos, others = [path.parent for path in others if is_image(path.name)], videos
        videos = [path for path in videos if path.parts]
        what = "no folders of images, which images_fps is for"
    others = [path for path in others if len(path.parts) > 1]
    loose = [path for path in videos if len(path.parts) == 1 and not images]
    folders = {e.name for e in os.scandir(root) if e.is_dir() and not e.name.startswith(".")}
    empty = sorted(folders - {path.parts[0] for path in videos})
    lines = []
    if others:
        lines.append(f"{what}, and left out: {some(map(str, others))}")
    if any(_extension(path) in PICTURES for path in others):
        lines[-1] += (
            "; if each folder of pictures is a video, set images_fps of the data set to their "
            "frames per second"
        )
    if loose:
        lines.append(f"in no class folder, and left out: {some(map(str, loose))}")
    if empty:
        lines.append(f"folders without videos, which are no classes: {some(empty)}")
    return [f"{root}: {readable(line)}" for line in lines]


def may_be_video(path: Path) -> bool:
    """Return whether a file may be a video by its extension."""
    return _extension(path) not in NO_VIDEOS


def _extension(path: Path) -> str:
    return path.suffix[1:].lower()


def some(names: Iterable[str]) -> str:
    """Return the first names, and how many more there are."""
    first = list(names)
    more = f" and {len(first) - NAMED} more" if len(first) > NAMED else ""
    return ", ".join(first[:NAMED]) + more


def files_below(root: PathLike) -> list[Path]:
    """Return all files below a folder that are not hidden, relative to it, sorted.

    Links are followed. A folder is listed once, under its own name rather than a link's. A link to
    nothing counts as a file. Raises DataSetError for a folder that cannot be read.
    """
    found: list[Path] = []
    seen: set[tuple[int, int]] = set()
    tops = [Path(root)]
    while tops:
        links: list[Path] = []
        for top in tops:
            for folder, folders, files in os.walk(top, onerror=_refuse):
                status = os.stat(folder)
                if (status.st_dev, status.st_ino) in seen:
                    log.warning("%s leads to a folder that is listed already; left out", folder)
                    folders.clear()
                    continue
                seen.add((status.st_dev, status.st_ino))
                folders[:] = sorted(name for name in folders if not name.startswith("."))
                links += [Path(folder, name) for name in folders if Path(folder, name).is_symlink()]
                paths = [Path(folder, name) for name in files if not name.startswith(".")]
                found += [path for path in paths if path.is_file() or path.is_symlink()]
        tops = links
    return sorted((path.relative_to(root) for path in found), key=os.fsencode)


def _refuse(error: OSError) -> None:
    """Raise DataSetError for a folder that :func:`os.walk` cannot read."""
    if not isinstance(error, FileNotFoundError):
        raise DataSetError(f"{error.filename}: cannot be read: {error.strerror}") from error


def readable(name: str) -> str:
    r"""Return ``name`` as valid UTF-8 in one line: other bytes as ``\xNN``, and ``\`` doubled.

    Different names stay different.
    """
    raw = name.replace("\\", "\\\\").encode("utf-8", "surrogateescape")
    text = raw.decode("utf-8", "backslashreplace")
    return re.sub(r"[\x00-\x1f\x7f]", lambda match: f"\\x{ord(match[0]):02x}", text)


def make_ids(names: Sequence[str]) -> list[str]:
    """Return unique ids of distinct POSIX paths relative to the root: paths without extensions.

    An ambiguous one keeps its extension.
    """
    full = [readable(name) for name in names]
    ids = [str(PurePosixPath(name).with_suffix("")) for name in full]
    # A name with its extension may be another name without one: repeat.
    while ambiguous := {id for id, count in Counter(ids).items() if count > 1}:
        ids = [name if id in ambiguous else id for name, id in zip(full, ids, strict=True)]
    return ids


def split_columns(columns: Iterable[str]) -> list[str]:
    """Return the names of splits among ``columns``, by number."""
    found = [column for column in columns if re.fullmatch(r"split[1-9][0-9]*", column)]
    return sorted(found, key=lambda column: int(column.removeprefix("split")))


def warn_of_spellings(name: str, classes: Iterable[str]) -> None:
    """Log the classes whose names differ only in case, Unicode form, blanks, ``_`` or ``-``."""
    spelt: dict[str, set[str]] = {}
    for found in classes:
        key = re.sub(r"[\s_-]", "", unicodedata.normalize("NFKC", found)).casefold()
        spelt.setdefault(key, set()).add(found)
    for names in spelt.values():
        if len(names) > 1:
            # The code points, because forms of Unicode look alike.
            shown = ", ".join(ascii(one) for one in sorted(names))
            log.warning("%s: %s are different classes; are they meant to be one?", name, shown)


def check_classes(name: str, listing: pd.DataFrame) -> None:
    """Raise DataSetError unless there are two classes to tell apart."""
    classes = set(listing["class_name"])
    if len(classes) < 2:
        raise DataSetError(
            f"{name}: all videos are of one class, {', '.join(classes)}; at least two are needed: "
            f"put videos of something else into a folder of their own"
        )


def one_sided(listing: pd.DataFrame) -> list[str]:
    """Return a line for each split with classes that have no training or no test videos."""
    lines = []
    for split in split_columns(listing.columns):
        train, test = (set(listing["class_name"][listing[split] == r]) for r in ("train", "test"))
        if only := sorted(train - test):
            lines.append(
                f"{split}: no test videos of {some(only)}, so nothing is known of how well they "
                f"are recognised; a class needs two videos of different groups for both"
            )
        if only := sorted(test - train):
            lines.append(f"{split}: no training videos of {some(only)}; tests will mistake them")
    return lines


def check_groups(listing: pd.DataFrame) -> None:
    """Raise DataSetError if a group has videos in both the train and the test part of a split."""
    for split in split_columns(listing.columns):
        train = set(listing.loc[listing[split] == "train", "group"])
        test = set(listing.loc[listing[split] == "test", "group"])
        if both := sorted(train & test):
            raise DataSetError(
                f"{split}: {len(both)} groups are in both train and test, first {both[:5]}"
            )


def check_present(name: str, paths: Sequence[str], allow_missing: bool) -> None:
    """Raise FileNotFoundError, with the count and the first five, unless all ``paths`` exist."""
    missing = [path for path in paths if not os.path.exists(path)]
    if missing and not allow_missing:
        first = "\n  ".join(readable(path) for path in missing[:5])
        raise FileNotFoundError(
            f"{name}: {len(missing)} of {len(paths)} videos are missing, first:\n  {first}\n"
            "(allow_missing: true goes on without them)"
        )


def read_lines(path: Path) -> list[tuple[int, str]]:
    """Return non-empty lines of an official list with numbers; DataSetError if unreadable."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataSetError(f"{path}: official list not found") from None
    except UnicodeDecodeError as error:
        raise DataSetError(f"{path}: not a text file: {error}") from None
    lines = enumerate(text.splitlines(), start=1)
    return [(number, line.strip()) for number, line in lines if line.strip()]


def check_count(path: Path | str, what: str, found: int, expected: int) -> None:
    """Raise DataSetError unless an official list has exactly the expected number of entries."""
    if found != expected:
        raise DataSetError(f"{path}: expected {expected} {what}, found {found}")
