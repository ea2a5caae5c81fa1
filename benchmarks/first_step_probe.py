"""Write the time of the first finished training batch of Keras into the file that FIRST_STEP names.

`first_step.py` puts this into the `workflow` folder of a copy of a checkout as `sitecustomize.py`: rules put
that folder on the path, and Python imports a module of this name when it starts.
"""

import importlib.abc
import importlib.machinery
import os
import sys
import time

MODULE = "keras.src.callbacks.callback_list"


class Finder(importlib.abc.MetaPathFinder):
    """Loads Keras' list of callbacks, and has it tell the time when a first batch ends."""

    def find_spec(self, name, path, target=None):
        if name != MODULE:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        execute = spec.loader.exec_module

        def execute_and_wrap(module):
            execute(module)
            module.CallbackList.on_train_batch_end = telling(module.CallbackList.on_train_batch_end)

        spec.loader.exec_module = execute_and_wrap
        return spec


def telling(on_train_batch_end):
    """The method, which now tells the time at its first call."""
    from pathlib import Path  # not in every Python that starts

    def tell(self, *arguments, **named):
        path = Path(os.environ["FIRST_STEP"])
        if not path.exists():
            unfinished = path.with_suffix(f".{os.getpid()}")
            unfinished.write_text(repr(time.time()))
            unfinished.replace(path)
        return on_train_batch_end(self, *arguments, **named)

    return tell


if "FIRST_STEP" in os.environ:
    sys.meta_path.insert(0, Finder())
