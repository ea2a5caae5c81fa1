"""Set MXNet up, and predict with a saved MXNet model.

MXNet is imported inside the functions, because it reads its environment variables only once, on import.
"""

import ctypes
import importlib.util
import logging
import os
import platform
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from digitflow.base.errors import DeviceError
from digitflow.training import child, driver
from digitflow.training import device as devices
from digitflow.training.data import PREDICT_ROWS, shifted
from digitflow.training.settings import Settings

if TYPE_CHECKING:
    import mxnet as mx

log = logging.getLogger("digitflow")

ENVIRONMENT = {
    "OMP_WAIT_POLICY": "passive",  # a thread that waits for others sleeps, and leaves its core to them
    "MXNET_CUDNN_AUTOTUNE_DEFAULT": "0",  # no trial runs: each logs a line, and they choose by the clock
    "MXNET_SUBGRAPH_VERBOSE": "0",  # no line about how it compiles a symbol
}
# NVIDIA's libraries, ordered so that each finds those it needs.
CUDA_LIBRARIES = (
    "cuda_runtime/lib/libcudart",
    "cuda_nvrtc/lib/libnvrtc",
    "cublas/lib/libcublas",
    "cudnn/lib/libcudnn",
    "cusparse/lib/libcusparse",
    "cusolver/lib/libcusolver",
    "cufft/lib/libcufft",
    "curand/lib/libcurand",
    "nccl/lib/libnccl",
    "nvtx/lib/libnvToolsExt",
)


def apply(
    symbol: Path, params: Path, images: np.ndarray, settings: Settings, device: str, threads: int
) -> tuple[np.ndarray, str]:
    """Predict uint8 images (n, h, w[, 3]), of the size that a saved model learned from, with this model.

    Returns softmax rows float32 (n, classes), and the name of the device.
    """
    context, where = prepare(device, threads, settings.deterministic)
    import mxnet as mx

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the input's type, not known before the first batch
        network = mx.gluon.SymbolBlock.imports(str(symbol), ["data"], str(params), ctx=context)
    scale = np.float32(1 if settings.raw_pixels else 1 / 255)
    rows = []
    for start in range(0, len(images), PREDICT_ROWS):
        block = images[start : start + PREDICT_ROWS].astype(np.float32) * scale
        block = np.moveaxis(block.reshape(*block.shape[:3], -1), 3, 1)
        views = [
            network(mx.nd.array(view, ctx=context)).softmax()
            for view in shifted(block, settings.test_shifts, axis=2)
        ]
        rows.append((sum(views) / len(views)).asnumpy())
    return np.concatenate(rows), where


def prepare(device: str, threads: int, deterministic: bool = True) -> tuple["mx.Context", str]:
    """Set MXNet up for `device` (auto, cpu or gpu); return its context and its name. Raises DeviceError.

    `deterministic` forbids operations that give different bytes each time; MXNet has those only on GPUs.
    """
    device = devices.settled(device)
    computing = str(computing_threads(threads))
    os.environ.update(ENVIRONMENT, OMP_NUM_THREADS=computing, MXNET_OMP_MAX_THREADS=computing)
    os.environ["MXNET_ENFORCE_DETERMINISM"] = str(int(deterministic))
    if device != "cpu" and devices.has_driver():
        devices.take_gpu()
    load_cuda()
    import mxnet as mx

    gpus = usable_gpus() if device != "cpu" else []
    build = "" if mx.runtime.Features().is_enabled("CUDA") else ", a build for CPUs,"
    chosen = devices.choose_device(device, f"MXNet {mx.__version__}{build}", gpus)
    return mx.Context(chosen), devices.announce(chosen, gpus, versions())


def load_cuda() -> None:
    """Load the libraries of MXNet's CUDA build, which looks for them beside itself, not where they are.

    Does nothing for the build for CPUs. Raises DeviceError if the driver's own library is missing, without
    which the CUDA build cannot be imported.
    """
    if not (found := importlib.util.find_spec("nvidia")):
        return
    try:
        ctypes.CDLL(driver.LIBRARY)
    except OSError as error:
        raise DeviceError(
            f"MXNet's CUDA build needs the NVIDIA driver: {error}; on a machine without a GPU run `make cpu`"
        ) from error
    for folder in map(Path, found.submodule_search_locations or ()):
        for name in CUDA_LIBRARIES:
            for path in folder.glob(f"{name}.so.*"):
                ctypes.CDLL(str(path), ctypes.RTLD_GLOBAL)


def usable_gpus() -> list[str]:
    """The GPUs that MXNet can calculate on. Those that it sees are tried in a separate process, which may
    abort: the build may have no code for them.
    """
    import mxnet as mx

    try:
        gpus = [str(mx.gpu(number)) for number in range(mx.context.num_gpus())]
        mistake = child.call(try_gpu) if gpus else ""
    except mx.MXNetError as error:
        gpus, mistake = [], last_line(error)
    except ChildProcessError:
        mistake = "a process that tried it was aborted"
    if mistake:
        log.warning(f"warning: MXNet's CUDA build cannot calculate on this machine's GPU: {mistake}")
    return [] if mistake else gpus


def try_gpu() -> str:
    """Multiply on the GPU; return what went wrong, or ""."""
    load_cuda()
    import mxnet as mx

    try:
        ones = mx.nd.ones((2, 2), ctx=mx.gpu())
        mx.nd.dot(ones, ones).wait_to_read()
    except mx.MXNetError as error:
        return last_line(error)
    return ""


def last_line(error: Exception) -> str:
    """The message of an MXNet error, without the traceback before it."""
    return str(error).strip().rpartition("\n")[2]


def computing_threads(threads: int) -> int:
    """How many of `threads` compute: one reads and warps the images, the network has the others.

    Its operations take less than a millisecond, and at the end of each all threads wait for the last one:
    with more threads than free cores an epoch cost five times the CPU time.
    """
    return max(min(threads, devices.cores()) - 1, 1)


def versions() -> dict[str, str]:
    import mxnet as mx

    return {"python": platform.python_version(), "mxnet": mx.__version__, "numpy": np.__version__}
