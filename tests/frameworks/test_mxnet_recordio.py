"""RecordIO beside MXNet's own reader and writer, in both directions."""

import json
import subprocess

import numpy as np
import pytest

from digitflow.formats import recordio

MAGIC = recordio.MAGIC_BYTES
RNG = np.random.default_rng(0)

# Reads [[labels, id, payload in hex], ...]; has MXNet write them, and read what digitflow wrote of them.
SCRIPT = """
import json, sys
import mxnet as mx
records = [(labels, index, bytes.fromhex(data)) for labels, index, data in json.load(sys.stdin)]
theirs = mx.recordio.MXIndexedRecordIO("theirs.idx", "theirs.rec", "w")
for labels, index, data in records:
    label = labels[0] if len(labels) == 1 else labels
    theirs.write_idx(index, mx.recordio.pack(mx.recordio.IRHeader(0, label, index, 0), data))
theirs.close()
ours = mx.recordio.MXIndexedRecordIO("theirs.idx", "ours.rec", "r")
found = []
for _, index, _ in records:
    header, data = mx.recordio.unpack(ours.read_idx(index))
    labels = [header.label] if header.flag == 0 else header.label.tolist()
    found.append((labels, header.id, data.hex()))
json.dump(found, sys.stdout)
"""


def payloads():
    """What has tripped RecordIO writers: magic numbers anywhere, lengths around multiples of 4, nothing."""
    yield from (b"", b"a", b"abc", b"abcd", b"abcde")
    for before in range(6):
        for after in range(6):
            for magic in (MAGIC, MAGIC * 2, MAGIC + b"abcd" + MAGIC, MAGIC[:3]):
                yield b"x" * before + magic + b"y" * after
    pieces = [MAGIC, MAGIC[:1], MAGIC[1:], b"\0", b"abcd"]
    for length in RNG.integers(0, 40, 400):
        yield b"".join(pieces[k] for k in RNG.integers(0, len(pieces), length))


@pytest.fixture(scope="module")
def records():
    """Labels, id and payload; every third with several labels, an id that is the magic number itself."""
    labels = [[1.5], [7.0], [0.5, 2.0, -1.0]]
    listed = [(labels[n % 3], n, data) for n, data in enumerate(payloads())]
    return [*listed, ([3.0], recordio.MAGIC, b"id"), ([0.0], recordio.MAGIC << 32, MAGIC)]


@pytest.fixture(scope="module")
def exchanged(records, tmp_path_factory, mxnet_python):
    """The folder with both files, and what MXNet read from ours."""
    folder = tmp_path_factory.mktemp("recordio")
    with open(folder / "ours.rec", "wb") as file:
        for labels, index, data in records:
            file.write(recordio.frame(pack(labels, index) + data))
    told = json.dumps([(labels, index, data.hex()) for labels, index, data in records])
    run = [mxnet_python, "-c", SCRIPT]
    done = subprocess.run(run, cwd=folder, input=told, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


def pack(labels, index):
    if len(labels) == 1:
        return recordio.HEADER.pack(0, labels[0], index, 0)
    return recordio.HEADER.pack(len(labels), 0, index, 0) + np.array(labels, "<f4").tobytes()


def test_ours_are_the_bytes_that_mxnet_writes(exchanged):
    folder, _ = exchanged
    assert (folder / "ours.rec").read_bytes() == (folder / "theirs.rec").read_bytes()


def test_mxnet_reads_what_we_wrote(exchanged, records):
    _, found = exchanged
    assert found == [[labels, index, data.hex()] for labels, index, data in records]


def test_we_read_what_mxnet_wrote(exchanged, records):
    folder, _ = exchanged
    found = [(r.labels.tolist(), r.index, r.payload) for r in recordio.read(folder / "theirs.rec")]
    assert found == records
