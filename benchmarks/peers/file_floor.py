"""The floor under any trees: create files of the sizes of existing trees, with no image work at all.

Usage: file_floor.py TREE FOLDER [TREE FOLDER ...]. One process per tree, all beginning at the same moment,
once each knows its files; prints the seconds of the slowest.
"""

import multiprocessing
import os
import sys
import time
from pathlib import Path


def create(tree, folder, begin, seconds):
    files = sorted(
        (path.name, path.parent.relative_to(tree), path.stat().st_size) for path in Path(tree).rglob("*.png")
    )
    folders = {}
    for parent in {parent for _, parent, _ in files}:
        (Path(folder) / parent).mkdir(parents=True, exist_ok=True)
        folders[parent] = os.open(Path(folder) / parent, os.O_DIRECTORY)
    jobs = [(name, folders[parent], bytes(size)) for name, parent, size in files]
    begin.wait()
    start = time.perf_counter()
    for name, parent, data in jobs:
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, dir_fd=parent)
        os.write(file, data)
        os.close(file)
    seconds.put(time.perf_counter() - start)


if __name__ == "__main__":
    trees = list(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    begin, seconds = multiprocessing.Barrier(len(trees)), multiprocessing.Queue()
    processes = [multiprocessing.Process(target=create, args=(*tree, begin, seconds)) for tree in trees]
    for process in processes:
        process.start()
    print(max(seconds.get() for _ in processes))
