"""The kernels of backend cuda against backend numba, run on the CPU by an emulation of a GPU."""

import ctypes
import hashlib
import shutil
import subprocess
import sys
import types
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import scenes
import torch
from hypothesis import given
from hypothesis import strategies as st

from dsnet import flow
from dsnet.flow import cuda, numba, nvidia
from dsnet.flow.params import TVL1

HERE = Path(__file__).parent
moving = partial(scenes.moving, height=40, width=44)
COMPILER, FLAGS = shutil.which("g++"), ("-O2", "-std=c++17", "-shared", "-fPIC", "-w")
emulated = pytest.mark.skipif(COMPILER is None, reason="needs g++ to emulate a GPU")


class Emulation:
    """Kernels on the CPU, compiled by g++; counts launches by kernel and number of blocks."""

    device = "cpu"

    def __init__(self, folder, clusters=8, shared=227 * 1024, flags=()):
        self.folder, self.clusters, self.shared, self.flags = folder, clusters, shared, flags
        self.launches = []

    def library(self, form):
        defines = [*form.defines(), *self.flags]
        path = self.folder / (hashlib.sha256(" ".join(defines).encode()).hexdigest()[:16] + ".so")
        if not path.exists():
            names = ["whole"] if form.whole else ["linearise", "tile"]
            code = f'#include "{HERE}/emulate.h"\n#include "{nvidia.SOURCE}"\nextern "C" {{\n'
            code += "".join(f"void* {n}_launcher = (void*)&Launcher<{n}>::run;\n" for n in names)
            subprocess.run(
                [COMPILER, *FLAGS, *defines, "-x", "c++", "-", "-o", path],
                input=code + "}\n",
                text=True,
                check=True,
            )
        return ctypes.CDLL(str(path))

    def launch(self, form, name, grid, *arguments):
        self.launches.append((name, form.blocks))
        assert all(a.is_contiguous() for a in arguments if isinstance(a, torch.Tensor))
        values = [
            ctypes.c_void_p(a.data_ptr()) if isinstance(a, torch.Tensor) else a for a in arguments
        ]
        kind = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_int, *map(type, values))
        address = ctypes.c_void_p.in_dll(self.library(form), f"{name}_launcher").value
        kind(address)(grid, form.shared, *values)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("emulated")


def check(frames, kernels, **params):
    """Compare flow and number of iterations with numba's; return the kernels that were launched."""
    settings = TVL1(semantics="cuda", **params)
    found, work = cuda.compute_counting(frames, settings, kernels)
    expected, needed = numba.compute_counting(frames, settings)
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    assert work == needed
    assert np.abs(found - expected).max() < 1e-4
    assert (flow.encode(found, 20) == flow.encode(expected, 20)).mean() > 0.999
    assert np.abs(expected).mean() > 0.1
    return set(kernels.launches)


# --- the same flow as the peer, in every form ------------------------------------------------


@emulated
def test_levels_in_one_block(folder):
    frames = moving(1)
    frames = np.concatenate([frames, frames[-1:]])  # the second pair converges at once
    assert check(frames, Emulation(folder), nscales=2, warps=2) == {("whole", 1)}


@emulated
def test_levels_in_clusters_of_blocks(folder):
    kernels = Emulation(folder, shared=40_000)
    frames = moving(1, height=66, width=47)
    assert check(frames, kernels, nscales=2, warps=2) == {("whole", 4)}


@emulated
@pytest.mark.parametrize(
    "params", [{"epsilon": 0.05}, {"inner_iterations": 7, "outer_iterations": 1, "epsilon": 0.0}]
)
def test_levels_in_tiles(folder, params):
    kernels = Emulation(folder, clusters=1, shared=1000)
    frames = moving(1, height=43, width=59)  # four tiles
    frames = np.concatenate([frames, frames[-1:]])
    found = check(frames, kernels, nscales=1, warps=2, tau=0.2, lambda_=0.3, **params)
    assert found == {("linearise", 1), ("tile", 1)}


@emulated
def test_roots_that_are_not_correctly_rounded_change_little(folder):
    """As ``--use_fast_math`` gives them; here two units in the last place off."""
    frames, params = moving(1), TVL1(semantics="cuda", nscales=2, warps=2)
    found, work = cuda.compute_counting(frames, params, Emulation(folder, flags=["-DROUGH"]))
    exact, needed = cuda.compute_counting(frames, params, Emulation(folder))
    assert 0 < np.abs(found - exact).max() < 1e-4
    assert work == needed


@emulated
def test_videos_of_several_sizes_are_computed_together_but_apart(folder):
    """In order, without the pair between two videos, and one launch for all of a size."""
    kernels, params = Emulation(folder), TVL1(semantics="cuda", nscales=1, warps=1)
    videos = [moving(1, 3), moving(2, height=32, width=35), moving(3, 2)]
    found = cuda.quantised(videos, bound=5, rounding="nearest", params=params, kernels=kernels)
    assert len(kernels.launches) == 2
    for video, planes in zip(videos, found, strict=True):
        alone = cuda.compute_counting(video, params, kernels)[0]
        np.testing.assert_array_equal(planes, flow.encode(alone, 5))


@emulated
def test_pairs_that_do_not_fit_into_the_memory_are_computed_in_turn(folder, monkeypatch):
    frames, params = moving(1, 4), TVL1(semantics="cuda", nscales=1, warps=1)
    kernels = Emulation(folder)
    whole = cuda.compute_counting(frames, params, kernels)
    monkeypatch.setattr(cuda, "MEMORY", 2 * cuda.BYTES_PER_PIXEL * frames[0].size)
    parts = cuda.compute_counting(frames, params, kernels)
    assert len(kernels.launches) == 3
    np.testing.assert_array_equal(parts[0], whole[0])
    assert parts[1] == whole[1]


@pytest.mark.parametrize("rounding", ["nearest", "truncate"])
@pytest.mark.parametrize("bound", [20, 7.3])
def test_8_bit_values_are_those_of_the_cpu(rounding, bound):
    values = np.random.default_rng(0).normal(0, bound, (2, 2, 300, 300)).astype(np.float32)
    values[0, 0, 0, :256] = np.arange(256) * np.float32(2 * bound / 255) - np.float32(bound)
    found = cuda._quantise(torch.from_numpy(values), bound, rounding)
    np.testing.assert_array_equal(found.numpy(), flow.encode(values, bound, rounding))


# --- how a level is divided ------------------------------------------------------------------

# The largest cluster, and bytes of shared memory of a block: Turing, Ampere, Ada, Hopper.
GPUS = [(1, 65_536), (1, 166_912), (1, 101_376), (16, 232_448)]


@given(
    st.integers(3, 512),
    st.integers(3, 512),
    st.sampled_from(GPUS),
    st.sampled_from(["whole", "tile"]),
)
def test_every_pixel_has_its_thread_and_its_memory(height, width, gpu, kind):
    form = nvidia.divide(height, width, *gpu) if kind == "whole" else nvidia.TILE
    assert form.shared <= gpu[1]
    assert form.blocks <= gpu[0]
    if form.whole:
        assert form.across * form.columns >= width
        assert form.blocks * form.groups * form.rows >= height
    else:
        assert form == nvidia.TILE


def test_the_papers_frames_fit_into_clusters_of_a_hopper_gpu():
    levels = TVL1().shapes(256, 256)
    forms = [nvidia.divide(*shape, *GPUS[-1]) for shape in levels]
    assert [form.blocks for form in forms] == [8, 8, 4, 4, 2]
    assert nvidia.divide(256, 342, *GPUS[-1]).whole
    assert not nvidia.divide(512, 512, *GPUS[-1]).whole
    assert not any(nvidia.divide(*shape, *GPUS[0]).whole for shape in levels[:4])


# --- compiling and launching: stand-ins for cuda-bindings ------------------------------------


class Nvrtc(types.ModuleType):
    """Compiles source to its options; counts how often."""

    def __init__(self):
        super().__init__("nvrtc")
        self.compiled, self.failing = 0, False

    def nvrtcVersion(self):
        return 0, 13, 0

    def nvrtcCreateProgram(self, source, name, count, headers, includes):
        assert source == nvidia.SOURCE.read_bytes()
        return 0, {}

    def nvrtcCompileProgram(self, program, count, options):
        assert count == len(options)
        self.compiled += 1
        program["made"] = b" ".join(options)
        return (6,) if self.failing else (0,)

    def nvrtcGetProgramLogSize(self, program):
        return 0, 12

    def nvrtcGetProgramLog(self, program, log):
        ctypes.memmove(log, b"line 7: odd\n", 12)
        return (0,)

    def nvrtcGetCUBINSize(self, program):
        return 0, len(program["made"])

    def nvrtcGetCUBIN(self, program, made):
        ctypes.memmove(made, program["made"], len(made))
        return (0,)


@pytest.fixture
def nvrtc(monkeypatch, tmp_path):
    stand_in = Nvrtc()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "cuda.bindings.nvrtc", stand_in)
    return stand_in


def test_a_variant_is_compiled_once_and_kept_on_disk(nvrtc):
    one, other = nvidia.TILE, nvidia.divide(64, 64, 1, 10**6)
    found = [nvidia.binary(form, "sm_90") for form in (one, other, one, other)]
    assert nvrtc.compiled == 2
    assert found[0] == found[2] != found[1]
    assert b"sm_90" in found[1]
    assert b"-DWHOLE" in found[1]
    assert b"-DWHOLE" not in found[0]
    nvidia.binary(one, "sm_80")
    assert nvrtc.compiled == 3
    assert len(list(nvidia.folder().iterdir())) == 3


@pytest.mark.parametrize("damage", [lambda content: content[:-1], lambda content: b""])
def test_a_damaged_kernel_is_compiled_again(nvrtc, damage):
    expected = nvidia.binary(nvidia.TILE, "sm_90")
    (path,) = nvidia.folder().iterdir()
    path.write_bytes(damage(path.read_bytes()))
    assert nvidia.binary(nvidia.TILE, "sm_90") == nvidia.binary(nvidia.TILE, "sm_90") == expected
    assert nvrtc.compiled == 2


def test_kernels_that_cannot_be_kept_are_used_all_the_same(nvrtc, tmp_path, caplog):
    (tmp_path / "dsnet").write_text("no folder")
    assert b"sm_90" in nvidia.binary(nvidia.TILE, "sm_90")
    assert "set XDG_CACHE_HOME" in caplog.text


def test_what_the_compiler_says_is_told(nvrtc):
    nvrtc.failing = True
    with pytest.raises(RuntimeError, match=r"NVRTC 13\.0: line 7: odd$"):
        nvidia.binary(nvidia.TILE, "sm_90")
    assert not nvidia.folder().exists()


@pytest.fixture
def hopper(nvrtc, monkeypatch):
    """A stand-in for a driver with an H100; calls that it was sent."""
    calls = []
    attributes = types.SimpleNamespace(
        CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES="shared",
        CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED="large",
    )

    def record(name, *given):
        calls.append((name, *given))
        return (0,) if name in ("set", "launch") else (0, name)

    shared = "CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN"
    driver = types.SimpleNamespace(
        CUfunction_attribute=attributes,
        CUdevice_attribute=types.SimpleNamespace(**{shared: shared}),
        cuDeviceGet=lambda index: (0, f"GPU {index}"),
        cuDeviceGetAttribute=lambda name, gpu: (0, {(shared, "GPU 0"): 232_448}[name, gpu]),
        cuModuleLoadData=partial(record, "load"),
        cuModuleGetFunction=partial(record, "function"),
        cuFuncSetAttribute=partial(record, "set"),
        cuLaunchKernel=partial(record, "launch"),
    )
    monkeypatch.setitem(sys.modules, "cuda.bindings.driver", driver)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index=None: (9, 0))
    stream = types.SimpleNamespace(cuda_stream=77)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: stream)
    return nvidia.Gpu(0), driver, calls


def test_a_launch_gives_the_driver_addresses_and_numbers_with_their_types(hopper):
    gpu, _, calls = hopper
    form, tensor = nvidia.divide(256, 342, gpu.clusters, gpu.shared), torch.zeros(3)
    for _ in range(2):
        gpu.launch(form, "whole", 32, tensor, ctypes.c_int(5), ctypes.c_double(0.5))
    assert [name for name, *_ in calls] == ["load", "function", "set", "set", "launch", "launch"]
    assert form.blocks == 16
    assert ("set", "function", "shared", form.shared) in calls
    assert ("set", "function", "large", 1) in calls
    values = (tensor.data_ptr(), 5, 0.5), (ctypes.c_void_p, ctypes.c_int, ctypes.c_double)
    grid = (32, 1, 1, form.threads, 1, 1, form.shared, 77)
    assert calls[-1] == ("launch", "function", *grid, values, 0)


def test_a_launch_that_is_refused_is_an_error(hopper):
    gpu, driver, _ = hopper
    driver.cuLaunchKernel = lambda *given: (719,)
    with pytest.raises(nvidia.RefusedError, match=r"does not launch tile as .*: 719"):
        gpu.launch(nvidia.TILE, "tile", 1)


@emulated
def test_where_a_large_cluster_is_refused_smaller_ones_are_used(folder):
    class Part(Emulation):
        """Part of a GPU, with two units side by side."""

        def launch(self, form, name, grid, *arguments):
            if form.blocks > 2:
                raise nvidia.RefusedError("too large")
            super().launch(form, name, grid, *arguments)

    frames = moving(1, height=66, width=47)
    kernels = Part(folder, shared=40_000)
    assert check(frames, kernels, nscales=1, warps=1) == {("linearise", 1), ("tile", 1)}
    assert kernels.clusters == 2


def test_without_a_gpu_the_backend_says_so():
    with pytest.raises(flow.BackendError, match="cuda: PyTorch finds no NVIDIA GPU"):
        flow.resolve("cuda")


def test_without_cuda_bindings_the_backend_says_what_to_install(monkeypatch):
    def missing(gray, params):
        raise ImportError("No module named 'cuda'")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    monkeypatch.setattr(cuda, "compute", missing)
    assert "No module named 'cuda'); they need cuda-bindings" in cuda.why_not()
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (7, 0))
    assert "need (7, 5) or newer" in cuda.why_not()


# --- on a GPU --------------------------------------------------------------------------------


@pytest.mark.gpu
@pytest.mark.parametrize("shape", [(256, 256), (240, 320), (480, 500), (33, 47)])
def test_on_this_gpu(shape):
    kernels = nvidia.gpu()
    frames, params = scenes.moving(1, 4, *shape), TVL1(semantics="cuda")
    found, work = cuda.compute_counting(frames, params, kernels)
    expected, needed = numba.compute_counting(frames, params)
    assert np.abs(found - expected).max() < 1e-4
    assert (flow.encode(found, 20) == flow.encode(expected, 20)).mean() > 0.999
    assert abs(work / needed - 1) < 1e-3
    planes = cuda.quantised([frames], 20, "truncate", params)[0]
    np.testing.assert_array_equal(planes, flow.encode(found, 20, "truncate"))
