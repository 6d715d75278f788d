"""One folder to carry to a machine with a GPU and without a network: `make gpu-bundle`.

    python -m gpu.bundle TARGET [--videos FOLDER] [--opencv WHEEL]

It gets gpu_check.sh and what that needs: the project's HEAD, wheels of packages that a machine with
PyTorch lacks, and the files of data.py. WHEEL is OpenCV with CUDA (envs/opencv-cuda). It comes
with libraries in the place of NVIDIA's NPP, which has 190 MB, and of which TV-L1 calls nothing.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections import defaultdict
from importlib import import_module
from importlib.metadata import packages_distributions, version
from pathlib import Path

import imageio_ffmpeg
from gpu import data
from gpu.check import PARTS, PRELOADED

PYTHON = "3.12"  # of that machine
# What that machine is taken to have, with what these need.
THERE = {
    *("attrs", "h5py", "hypothesis", "llvmlite", "numba", "numpy", "pandas", "pillow", "pytest"),
    *("python-dateutil", "PyYAML", "scipy", "tensorboard", "torch", "tqdm", "triton"),
    *("absl-py", "grpcio", "idna", "iniconfig", "Jinja2", "Markdown", "matplotlib", "pluggy"),
    *("protobuf", "Pygments", "six", "Werkzeug"),
    *("filelock", "fsspec", "mpmath", "networkx", "packaging", "setuptools", "sympy"),
}
OPENCV = "opencv-contrib-python-headless"
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")


def main() -> None:
    """Make the folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", type=Path)
    parser.add_argument("--videos", type=Path, help="a folder of videos for each class")
    parser.add_argument("--opencv", type=Path, help="a wheel of OpenCV with CUDA")
    options = parser.parse_args()
    target: Path = options.target
    target.mkdir(parents=True, exist_ok=True)
    for old in ("wheels", "site", "npp", "data"):
        shutil.rmtree(target / old, ignore_errors=True)
    shutil.copy(Path(__file__).with_name("gpu_check.sh"), target)
    archive = ["git", "archive", "--format=tar.gz", "--output", target.absolute() / "dsnet.tar.gz"]
    subprocess.run([*archive, "HEAD"], cwd=data.ROOT, check=True)
    (target / "commit").write_text(_said("git", "-C", str(data.ROOT), "rev-parse", "HEAD"))
    download(missing(), target / "wheels")
    # Its program, of 30 MB, is not needed: no video is decoded.
    own = Path(imageio_ffmpeg.__file__).parent
    ignored = shutil.ignore_patterns("binaries", "__pycache__")
    shutil.copytree(own, target / "site" / own.name, ignore=ignored)
    if options.opencv:
        shutil.copy(options.opencv, target / "wheels")
        stand_in_for_npp(options.opencv, target / "npp")
    data.make(target / "data", options.videos)
    size = sum(path.stat().st_size for path in target.rglob("*"))
    print(f"{target}: {size / 2**20:.0f} MiB; there, run: OUT=FOLDER bash {target}/gpu_check.sh")


def missing() -> list[str]:
    """Return what the check imports and that machine lacks, as NAME==VERSION."""
    for module in (*PRELOADED, *(part.module for part in PARTS.values())):
        import_module(module)
    imported = {name.partition(".")[0] for name in sys.modules}
    found = {
        distribution
        for package, distributions in packages_distributions().items()
        if package in imported
        for distribution in distributions
    }
    found -= {*THERE, OPENCV, "imageio-ffmpeg", "dsnet"}
    return sorted(f"{name}=={version(name)}" for name in found)


def download(packages: list[str], folder: Path) -> None:
    """Download wheels for that machine."""
    platforms = [word for platform in PLATFORMS for word in ("--platform", platform)]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--python-version", PYTHON, "--implementation", "cp"]
    subprocess.run([*command, *platforms, "--dest", folder, *packages], check=True)


def stand_in_for_npp(wheel: Path, folder: Path) -> None:
    """Make a library for each of NPP's that a wheel's module needs (with gcc, nm and readelf).

    It has the functions that the module looks for, under their version, and each ends the process.
    """
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as name, zipfile.ZipFile(wheel) as archive:
        (member,) = (n for n in archive.namelist() if re.fullmatch(r"cv2/cv2[^/]*\.so", n))
        module = archive.extract(member, name)
        dynamic, symbols = _said("readelf", "-d", module), _said("nm", "-D", "-u", module)
        wanted: dict[str, list[str]] = defaultdict(list)
        for function, library in re.findall(r" U (\w+)@+(libnpp\S+)", symbols):
            wanted[library].append(function)
        source, versions = Path(name, "npp.c"), Path(name, "versions")
        for library in re.findall(r"\(NEEDED\).*\[(libnpp\w+\.so\S*)\]", dynamic):
            functions = "".join(f"void {f}(void) {{ abort(); }}\n" for f in wanted[library])
            source.write_text(f"#include <stdlib.h>\n{functions}")
            versions.write_text(f"{library} {{ global: *; }};\n")
            command = ["gcc", "-shared", "-fPIC", f"-Wl,-soname,{library}"]
            command += [f"-Wl,--version-script={versions}", "-o", folder / library, source]
            subprocess.run(command, check=True)


def _said(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
