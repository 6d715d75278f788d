"""Where the data sets are, what is published of their files, and on what terms they are given."""

from __future__ import annotations

from dataclasses import dataclass

from dsnet.datasets.weizmann import CLASSES

GB = 10**9


@dataclass(frozen=True)
class Archive:
    """A .zip or .rar at its official addresses, the first of which that has it is used.

    ``size`` (bytes) and ``checksum`` are None where nobody has published them. ``depth``,
    ``suffix`` and ``limit`` are as for :func:`dsnet.fetching.archives.unpack`; with ``nested``
    they are those of the archives in this archive, which are unpacked in turn. ``into`` is the
    folder, below that of the part, that the files go to.
    """

    name: str
    addresses: tuple[str, ...]
    depth: int
    suffix: str
    limit: int
    size: int | None = None
    checksum: str | None = None
    nested: str | None = None
    into: str = ""


@dataclass(frozen=True)
class Part:
    """What a key of a catalogue's entry, ``videos`` or ``lists``, points to; unpacked as a whole.

    ``folder`` is its usual name, as in config.yaml.
    """

    key: str
    folder: str
    archives: tuple[Archive, ...]

    @property
    def is_rar(self) -> bool:
        """Whether Python alone does not unpack it."""
        return any(archive.name.endswith(".rar") for archive in self.archives)

    @property
    def room(self) -> int:
        """Bytes that the archives and what is in them take at most."""
        return 2 * sum(archive.limit for archive in self.archives)


@dataclass(frozen=True)
class Source:
    """A data set: the page it is described on, its terms, the paper to cite, and its parts."""

    title: str
    page: str
    licence: str
    citation: str
    parts: tuple[Part, ...]

    @property
    def notice(self) -> str:
        """Licence and citation, to be shown to whoever fetches it."""
        return (
            f"{self.title} ({self.page})\n  Licence: {self.licence}\n  Please cite: {self.citation}"
        )


UCF = "https://www.crcv.ucf.edu/data/UCF101"
UCF101 = Source(
    title="UCF-101",
    page="https://www.crcv.ucf.edu/data/UCF101.php",
    licence="none is given on its page. The clips are from YouTube and remain their owners'.",
    citation=(
        "K. Soomro, A. R. Zamir and M. Shah. UCF101: A Dataset of 101 Human Action Classes From "
        "Videos in The Wild. CRCV-TR-12-01, University of Central Florida, 2012."
    ),
    parts=(
        Part(
            "videos",
            "UCF-101",
            (
                Archive(
                    name="UCF101.rar",
                    addresses=(f"{UCF}/UCF101.rar",),
                    depth=2,
                    suffix=".avi",
                    limit=10 * GB,
                    # Not on its page: what the server announces, as several people who fetched it
                    # since 2023 have written down. No checksum is published.
                    size=6_932_971_618,
                ),
            ),
        ),
        Part(
            "lists",
            "ucfTrainTestlist",
            (
                Archive(
                    name="UCF101TrainTestSplits-RecognitionTask.zip",
                    addresses=(f"{UCF}/UCF101TrainTestSplits-RecognitionTask.zip",),
                    depth=1,
                    suffix=".txt",
                    limit=GB // 50,
                    # From TensorFlow Datasets, url_checksums/ucf101.txt.
                    size=113_943,
                    checksum=(
                        "sha256:5c0d1a53b8ed364a2ac830a73f405e51bece7d98ce1254fd19ed4a36b224bd27"
                    ),
                ),
            ),
        ),
    ),
)


def _hmdb(name: str) -> tuple[str, ...]:
    """Where the authors' laboratory says it is now, and where it was from 2013 on."""
    return (
        f"https://huggingface.co/datasets/Serrelab/hmdb51/resolve/main/{name}",
        f"https://serre-lab.clps.brown.edu/wp-content/uploads/2013/10/{name}",
    )


HMDB51 = Source(
    title="HMDB-51",
    page="https://serre.lab.brown.edu/hmdb51.html",
    licence="Creative Commons Attribution 4.0 International (CC BY 4.0).",
    citation=(
        "H. Kuehne, H. Jhuang, E. Garrote, T. Poggio and T. Serre. HMDB: A Large Video Database "
        "for Human Motion Recognition. ICCV, 2011."
    ),
    parts=(
        Part(
            "videos",
            "hmdb51_org",
            (
                Archive(
                    name="hmdb51_org.rar",
                    addresses=_hmdb("hmdb51_org.rar"),
                    depth=2,
                    suffix=".avi",
                    limit=4 * GB,
                    nested=".rar",  # one for each class
                    # From DeepMind's BraVe, brave/download_hmdb.py.
                    checksum="md5:517d6f1f19f215c45cdd4d25356be1fb",
                ),
            ),
        ),
        Part(
            "lists",
            "testTrainMulti_7030_splits",
            (
                Archive(
                    name="test_train_splits.rar",
                    addresses=_hmdb("test_train_splits.rar"),
                    depth=1,
                    suffix=".txt",
                    limit=GB // 50,
                    # From torchvision, datasets/hmdb51.py, and the same from BraVe.
                    checksum="md5:15e67781e70dcfbdce2d7dbb9b3344b5",
                ),
            ),
        ),
    ),
)

WEIZMANN = Source(
    title="Weizmann",
    page="https://www.wisdom.weizmann.ac.il/~vision/SpaceTimeActions.html",
    licence="none is given on its page.",
    citation=(
        "L. Gorelick, M. Blank, E. Shechtman, M. Irani and R. Basri. Actions as Space-Time Shapes. "
        "IEEE Transactions on Pattern Analysis and Machine Intelligence 29(12), 2007."
    ),
    parts=(
        Part(
            "videos",
            "weizmann",
            tuple(
                # Neither sizes nor checksums are published. The clips of a class are some
                # megabytes, uncompressed they would be 60.
                Archive(
                    name=f"{action}.zip",
                    addresses=(
                        "https://www.wisdom.weizmann.ac.il/~vision/VideoAnalysis/Demos/"
                        f"SpaceTimeActions/DB/{action}.zip",
                    ),
                    depth=1,
                    suffix=".avi",
                    limit=GB // 5,
                    into=action,
                )
                for action in CLASSES
            ),
        ),
    ),
)

# By the kind of a catalogue's entry.
SOURCES = {"ucf101": UCF101, "hmdb51": HMDB51, "weizmann": WEIZMANN}
