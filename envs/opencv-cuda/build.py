#!/usr/bin/env python3
"""Build a wheel of opencv-contrib-python-headless that has CUDA, from its source distribution.

The wheel takes the place of the one from the package index: it has the modules dsnet uses
(imgproc, imgcodecs with JPEG and PNG, video, optflow) and `cv2.cuda` with the TV-L1 flow.
Needs Python 3.11 or newer with its headers, pip, cmake, g++, nasm, nvcc; no GPU. See README.md.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import NoReturn

HERE = Path(__file__).resolve().parent
CONSTRAINTS = HERE.parents[1] / "constraints.txt"
PACKAGE = "opencv-contrib-python-headless"

# NPP's wheel and the version to build with, for each major version of CUDA. The built wheel asks
# for this or a newer one, so that no toolkit is needed where the flow is computed.
NPP = {13: ("nvidia-npp", "13.0.1.2"), 12: ("nvidia-npp-cu12", "12.0.0.30")}

# What dsnet uses of OpenCV. Their dependencies (core, cudaarithm, calib3d, ...) come by themselves.
MODULES = ["cudaoptflow", "cudev", "imgcodecs", "imgproc", "optflow", "python3", "video"]

# Off, since dsnet does not use them and each would add time, a download or a system library.
OFF = [
    *("WITH_CUBLAS", "WITH_CUDNN", "WITH_CUFFT", "WITH_NVCUVENC", "WITH_NVCUVID"),
    *("WITH_AVIF", "WITH_JASPER", "WITH_JPEGXL", "WITH_OPENEXR", "WITH_OPENJPEG"),
    *("WITH_TIFF", "WITH_WEBP", "WITH_ADE", "WITH_EIGEN", "WITH_IPP", "WITH_ITT"),
    *("WITH_LAPACK", "WITH_OPENCL", "WITH_PROTOBUF", "WITH_QUIRC"),
]


def main() -> None:
    options = parse_arguments()
    start = time.monotonic()
    toolkit = check_machine(options.cuda_home)
    check_architectures(options.cuda_home, [*options.arch, options.ptx])
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)

    say(f"fetching {PACKAGE} {options.version} and {NPP[toolkit[0]][0]}")
    source = unpack_source(options.version, work)
    npp = install_npp("==".join(NPP[toolkit[0]]), work)
    cuda = join_toolkit(options.cuda_home, npp, work / "cuda")
    patch(source, options.version, toolkit)

    log = work / "build.log"
    say(f"compiling with {options.jobs} jobs; follow it with: tail -f {log}")
    compiling = time.monotonic()
    wheel = build_wheel(source, options, cuda, npp.relative_to(work / "npp"), log)
    say(f"compiled in {time.monotonic() - compiling:.0f} s")

    say("checking the wheel in a virtual environment of its own")
    check_wheel(wheel, work / "check-venv")
    size = wheel.stat().st_size / 1e6
    say(f"built {wheel} ({size:.1f} MB) in {time.monotonic() - start:.0f} s")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--arch",
        nargs="+",
        default=["7.5"],
        metavar="X.Y",
        help="compute capabilities to compile binaries for (default: 7.5)",
    )
    parser.add_argument(
        "--ptx",
        metavar="X.Y",
        help="compute capability of the PTX, which newer GPUs compile on first use "
        "(default: the newest of --arch)",
    )
    parser.add_argument(
        "--cuda-home",
        type=Path,
        default=Path(os.environ.get("CUDA_HOME", "/usr/local/cuda")),
        help="the CUDA toolkit, 12 or 13 (default: $CUDA_HOME, else /usr/local/cuda)",
    )
    parser.add_argument(
        "--version", help=f"version of {PACKAGE} (default: the one in constraints.txt)"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="default: all cores")
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("build/opencv-cuda"),
        help="folder for sources, objects and the log (default: build/opencv-cuda)",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("dist"), help="folder for the wheel (default: dist)"
    )
    options = parser.parse_args()
    options.arch = sorted(set(options.arch), key=architecture)
    options.ptx = options.ptx or options.arch[-1]
    options.version = options.version or pinned_version()
    return options


def pinned_version() -> str:
    pin = re.search(rf"^{PACKAGE}==(\S+)$", CONSTRAINTS.read_text(), re.MULTILINE)
    if not pin:
        fail(f"{CONSTRAINTS} has no line {PACKAGE}==...; name a version with --version")
    return pin[1]


def architecture(text: str) -> int:
    """8.6 -> 86, nvcc's way to write it."""
    if not re.fullmatch(r"\d+\.\d", text):
        fail(f"{text!r} is not a compute capability; write it like 8.6")
    return int(text.replace(".", ""))


def check_machine(cuda_home: Path) -> tuple[int, int]:
    """Stop on what is missing before an hour is spent; the CUDA version otherwise."""
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        fail(f"this builds on Linux x86_64 only, not on {sys.platform} {os.uname().machine}")
    if sys.version_info < (3, 11):  # noqa: UP036 (this runs before anything else checks it)
        fail(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}")
    for module in ("pip", "ensurepip"):
        if not importlib.util.find_spec(module):
            fail(
                f"this Python lacks {module}: install python3-pip and python3-venv, or make a venv"
            )
    header = Path(sysconfig.get_path("include"), "Python.h")
    if not header.exists():
        fail(f"no {header}: install this Python's headers (python3-dev on Debian and Ubuntu)")
    for command in ("cmake", "g++", "nasm"):  # nasm: without it, JPEG is encoded without SIMD
        if not shutil.which(command):
            fail(f"{command} is not on the PATH: install it with the system's package manager")
    if not shutil.which("ninja") and not shutil.which("make"):
        fail("neither ninja nor make is on the PATH: install one of them")
    nvcc = cuda_home / "bin/nvcc"
    for path in (nvcc, cuda_home / "lib64/libcudart_static.a"):
        if not path.exists():
            fail(f"no {path}: install the CUDA toolkit, or name its folder with --cuda-home")
    version = re.search(r"release (\d+)\.(\d+)", text_of(nvcc, "--version"))
    if not version or int(version[1]) not in NPP:
        found = version[0] if version else "of unknown version"
        fail(f"{nvcc} is {found}; CUDA {' or '.join(map(str, NPP))} is needed")
    return int(version[1]), int(version[2])


def check_architectures(cuda_home: Path, wanted: list[str]) -> None:
    listed = text_of(cuda_home / "bin/nvcc", "--list-gpu-arch")
    known = sorted(int(number) for number in re.findall(r"compute_(\d+)\b", listed))
    for text in wanted:
        if architecture(text) not in known:
            names = ", ".join(f"{number // 10}.{number % 10}" for number in known)
            fail(f"this nvcc does not compile for {text}, only for {names}")


def unpack_source(version: str, work: Path) -> Path:
    """A fresh source tree: what an earlier run has patched or compiled is removed."""
    sdist = work / "sdist"
    try:
        pip("download", "--no-deps", "--no-binary", PACKAGE, "--dest", sdist,
            f"{PACKAGE}=={version}")  # fmt: skip
    except subprocess.CalledProcessError:
        fail(f"pip found no source distribution of {PACKAGE} {version}, see above")
    (archive,) = sdist.glob(f"*-{version}.tar.gz")
    source = work / archive.name.removesuffix(".tar.gz")
    shutil.rmtree(source, ignore_errors=True)
    shutil.unpack_archive(archive, work)
    return source


def install_npp(requirement: str, work: Path) -> Path:
    """The folder of the wheel that has include/ and lib/."""
    target = work / "npp"
    shutil.rmtree(target, ignore_errors=True)
    pip("install", "--no-deps", "--target", target, requirement)
    found = list(target.glob("nvidia/*/lib/libnppc.so.*"))
    if len(found) != 1:
        fail(f"expected one nvidia/*/lib/libnppc.so.* in {target}, found {found}")
    return found[0].parent.parent


def join_toolkit(cuda_home: Path, npp: Path, target: Path) -> Path:
    """The toolkit and NPP as one folder of links, for cmake; the toolkit itself stays as it is."""
    shutil.rmtree(target, ignore_errors=True)
    for folder in ("include", "lib64"):
        (target / folder).mkdir(parents=True)
    for folder in ("bin", "nvvm"):
        (target / folder).symlink_to((cuda_home / folder).resolve())
    links = {}
    for folder in ("include", "lib64"):
        for path in (cuda_home / folder).resolve().iterdir():
            links[target / folder / path.name] = path
    # After the toolkit's, so that NPP is the wheel's even where the toolkit has one of its own.
    for path in (npp / "include").iterdir():
        links[target / "include" / path.name] = path
    for path in (npp / "lib").glob("*.so.*"):
        links[target / "lib64" / path.name] = path
        links[target / "lib64" / (path.name.split(".so.")[0] + ".so")] = path
    for link, path in links.items():
        link.symlink_to(path)
    return target


def patch(source: Path, version: str, toolkit: tuple[int, int]) -> None:
    """Changes to the sources; each stops the build where it no longer fits."""
    # The CUDA flows use nothing of cudaimgproc, whose kernels take long to compile.
    module = source / "opencv_contrib/modules/cudaoptflow"
    replace(module / "CMakeLists.txt", " opencv_cudaimgproc OPTIONAL", " OPTIONAL")
    replace(module / "src/precomp.hpp", '#include "opencv2/cudaimgproc.hpp"\n', "")
    # NVIDIA's own flow (not TV-L1) would be built where a download works, left out elsewhere.
    replace(module / "CMakeLists.txt", 'if(NOT CUDA_VERSION VERSION_LESS "10.0")', "if(FALSE)")
    # pip brings NPP along with the wheel.
    numpy = """'numpy>=2; python_version>="3.9"',"""
    name, oldest = NPP[toolkit[0]]
    replace(source / "setup.py", numpy, f"{numpy} '{name}>={oldest},<{toolkit[0] + 1}',")
    # "4.14.0.94+cu130" tells the wheel from the index's one and still meets "==4.14.0.94".
    local = f"{version}+cu{toolkit[0]}{toolkit[1]}"
    replace(source / "cv2/version.py", f'"{version}"', f'"{local}"')
    # The module keeps to Python's stable interface: one wheel serves all newer Pythons.
    with (source / "setup.cfg").open("a") as file:
        file.write("\n[bdist_wheel]\npy_limited_api = cp311\n")


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    if text.count(old) != 1:
        fail(f"{path} has {old!r} {text.count(old)} times, not once; build.py needs an update")
    path.write_text(text.replace(old, new))


def build_wheel(
    source: Path, options: argparse.Namespace, cuda: Path, npp: Path, log: Path
) -> Path:
    settings = {name: "OFF" for name in OFF} | {
        "BUILD_LIST": ",".join(MODULES),
        "WITH_CUDA": "ON",
        "CUDA_TOOLKIT_ROOT_DIR": cuda,
        "CUDA_ARCH_BIN": ";".join(options.arch),
        "CUDA_ARCH_PTX": options.ptx,
        # Their own copies, so that the wheel asks for no library of the system.
        "BUILD_JPEG": "ON",
        "BUILD_PNG": "ON",
        "BUILD_ZLIB": "ON",
        "CMAKE_MODULE_LINKER_FLAGS": "-Wl,--strip-all",
        # cmake would write the build folder's paths into the module; LD_RUN_PATH is used instead.
        "CMAKE_SKIP_RPATH": "ON",
    }
    arguments = [f"-D{name}={value}" for name, value in settings.items()]
    environment = os.environ | {
        "CMAKE_ARGS": shlex.join(arguments),
        "CMAKE_BUILD_PARALLEL_LEVEL": str(options.jobs),
        # Where the module looks for NPP: next to it in site-packages, where pip puts it.
        "LD_RUN_PATH": f"$ORIGIN/../{npp}/lib",
    }
    wheels = log.parent / "wheel"
    shutil.rmtree(wheels, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "wheel", "--verbose", "--no-deps", "--no-cache-dir"]
    with log.open("w") as file:
        code = subprocess.run(
            [*command, "--wheel-dir", wheels, source],
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
        ).returncode
    if code:
        fail(f"the build failed; the end of {log}:\n" + log.read_text(errors="replace")[-3000:])
    (wheel,) = wheels.glob("*.whl")
    options.output.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(wheel, options.output.resolve()))


def check_wheel(wheel: Path, venv: Path) -> None:
    shutil.rmtree(venv, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    python = venv / "bin/python"
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel],
        check=True,
    )
    # Without LD_LIBRARY_PATH, since the module must find its libraries by itself.
    environment = dict(os.environ)
    environment.pop("LD_LIBRARY_PATH", None)
    subprocess.run([python, HERE / "check.py"], check=True, env=environment)


def pip(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True)


def text_of(*command: str | Path) -> str:
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout


def say(message: str) -> None:
    print(f"build.py: {message}", flush=True)


def fail(message: str) -> NoReturn:
    sys.exit(f"build.py: {message}")


if __name__ == "__main__":
    main()
