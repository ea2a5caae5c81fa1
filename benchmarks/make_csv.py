"""Write a labelled CSV with any number of rows of real digits, to measure how conversions grow.

Usage: make_csv.py SOURCE_CSV ROWS TARGET_CSV. Rows of the source are drawn at random, with a fixed seed.
"""

import random
import sys


def main(source: str, rows: str, target: str) -> None:
    """Copy the header, then `rows` random lines of `source`."""
    with open(source, "rb") as file:
        header, *lines = file.readlines()
    generator = random.Random(0)
    with open(target, "wb") as file:
        file.write(header)
        for start in range(0, int(rows), 10_000):
            file.writelines(generator.choices(lines, k=min(10_000, int(rows) - start)))


if __name__ == "__main__":
    main(*sys.argv[1:])
