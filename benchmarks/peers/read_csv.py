"""Read both CSVs into uint8 numpy arrays with a current library; print the seconds without the import."""

import importlib
import sys
import time


def header(path):
    with open(path) as file:
        return file.readline().rstrip("\n").split(",")


def polars(path):
    import polars

    # Its quickest way: given the type, it neither guesses nor widens.
    columns = header(path)
    return polars.read_csv(path, schema=dict.fromkeys(columns, polars.UInt8)).to_numpy()


def pyarrow(path):
    import numpy
    import pyarrow
    import pyarrow.csv

    options = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(header(path), pyarrow.uint8()))
    table = pyarrow.csv.read_csv(path, convert_options=options)
    return numpy.column_stack([column.to_numpy() for column in table.columns])


def pandas(path):
    import pandas

    return pandas.read_csv(path, dtype="uint8").to_numpy()


if __name__ == "__main__":
    library, *paths = sys.argv[1:]
    importlib.import_module(library)
    start = time.perf_counter()
    for path in paths:
        globals()[library](path)
    print(time.perf_counter() - start)
