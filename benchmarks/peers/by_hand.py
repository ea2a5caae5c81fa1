"""What people do by hand: read with pandas, save a tree with Pillow, dump IDX files from the arrays.

Usage: by_hand.py TRAIN_CSV TEST_CSV FOLDER. Prints the seconds of each step.
"""

import sys
import time
from pathlib import Path

import numpy
import pandas
from PIL import Image


def save_tree(images, labels, folder):
    for number, image in enumerate(images, start=1):
        path = folder / ("" if labels is None else str(labels[number - 1])) / f"{number:05}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)


def save_idx(array, path):
    header = bytes([0, 0, 8, array.ndim]) + numpy.array(array.shape, ">u4").tobytes()
    path.write_bytes(header + array.tobytes())


def main(train_csv, test_csv, folder):
    folder = Path(folder)
    start = time.perf_counter()
    train, test = pandas.read_csv(train_csv), pandas.read_csv(test_csv)
    labels = train["label"].to_numpy("uint8")
    images = train.drop(columns="label").to_numpy("uint8").reshape(-1, 28, 28)
    test_images = test.to_numpy("uint8").reshape(-1, 28, 28)
    read = time.perf_counter()
    save_tree(images, labels, folder / "train")
    save_tree(test_images, None, folder / "test")
    trees = time.perf_counter()
    for array, name in ((images, "train-images"), (labels, "train-labels"), (test_images, "test-images")):
        save_idx(array, folder / name)
    print(read - start, trees - read, time.perf_counter() - trees)


if __name__ == "__main__":
    main(*sys.argv[1:])
