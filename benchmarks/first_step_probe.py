"""Write the times of the first finished training batches, of Keras and of MXNet, into the folder FIRST_STEPS.

`first_step.py` puts this into the `workflow` folder of a copy of a checkout as `sitecustomize.py`: rules put
that folder on the path, and Python imports a module of this name when it starts.
"""

import importlib.abc
import importlib.machinery
import os
import sys
import time

KERAS, MXNET = "keras.src.callbacks.callback_list", "digitflow.training.mxnet_networks"


class Finder(importlib.abc.MetaPathFinder):
    """Loads what takes a framework's steps, and has it tell the time when a first one ends."""

    def find_spec(self, name, path, target=None):
        if name not in (KERAS, MXNET):
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        execute = spec.loader.exec_module

        def execute_and_wrap(module):
            execute(module)
            if name == KERAS:
                steps = module.CallbackList
                steps.on_train_batch_end = telling("keras", steps.on_train_batch_end)
                return
            for steps in (module.Block, module.Symbolic):
                steps.step = telling("mxnet", steps.step, module.mx.nd.waitall)

        spec.loader.exec_module = execute_and_wrap
        return spec


def telling(framework, step, wait=lambda: None):
    """The method, which now tells the time at its first call."""
    from pathlib import Path  # not in every Python that starts

    def tell(self, *arguments, **named):
        path = Path(os.environ["FIRST_STEPS"], framework)
        returned = step(self, *arguments, **named)
        if not path.exists():
            wait()
            unfinished = path.with_suffix(f".{os.getpid()}")
            unfinished.write_text(repr(time.time()))
            unfinished.replace(path)
        return returned

    return tell


if "FIRST_STEPS" in os.environ:
    sys.meta_path.insert(0, Finder())
