"""Set MXNet up, and predict with a saved model of it.

MXNet is imported inside the functions, for it reads its environment variables only once, on import.
"""

import logging
import os
import platform
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from digitflow.formats import idx
from digitflow.training import device as devices
from digitflow.training.data import shifted
from digitflow.training.settings import Settings

if TYPE_CHECKING:
    import mxnet as mx

log = logging.getLogger("digitflow")

PREDICT_ROWS = 1024  # images per prediction step: memory stays flat whatever the size of the data
ENVIRONMENT = {
    "OMP_WAIT_POLICY": "passive",  # a thread that waits for the others sleeps, and leaves its core to them
    "MXNET_CUDNN_AUTOTUNE_DEFAULT": "0",  # no trial runs, which log a line each and choose by the clock
    "MXNET_ENFORCE_DETERMINISM": "1",
    "MXNET_SUBGRAPH_VERBOSE": "0",  # no line on how it compiles a symbol
}


def apply(
    symbol: Path, params: Path, images: Path, *, settings: Settings, device: str, threads: int
) -> tuple[np.ndarray, str]:
    """Predict all images of an IDX file with a saved model: softmax rows float32 (n, classes), and the
    device.
    """
    pixels = idx.open_memmap(images, idx.IMAGES)
    context, where = prepare(device, threads)
    import mxnet as mx

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the input's type is not known yet: it is the first batch's
        network = mx.gluon.SymbolBlock.imports(str(symbol), ["data"], str(params), ctx=context)
    channels = (pixels.shape[3:] or (1,))[0]
    scale = np.float32(1 if settings.raw_pixels else 1 / 255)
    rows = []
    for start in range(0, len(pixels), PREDICT_ROWS):
        block = pixels[start : start + PREDICT_ROWS].astype(np.float32) * scale
        block = np.moveaxis(block.reshape(*block.shape[:3], channels), 3, 1)
        views = [
            network(mx.nd.array(view, ctx=context)).softmax()
            for view in shifted(block, settings.test_shifts, axis=2)
        ]
        rows.append((sum(views) / len(views)).asnumpy())
    return np.concatenate(rows), where


def prepare(device: str, threads: int) -> tuple["mx.Context", str]:
    """Set MXNet up for `device` (auto, cpu or gpu); return its context and its name. Raises DeviceError."""
    computing = str(computing_threads(threads))
    os.environ.update(ENVIRONMENT, OMP_NUM_THREADS=computing, MXNET_OMP_MAX_THREADS=computing)
    import mxnet as mx

    gpus = [str(mx.gpu(number)) for number in range(mx.context.num_gpus())]
    chosen = devices.choose_device(device, f"MXNet {mx.__version__}", gpus)
    where = f"{chosen}: {', '.join(gpus) if chosen == 'gpu' else devices.cpu_name()}"
    log.info(f"device {where}; " + ", ".join(f"{name} {version}" for name, version in versions().items()))
    return mx.Context(chosen), where


def computing_threads(threads: int) -> int:
    """How many of `threads` compute: one reads and warps the images, the network has the others.

    Its operations take less than a millisecond, and its threads wait for the last of them at the end of each:
    with more threads than free cores an epoch cost five times the CPU time.
    """
    return max(min(threads, devices.cores()) - 1, 1)


def versions() -> dict[str, str]:
    import mxnet as mx

    return {"python": platform.python_version(), "mxnet": mx.__version__, "numpy": np.__version__}
