#!/usr/bin/env python3
"""Check an installed OpenCV with CUDA: `python check.py` in the environment that has it.

Without a GPU: the functions of the CPU that dsnet uses work, the TV-L1 flow of `cv2.cuda` can be
created and has the parameters it was given. With one: it also computes a flow that is known.
"""

import sys

import cv2
import numpy as np

# In the order of OpticalFlowDual_TVL1_create, each with OpenCV's default and another value.
PARAMETERS = {
    "Tau": (0.25, 0.125),
    "Lambda": (0.15, 0.3),
    "Theta": (0.3, 0.25),
    "NumScales": (5, 3),
    "NumWarps": (5, 2),
    "Epsilon": (0.01, 0.05),
    "NumIterations": (300, 40),
    "ScaleStep": (0.8, 0.5),
    "Gamma": (0.0, 0.1),
    "UseInitialFlow": (False, True),
}
SHIFT = (2, 1)  # pixels to the right and down


def main() -> None:
    print(f"OpenCV {cv2.__version__} of {cv2.__file__}")
    before, after = images()
    check_cpu(before, after)
    check_parameters()
    # Nothing else of cv2.cuda may be called before the count is known: without a driver (count -1)
    # most of it ends the process.
    count = cv2.cuda.getCudaEnabledDeviceCount()
    print(f"GPUs: {count}")
    if count > 0:
        check_gpu(before, after)
    else:
        print("no flow was computed, as there is no usable GPU")


def images() -> tuple[np.ndarray, np.ndarray]:
    """A smooth random texture and the same moved by SHIFT."""
    noise = np.random.default_rng(0).random((128, 128), np.float32)
    smooth = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)
    before = smooth.astype(np.uint8)
    return before, np.roll(before, SHIFT[::-1], axis=(0, 1))


def check_cpu(before: np.ndarray, after: np.ndarray) -> None:
    for kind, tolerance in ((".png", 0), (".jpg", 10)):
        done, data = cv2.imencode(kind, before)
        back = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
        require(done and cv2.absdiff(before, back).max() <= tolerance, f"{kind} does not survive")
    small = cv2.resize(before, (64, 32), interpolation=cv2.INTER_AREA)
    require(small.shape == (32, 64), "cv2.resize has the wrong shape")
    check_flow(cv2.optflow.DualTVL1OpticalFlow_create().calc(before, after, None), "CPU")


def check_parameters() -> None:
    require(
        hasattr(cv2.cuda, "OpticalFlowDual_TVL1_create"),
        "this OpenCV has no CUDA; if another opencv package is installed too, remove all, then "
        "install the wheel again",
    )
    for column in (0, 1):
        wanted = {name: values[column] for name, values in PARAMETERS.items()}
        create = cv2.cuda.OpticalFlowDual_TVL1_create
        method = create(*wanted.values()) if column else create()
        found = {name: getattr(method, f"get{name}")() for name in wanted}
        require(found == wanted, f"TV-L1 has {found}, not {wanted}")
    print("cv2.cuda.OpticalFlowDual_TVL1: all parameters are read back")


def check_gpu(before: np.ndarray, after: np.ndarray) -> None:
    first, second = cv2.cuda.GpuMat(), cv2.cuda.GpuMat()
    first.upload(before)
    second.upload(after)
    method = cv2.cuda.OpticalFlowDual_TVL1_create()
    check_flow(method.calc(first, second, None).download(), "GPU")


def check_flow(flow: np.ndarray, where: str) -> None:
    middle = np.median(flow[16:-16, 16:-16], axis=(0, 1))
    require(np.allclose(middle, SHIFT, atol=0.1), f"flow of {SHIFT} on the {where} is {middle}")
    print(f"TV-L1 on the {where}: {middle[0]:.2f} {middle[1]:.2f}, wanted {SHIFT[0]} {SHIFT[1]}")


def require(condition: bool, message: str) -> None:
    if not condition:
        sys.exit(f"check.py: {message}")


if __name__ == "__main__":
    main()
