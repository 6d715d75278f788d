"""Sources of the data sets: addresses, published sizes and checksums, and terms."""

from __future__ import annotations

from dataclasses import dataclass

from dsnet.datasets.weizmann import CLASSES

GB = 10**9


@dataclass(frozen=True)
class Archive:
    """A .zip or .rar: at most ``limit`` bytes unpacked; ``size`` and ``checksum`` if published.

    ``nested`` is the suffix of archives inside it, which are unpacked in turn. ``into`` is a folder
    below the part's folder.
    """

    name: str
    limit: int
    size: int | None = None
    checksum: str | None = None
    nested: str | None = None
    into: str = ""


@dataclass(frozen=True)
class Part:
    """The videos or lists of a data set, named by a key of the catalogue; unpacked as a whole.

    ``folder`` is its name in config.yaml. ``depth`` is as for
    :func:`dsnet.fetching.archives.unpack`.
    """

    key: str
    folder: str
    archives: tuple[Archive, ...]
    depth: int = 1

    @property
    def suffix(self) -> str:
        """Suffix of its files."""
        return {"videos": ".avi", "lists": ".txt"}[self.key]

    @property
    def is_rar(self) -> bool:
        """Whether Python alone cannot unpack it."""
        return any(archive.name.endswith(".rar") for archive in self.archives)

    @property
    def room(self) -> int:
        """Largest size of the archives and their content, in bytes."""
        return 2 * sum(archive.limit for archive in self.archives)


@dataclass(frozen=True)
class Source:
    """A data set: its page, the servers with its archives, best first, and its terms."""

    title: str
    page: str
    servers: tuple[str, ...]
    licence: str
    citation: str
    parts: tuple[Part, ...]

    @property
    def notice(self) -> str:
        """Licence and citation, to show to whoever fetches it."""
        return (
            f"{self.title} ({self.page})\n  Licence: {self.licence}\n  Please cite: {self.citation}"
        )


UCF101 = Source(
    title="UCF-101",
    page="https://www.crcv.ucf.edu/data/UCF101.php",
    servers=("https://www.crcv.ucf.edu/data/UCF101",),
    licence="none is given on its page. The clips are from YouTube and remain their owners'.",
    citation=(
        "K. Soomro, A. R. Zamir and M. Shah. UCF101: A Dataset of 101 Human Action Classes From "
        "Videos in The Wild. CRCV-TR-12-01, University of Central Florida, 2012."
    ),
    parts=(
        # Its page has no size and no checksum. The server announces this size, and several people
        # have reported it since 2023.
        Part("videos", "UCF-101", (Archive("UCF101.rar", 10 * GB, size=6_932_971_618),), depth=2),
        # From TensorFlow Datasets, url_checksums/ucf101.txt.
        Part("lists", "ucfTrainTestlist", (Archive(
            "UCF101TrainTestSplits-RecognitionTask.zip", GB // 50, size=113_943,
            checksum="sha256:5c0d1a53b8ed364a2ac830a73f405e51bece7d98ce1254fd19ed4a36b224bd27",
        ),)),
    ),
)  # fmt: skip

HMDB51 = Source(
    title="HMDB-51",
    page="https://serre.lab.brown.edu/hmdb51.html",
    # The authors' laboratory names the first; the second was the place from 2013 on.
    servers=(
        "https://huggingface.co/datasets/Serrelab/hmdb51/resolve/main",
        "https://serre-lab.clps.brown.edu/wp-content/uploads/2013/10",
    ),
    licence="Creative Commons Attribution 4.0 International (CC BY 4.0).",
    citation=(
        "H. Kuehne, H. Jhuang, E. Garrote, T. Poggio and T. Serre. HMDB: A Large Video Database "
        "for Human Motion Recognition. ICCV, 2011."
    ),
    parts=(
        # One rar per class. The checksum is from DeepMind's BraVe, brave/download_hmdb.py.
        Part("videos", "hmdb51_org", (Archive(
            "hmdb51_org.rar", 4 * GB, checksum="md5:517d6f1f19f215c45cdd4d25356be1fb",
            nested=".rar",
        ),), depth=2),
        # From torchvision, datasets/hmdb51.py, and the same from BraVe.
        Part("lists", "testTrainMulti_7030_splits", (Archive(
            "test_train_splits.rar", GB // 50, checksum="md5:15e67781e70dcfbdce2d7dbb9b3344b5",
        ),)),
    ),
)  # fmt: skip

WEIZMANN = Source(
    title="Weizmann",
    page="https://www.wisdom.weizmann.ac.il/~vision/SpaceTimeActions.html",
    servers=("https://www.wisdom.weizmann.ac.il/~vision/VideoAnalysis/Demos/SpaceTimeActions/DB",),
    licence="none is given on its page.",
    citation=(
        "L. Gorelick, M. Blank, E. Shechtman, M. Irani and R. Basri. Actions as Space-Time Shapes. "
        "IEEE Transactions on Pattern Analysis and Machine Intelligence 29(12), 2007."
    ),
    # Nothing is published. The clips of a class have a few megabytes, and 60 uncompressed.
    parts=(
        Part("videos", "weizmann", tuple(Archive(f"{c}.zip", GB // 5, into=c) for c in CLASSES)),
    ),
)

# By kind in the catalogue.
SOURCES = {"ucf101": UCF101, "hmdb51": HMDB51, "weizmann": WEIZMANN}
