"""The floor under any tree: create files of the sizes of an existing tree, with no image work at all.

Usage: file_floor.py TREE FOLDER. Prints the seconds.
"""

import os
import sys
import time
from pathlib import Path


def main(tree, folder):
    files = sorted(
        (path.name, path.parent.relative_to(tree), path.stat().st_size) for path in Path(tree).rglob("*.png")
    )
    folders = {}
    for parent in {parent for _, parent, _ in files}:
        (Path(folder) / parent).mkdir(parents=True, exist_ok=True)
        folders[parent] = os.open(Path(folder) / parent, os.O_DIRECTORY)
    jobs = [(name, folders[parent], bytes(size)) for name, parent, size in files]
    start = time.perf_counter()
    for name, parent, data in jobs:
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, dir_fd=parent)
        os.write(file, data)
        os.close(file)
    print(time.perf_counter() - start)


if __name__ == "__main__":
    main(*sys.argv[1:])
