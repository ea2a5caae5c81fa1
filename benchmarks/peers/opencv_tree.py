"""Save both IDX files as PNG trees with OpenCV, at its quickest compression. Prints the seconds.

Usage: opencv_tree.py TRAIN_IMAGES TRAIN_LABELS TEST_IMAGES FOLDER
"""

import sys
import time
from pathlib import Path

import cv2
import numpy


def read_idx(path):
    data = Path(path).read_bytes()
    shape = numpy.frombuffer(data, ">u4", data[3], 4)
    return numpy.frombuffer(data, "uint8", offset=4 + 4 * data[3]).reshape(shape)


def main(train_images, train_labels, test_images, folder):
    options = [cv2.IMWRITE_PNG_COMPRESSION, 1]
    labels = read_idx(train_labels)
    for label in range(10):
        Path(folder, "train", str(label)).mkdir(parents=True)
    Path(folder, "test").mkdir()
    start = time.perf_counter()
    for number, image in enumerate(read_idx(train_images), start=1):
        cv2.imwrite(f"{folder}/train/{labels[number - 1]}/{number:05}.png", image, options)
    for number, image in enumerate(read_idx(test_images), start=1):
        cv2.imwrite(f"{folder}/test/{number:05}.png", image, options)
    print(time.perf_counter() - start)


if __name__ == "__main__":
    main(*sys.argv[1:])
