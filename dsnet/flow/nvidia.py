"""An NVIDIA GPU: how kernels of ``tvl1.cu`` divide an image, are compiled, kept and launched."""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from dsnet.errors import UserError
from dsnet.provenance import replacing

log = logging.getLogger(__name__)
SOURCE = Path(__file__).with_name("tvl1.cu")
OPTIONS = ("--std=c++17", "--use_fast_math")
HALO = 4  # iterations of a tile between two launches
DIGEST = 32  # bytes before a kept kernel


@dataclass(frozen=True)
class Form:
    """How a level is divided among threads: a variant to compile, and ``across``.

    Attributes:
        whole: the level in one piece, not in tiles.
        blocks: of a cluster; 1 is none.
        threads: of a block.
        rows, columns: of a thread's pixels.
        across: threads in a row of the piece.
    """

    whole: bool
    blocks: int
    threads: int
    rows: int
    columns: int
    across: int

    @property
    def groups(self) -> int:
        """Runs of rows in a block."""
        return self.threads // self.across

    @property
    def shared(self) -> int:
        """Bytes of shared memory of a block."""
        warps, width = self.threads // 32, self.across * self.columns
        constants = 16 * self.rows * self.columns * self.threads
        lanes = 2 * 8 * self.rows * (warps + 1) + 4 * self.blocks * warps
        return constants + lanes + 4 * 4 * (self.groups + 1) * width

    def inner(self) -> tuple[int, int]:
        """Return height and width of a tile without its halo."""
        height, width = self.groups * self.rows, self.across * self.columns
        return height - 2 * HALO, width - 2 * HALO

    def defines(self) -> list[str]:
        """Return the options that compile the variant."""
        values = {"BLOCKS": self.blocks, "THREADS": self.threads, "ROWS": self.rows}
        values |= {"COLUMNS": self.columns, "HALO": HALO}
        return [f"-D{name}={value}" for name, value in values.items()] + ["-DWHOLE"] * self.whole


# 64 x 48 pixels: every GPU has as much shared memory for a block as it takes.
TILE = Form(False, 1, 256, 6, 2, 32)


class RefusedError(RuntimeError):
    """A launch that CUDA refuses."""


class Kernels(Protocol):
    """Where kernels run: a GPU, or in tests an emulation of one.

    Attributes:
        device: of the tensors.
        clusters: the largest cluster, in blocks; 1 is none.
        shared: bytes of shared memory that a block may have.
    """

    device: str
    clusters: int
    shared: int

    def launch(self, form: Form, name: str, grid: int, *arguments: Any) -> None:
        """Launch ``grid`` blocks; arguments are tensors and numbers of ctypes."""


def divide(height: int, width: int, clusters: int, shared: int, most: int = 32) -> Form:
    """Choose the form for a level: in one piece by the fewest blocks, or in tiles.

    ``most`` is the largest number of pixels per thread. Of 32 some values do not fit into its
    registers; whether fewer pixels and more blocks are faster was not measured.
    """
    threads, columns = 256, 4
    across = -(-width // columns)
    blocks = 1
    while across <= threads and blocks <= clusters:
        rows = -(-height // (blocks * (threads // across)))
        form = Form(True, blocks, threads, rows, columns, across)
        if rows * columns <= most and form.shared <= shared:
            return form
        blocks *= 2
    return TILE


class Gpu:
    """A GPU of NVIDIA's; see :class:`Kernels`. Not for several threads at once."""

    def __init__(self, index: int):
        self._driver = driver = importlib.import_module("cuda.bindings.driver")
        major, minor = torch.cuda.get_device_capability(index)
        wanted = driver.CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN
        self.shared = _checked(
            driver.cuDeviceGetAttribute(wanted, _checked(driver.cuDeviceGet(index)))
        )
        # Clusters of 16 need a GPU for data centres.
        self.clusters = {9: 16, 10: 16}.get(major, 8 if major > 10 else 1)
        self.device, self.target = f"cuda:{index}", f"sm_{major}{minor}"
        self._functions: dict[tuple[Form, str], Any] = {}

    def launch(self, form: Form, name: str, grid: int, *arguments: Any) -> None:
        """Launch a kernel on PyTorch's current stream; RefusedError if CUDA does not."""
        values = [a.data_ptr() if isinstance(a, Tensor) else a.value for a in arguments]
        kinds = [ctypes.c_void_p if isinstance(a, Tensor) else type(a) for a in arguments]
        stream = torch.cuda.current_stream(self.device).cuda_stream
        shared = 0 if name == "linearise" else form.shared
        (status,) = self._driver.cuLaunchKernel(
            self._function(form, name), grid, 1, 1, form.threads, 1, 1, shared, stream,
            (tuple(values), tuple(kinds)), 0,
        )  # fmt: skip
        if status:
            raise RefusedError(f"CUDA does not launch {name} as {form}: {status!r}")

    def _function(self, form: Form, name: str) -> Any:
        if (form, name) not in self._functions:
            driver, wanted = self._driver, self._driver.CUfunction_attribute
            module = _checked(driver.cuModuleLoadData(binary(form, self.target)))
            function = _checked(driver.cuModuleGetFunction(module, name.encode()))
            settings = {wanted.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES: form.shared}
            if form.blocks > 8:
                settings[wanted.CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED] = 1
            for attribute, value in settings.items():
                _checked(driver.cuFuncSetAttribute(function, attribute, value))
            self._functions[form, name] = function
        return self._functions[form, name]


def gpu() -> Gpu:
    """Return PyTorch's current GPU."""
    return _gpu(torch.cuda.current_device())


_gpu = cache(Gpu)


def binary(form: Form, target: str) -> bytes:
    """Compile a variant for a GPU such as ``sm_90``, or take it from the disk.

    Raises RuntimeError if it does not compile or NVRTC is not there, and ImportError without
    cuda-bindings.
    """
    nvrtc = importlib.import_module("cuda.bindings.nvrtc")
    version = "{}.{}".format(*_checked(nvrtc.nvrtcVersion()))
    source = SOURCE.read_bytes()
    options = [*OPTIONS, f"--gpu-architecture={target}", *form.defines()]
    key = hashlib.sha256("\n".join([version, *options, source.decode()]).encode()).hexdigest()
    kept = folder() / f"tvl1-{target}-{key[:32]}.cubin"
    with suppress(OSError):
        content = kept.read_bytes()
        if hashlib.sha256(content[DIGEST:]).digest() == content[:DIGEST]:
            return content[DIGEST:]
    log.info("compiling TV-L1 for %s: %s", target, form)
    program = _checked(nvrtc.nvrtcCreateProgram(source, SOURCE.name.encode(), 0, [], []))
    failed, *_ = nvrtc.nvrtcCompileProgram(
        program, len(options), [option.encode() for option in options]
    )
    if failed:
        said = b" " * _checked(nvrtc.nvrtcGetProgramLogSize(program))
        nvrtc.nvrtcGetProgramLog(program, said)
        raise RuntimeError(f"NVRTC {version}: {said.decode().strip()}")
    made = b" " * _checked(nvrtc.nvrtcGetCUBINSize(program))
    _checked(nvrtc.nvrtcGetCUBIN(program, made))
    _keep(kept, made)
    return made


def folder() -> Path:
    """Return the folder of compiled kernels."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dsnet" / "kernels"


def _keep(path: Path, content: bytes) -> None:
    """Write a file, with its digest first; without one, the next process compiles again."""
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(hashlib.sha256(content).digest() + content)
    except (OSError, UserError) as error:
        log.warning("compiled kernels cannot be kept (%s); set XDG_CACHE_HOME", error)


def _checked(result: tuple[Any, ...]) -> Any:
    """Return what a call of cuda-bindings gives beside its status; RuntimeError if it failed."""
    status, *rest = result
    if status:
        raise RuntimeError(f"CUDA: {status!r}")
    return rest[0] if len(rest) == 1 else tuple(rest)
