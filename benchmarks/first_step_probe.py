"""Write the time of the first finished batch, in Keras or MXNet, into the file that FIRST_STEP names.

`first_step.py` puts this into the `workflow` folder of a copy of a checkout as `sitecustomize.py`: rules put
that folder on the path, and Python imports a module of this name when it starts.
"""

import importlib.abc
import importlib.machinery
import os
import sys
import time


def wrap_keras(module):
    """Have Keras' list of callbacks report when a batch ends."""
    end = module.CallbackList.on_train_batch_end

    def on_train_batch_end(self, *arguments, **named):
        tell()
        return end(self, *arguments, **named)

    module.CallbackList.on_train_batch_end = on_train_batch_end


def wrap_mxnet(module):
    """Have MXNet's optimizers report when the weights after the first batch are ready."""
    update = module.Updater.__call__

    def call(self, *arguments, **named):
        update(self, *arguments, **named)
        if not told().exists():
            import mxnet

            mxnet.nd.waitall()  # until then the batch is only queued
            tell()

    module.Updater.__call__ = call


WRAPPERS = {"keras.src.callbacks.callback_list": wrap_keras, "mxnet.optimizer.optimizer": wrap_mxnet}


class Finder(importlib.abc.MetaPathFinder):
    """Loads the modules of WRAPPERS, and wraps their functions."""

    def find_spec(self, name, path, target=None):
        if name not in WRAPPERS:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        execute = spec.loader.exec_module

        def execute_and_wrap(module):
            execute(module)
            WRAPPERS[name](module)

        spec.loader.exec_module = execute_and_wrap
        return spec


def told():
    """The file for the time."""
    from pathlib import Path  # not in every Python that starts

    return Path(os.environ["FIRST_STEP"])


def tell():
    """Write the time, unless it has been written."""
    path = told()
    if not path.exists():
        unfinished = path.with_suffix(f".{os.getpid()}")
        unfinished.write_text(repr(time.time()))
        unfinished.replace(path)


if "FIRST_STEP" in os.environ:
    sys.meta_path.insert(0, Finder())
