"""Checks of the machine: cores, ffmpeg, OpenCV, flow backend, GPUs, locks."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dsnet import flow, gpus, video
from dsnet.disk import existing
from dsnet.doctor.finding import Finding
from dsnet.errors import UserError
from dsnet.experiment import Experiment
from dsnet.experiment.data import IMPORTED
from dsnet.experiment.specs import flow_spec

# Codecs of the data sets and of most videos.
DECODERS = ("h264", "hevc", "mpeg4", "msmpeg4", "mjpeg", "rawvideo", "vp9")
INSTALL_CV2 = "reinstall it: pip install --force-reinstall opencv-contrib-python-headless"


def cores(experiment: Experiment) -> Iterator[Finding]:
    """Compare the cores for this process with the cores that one training uses."""
    there = len(os.sched_getaffinity(0))
    training = experiment.training
    busy, count = training.busy_cores(), training.n_processes()
    if busy > there:
        of = f" of {count} processes" if count > 1 else ""
        what = f"{there}; one training keeps {busy} busy (training.threads and workers{of})"
        workers = max(there // count - training.threads, 0)
        yield Finding(
            "cores", "warning", what, f"set training.workers to {workers} for this machine"
        )
    else:
        yield Finding("cores", "ok", f"{there}")


def ffmpeg(experiment: Experiment) -> Iterator[Finding]:
    """Check whether an ffmpeg writes and reads a video as the pipeline does."""
    advice = "install ffmpeg 5.1 or newer, or the wheel that brings one: pip install imageio-ffmpeg"
    try:
        executable = video.ffmpeg_executable()
    except RuntimeError as error:
        yield Finding("ffmpeg", "problem", str(error), advice)
        return
    shown = _output(executable, "-version")
    version = re.match(r"ffmpeg version (\S+)", shown)
    name = f"{version[1] if version else 'of unknown version'} at {executable}"
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "try.mp4"
            video.encode(path, np.zeros((4, 16, 16, 3), np.uint8))
            info = video.probe(path)
            decoded = list(video.decode(path, size=16))
    except (RuntimeError, OSError, video.VideoError) as error:
        yield Finding("ffmpeg", "problem", f"{name} does not work: {error}", advice)
        return
    if info.frames != 4 or len(decoded) != 4:
        what = f"of 4 frames it found {info.frames} and decoded {len(decoded)}"
        yield Finding("ffmpeg", "problem", f"{name}: {what}", advice)
        return
    there = set(re.findall(r"^ V\S+ (\S+)", _output(executable, "-decoders"), re.MULTILINE))
    if lacking := [decoder for decoder in DECODERS if decoder not in there]:
        what = f"{name}; it cannot decode {', '.join(lacking)}"
        yield Finding("ffmpeg", "warning", what, "should your videos need one of these, " + advice)
    else:
        yield Finding("ffmpeg", "ok", name)


def _output(executable: str, option: str) -> str:
    command = [executable, "-hide_banner", option] if option != "-version" else [executable, option]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return result.stdout


def opencv(experiment: Experiment) -> Iterator[Finding]:
    """Check OpenCV's version and the modules for two flow backends."""
    import cv2

    major = int(cv2.__version__.split(".")[0])
    if major == 4:
        yield Finding("opencv", "ok", cv2.__version__)
    else:
        what = f"{cv2.__version__}, whose remap and so whose flow differs slightly from version 4's"
        advice = 'for the numbers of version 4: pip install "opencv-contrib-python-headless<5"'
        yield Finding("opencv", "warning", what, advice)
    for name, module in (("opencv", "optflow"), ("opencv-cuda", "cuda.OpticalFlowDual_TVL1")):
        reason = flow.BACKENDS[name].load().why_not()
        if reason is None:
            yield Finding("opencv", "ok", f"{module} is there (flow backend {name})")
        elif name == "opencv":  # every wheel has it
            yield Finding("opencv", "warning", f"no {module}: {reason}", INSTALL_CV2)
        else:
            yield Finding("opencv", "ok", f"no {module}, which is not needed: {reason}")


def flow_backend(experiment: Experiment) -> Iterator[Finding]:
    """Compute the flow of a pair of frames by the method of the experiment."""
    if experiment.flow.algorithm == IMPORTED:
        what = f"imported from images of layout {experiment.flow.imported.layout}"
        yield Finding("flow", "ok", f"{what}; none is computed")
        return
    try:
        method = flow.of_spec(flow_spec(experiment), cores=experiment.flow.n_threads())
        method(np.zeros((2, 32, 32), np.uint8))
    except UserError as error:
        advice = "set flow.backend: auto, or mend what is named"
        yield Finding("flow", "problem", str(error), advice)
        return
    semantics, backend = experiment.flow.semantics, flow.BACKENDS.get(method.name)
    # Under semantics cpu, which cuda does not follow, any GPU will do.
    on_gpu = backend is not None and backend.load().device() != "cpu"
    best = backend is None or method.name == "cuda" or (semantics == "cpu" and on_gpu)
    if best or not gpus.devices():
        yield Finding("flow", "ok", method.where)
        return
    try:
        flow.resolve("cuda", semantics)
        advice = "set flow.backend: auto, which takes the backend cuda"
    except UserError as error:
        advice = str(error)
    what = f"{method.where}, although there is a GPU, for which the backend cuda is the fastest"
    yield Finding("flow", "warning", what, advice)


def gpu(experiment: Experiment) -> Iterator[Finding]:
    """Check whether PyTorch finds the existing GPUs and the wanted ones."""
    import torch

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    reasons = "; ".join(str(warning.message).splitlines()[0] for warning in caught)
    built = torch.version.cuda or torch.version.hip
    for index in range(count):
        about = torch.cuda.get_device_properties(index)
        memory = f"{about.total_memory / 2**30:.0f} GiB"  # GPUs are sold in GiB
        found = f"{about.name}, {memory}, PyTorch {torch.__version__}"
        yield Finding("gpu", "ok", f"cuda:{index}: {found}")
    if not count and (devices := gpus.devices()):
        if built is None:
            advice = "install the build of PyTorch for your GPU's driver; see pytorch.org"
            found = f"{devices[0]} is there, but PyTorch {torch.__version__} has no GPU support"
        else:
            advice = "compare the driver's version (nvidia-smi) with what PyTorch was built for"
            found = f"{devices[0]} is there, but PyTorch, built for {built}, cannot use it"
            found += f": {reasons}" if reasons else ""
        yield Finding("gpu", "problem", found, advice)
    yield from _asked(experiment, count)


def _asked(experiment: Experiment, count: int) -> Iterator[Finding]:
    """Compare the GPUs that trainings ask for with the GPUs found."""
    trainings = [experiment.training, *(s.training for s in experiment.streams.values())]
    wanted = max(training.gpus or 0 for training in trainings)
    must = any(training.device.startswith("cuda") for training in trainings)
    elsewhere = "on a cluster's login node this may be as it should"
    if wanted > count or (must and not count):
        what = f"the experiment asks for {max(wanted, 1)}, and PyTorch finds {count or 'none'}"
        slow = "" if count else " and training.device: cpu; training takes long then"
        advice = f"set training.gpus to what there is{slow}; {elsewhere}"
        yield Finding("gpu", "problem" if must or count or wanted > 1 else "warning", what, advice)
    elif not count and not gpus.devices():
        yield Finding("gpu", "ok", "none, and none is asked for: trained on the CPU")


def locks(experiment: Experiment) -> Iterator[Finding]:
    """Check whether the file systems of data and results have locks, which keep runs apart."""
    folders = (experiment.results, experiment.folder)
    for place in dict.fromkeys(existing(folder).absolute() for folder in folders):
        try:
            with tempfile.TemporaryFile(dir=place) as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            what = f"the file system of {place} has none ({error.strerror})"
            advice = (
                "start one run at a time; after one was killed, look that none of its jobs lives. "
                "dsnet reads its files there; for other programs set HDF5_USE_FILE_LOCKING=FALSE"
            )
            yield Finding("locks", "warning", what, advice)
        else:
            yield Finding("locks", "ok", f"the file system of {place} has them")
