"""Where and with how many helpers to compute, which is no part of what is computed."""

from __future__ import annotations

import glob

from dsnet.config.schema import Config

# The keys of ``training`` and ``flow`` that say so.
COMPUTE = ("device", "threads", "workers", "gpus", "processes")
# What there is where Linux has a driver for NVIDIA's or AMD's GPUs.
GPU_DEVICES = ("/dev/nvidia[0-9]*", "/dev/kfd")


def flow_gpus(config: Config) -> int:
    """GPUs that a flow job asks for; by default one where it might use one."""
    chosen = config["flow"]["gpus"]
    if chosen is None:
        on_cpu = config["flow"]["backend"] in ("numba", "opencv")
        return int(not on_cpu and bool(gpu_devices()))
    return chosen


def gpu_devices() -> list[str]:
    """What this machine has of the devices that drivers of GPUs make."""
    return [path for pattern in GPU_DEVICES for path in sorted(glob.glob(pattern))]


def processes(training: Config) -> int:
    """Processes that train or score a stream together, by default one per GPU asked for."""
    return training["processes"] or max(training["gpus"], 1)


def busy_cores(training: Config) -> int:
    """Cores that they keep busy: each computes, and has others that prepare its clips."""
    return processes(training) * (training["threads"] + training["workers"])
