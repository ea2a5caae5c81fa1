"""No room, no inodes, a limit on the size of files, a folder that cannot be written.

Each stage says so, leaves nothing half-written, and makes the right bytes when it runs again and finds room.

The commands are the rules' own, as a dry run prints them. The disks are small ones in memory. Mounting takes
root; the last test gives others a user namespace in which they are.
"""

import contextlib
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.workflow.conftest import Clone, fill, mount, small_disk
from tests.workflow.torture import contents, leftovers

BIG = 64 << 20
KERAS, MXNET = "results/models/keras_cnn/seed0", "results/models/mxnet_cnn/seed0"


@dataclass(frozen=True)
class Stage:
    """A job, told by its log; the folder that it writes to; and the name that an error must give."""

    log: str
    folder: str
    named: str


IDX = Stage("csv_to_idx/train", "data/idx", "data/idx/")
PNG = Stage("idx_to_png/train", "data/png", "data/png/train")
LST = Stage("write_lst", "data/rec", "data/rec/train.lst")
REC = Stage("pack_rec/train", "data/rec", "data/rec/train.rec")
TRAIN_KERAS = Stage("train_keras/keras_cnn-seed0", KERAS, f"{KERAS}/model.keras")
TRAIN_MXNET = Stage("train_mxnet/mxnet_cnn-seed0", MXNET, f"{MXNET}/model-symbol.json")
PREDICT_KERAS = Stage("predict_keras/keras_cnn-seed0-test", KERAS, f"{KERAS}/test_probabilities.npy")
PREDICT_MXNET = Stage("predict_mxnet/mxnet_cnn-seed0-test", MXNET, f"{MXNET}/test_probabilities.npy")
SUBMIT = Stage("submit_model/keras_cnn", "results/submissions", "results/submissions/keras_cnn.csv")
MERGE = Stage("merge", "results", "results/submission.csv")
SCORE = Stage("score/keras_cnn-seed0", KERAS, f"{KERAS}/score.json")
TABLE = Stage("score_table", "results", "results/scores.csv")
STAGES = [
    IDX,
    PNG,
    LST,
    REC,
    TRAIN_KERAS,
    TRAIN_MXNET,
    PREDICT_KERAS,
    PREDICT_MXNET,
    SUBMIT,
    MERGE,
    SCORE,
    TABLE,
]

each_stage = pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.log)


@dataclass(frozen=True)
class Made:
    """A finished run: its jobs' commands and outputs by their logs, and what the outputs are."""

    clone: Clone
    commands: dict[str, str]
    outputs: dict[str, set[str]]

    def expected(self, stage: Stage) -> dict[str, object]:
        return contents(self.clone, self.outputs[stage.log])


@pytest.fixture(scope="module")
def made(finished_run, tmp_path_factory) -> Made:
    """A finished run in which a training is an epoch of a small network, and so takes seconds."""
    folder = tmp_path_factory.mktemp("made") / "clone"
    clone = Clone(shutil.copytree(finished_run[0].folder, folder, symlinks=True))
    clone.configure(
        "keras_cnn: {epochs: 5,", "keras_cnn: {architecture: mlp, network: {hidden: [200]}, epochs: 1,"
    )
    clone.configure("mxnet_cnn: {epochs: 5,", "mxnet_cnn: {epochs: 1,")
    finished = clone.snakemake()
    assert finished.returncode == 0, finished.stdout
    commands, outputs = {}, {}
    for job in clone.planned("all", "--forceall", "--printshellcmds"):
        log = job.log.removeprefix("logs/").removesuffix(".log")
        commands[log] = job.command
        outputs[log] = set(job.outputs)
    return Made(clone, commands, outputs)


class Workplace:
    """A copy of a finished run in which one stage is to run, for the first time or again, on its own disk."""

    def __init__(self, made: Made, stage: Stage, clone: Clone):
        self.clone, self.stage = clone, stage
        self.command, self.outputs = made.commands[stage.log], made.outputs[stage.log]
        self.disk = clone.folder / stage.folder

    def remove_outputs(self) -> None:
        """Take away what the stage has made, trees and their inventories among it."""
        for output in self.outputs:
            path = self.clone.folder / output
            path.unlink()
            if path.parent.name == "png":
                path.with_suffix(".inventory").unlink()
                shutil.rmtree(path.with_suffix(""))

    def mounted(self, options: str) -> contextlib.AbstractContextManager[None]:
        """Put a small disk in the place of the stage's folder, with what else is in there."""
        return small_disk(self.disk, options)

    def remount(self, options: str) -> None:
        # The other options name the owner, which a user namespace does not take back.
        mount("--options-mode", "ignore", "-o", f"remount,{options}", "tmpfs", self.disk)

    def run(self, limit: int | None = None) -> subprocess.CompletedProcess:
        """Run the stage's command; `limit` is the largest file it may write, in bytes."""
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "-c", self.command],
            cwd=self.clone.folder,
            env={**os.environ, "PATH": path, "PYTHONPATH": str(self.clone.folder / "workflow")},
            text=True,
            capture_output=True,
            check=False,
            preexec_fn=limit and (lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))),
        )

    def fails(self, cause: str, limit: int | None = None) -> None:
        """Run; there must be one clear line, and the files of this stage as they were, if there were any."""
        before = contents(self.clone, self.outputs)
        result = self.run(limit)
        assert result.returncode == 1, result.stderr
        (error,) = (line for line in result.stderr.splitlines() if " | error: " in line)
        assert self.stage.named in error
        assert cause in error
        assert "Traceback" not in result.stderr
        assert contents(self.clone, self.outputs) == before
        assert not leftovers(self.clone)

    def succeeds(self, made: Made) -> None:
        """Run; the bytes must be those of the finished run."""
        result = self.run()
        assert result.returncode == 0, result.stderr
        assert contents(self.clone, self.outputs) == made.expected(self.stage)
        assert not leftovers(self.clone)


@pytest.fixture
def workplace(made, tmp_path) -> Callable[[Stage], Workplace]:
    """Makes the workplace of a stage that is to run for the first time or, if asked, again."""

    def of(stage: Stage, again: bool = False) -> Workplace:
        folder = shutil.copytree(made.clone.folder, tmp_path / "clone", symlinks=True)
        place = Workplace(made, stage, Clone(folder))
        if not again:
            place.remove_outputs()
        return place

    return of


@each_stage
def test_a_full_disk_is_named_and_harms_nothing(stage, workplace, made):
    place = workplace(stage)
    with place.mounted(f"size={BIG}"):
        filler = fill(place.disk, room=0)
        place.fails("No space left on device")
        filler.unlink()
        place.succeeds(made)


@pytest.mark.parametrize(("stage", "room"), [(IDX, 200_000), (PNG, 1_000_000), (LST, 8192), (REC, 100_000)])
def test_a_disk_that_fills_up_half_way_is_named_and_harms_nothing(stage, room, workplace, made):
    place = workplace(stage)
    with place.mounted(f"size={BIG}"):
        filler = fill(place.disk, room)
        place.fails("No space left on device")
        filler.unlink()
        place.succeeds(made)


@pytest.mark.parametrize(
    "stage", [TRAIN_KERAS, TRAIN_MXNET, PREDICT_KERAS, PREDICT_MXNET], ids=lambda stage: stage.log
)
def test_what_takes_long_finds_out_before_it_reads_its_inputs(stage, workplace, made):
    place = workplace(stage)
    for path in (place.clone.folder / "data").rglob("*.*"):
        if path.is_file():
            path.write_bytes(b"")  # which would be the first error otherwise
    with place.mounted(f"size={BIG}"):
        fill(place.disk, room=0)
        place.fails("No space left on device")


def test_a_disk_without_inodes_is_named_and_harms_nothing(workplace, made):
    place = workplace(PNG)
    with place.mounted("nr_inodes=400"):  # of 600 images and as many as 201 of the test's tree
        place.fails("an inode: see df -h and df -i")
        place.remount("nr_inodes=4000")
        place.succeeds(made)


@each_stage
def test_a_folder_that_cannot_be_written_is_named_and_keeps_what_is_there(stage, workplace, made):
    place = workplace(stage, again=True)
    with place.mounted(f"size={BIG}"):
        place.remount("ro")
        place.fails("Read-only file system")
        place.remount("rw")
        place.succeeds(made)


@pytest.mark.parametrize(
    ("stage", "limit"),
    [(IDX, 100_000), (PNG, 200), (LST, 8192), (REC, 100_000), (TRAIN_KERAS, 300_000), (MERGE, 1000)],
)
def test_a_limit_on_the_size_of_files_is_named_and_harms_nothing(stage, limit, workplace, made):
    place = workplace(stage)
    place.fails("File too large", limit)
    place.succeeds(made)


@pytest.mark.parametrize("missing", [500_000, 100], ids=["noticed by MXNet", "not noticed by MXNet"])
def test_a_model_that_mxnet_writes_in_part_is_not_taken_for_whole(missing, workplace, made):
    place = workplace(Stage(TRAIN_MXNET.log, MXNET, "MXNet cannot write its model here"))
    size = (made.clone.folder / MXNET / "model-0000.params").stat().st_size
    place.fails("FileStream" if missing > 100 else "Invalid NDArray file format", size - missing)
    place.succeeds(made)


def test_snakemake_ends_with_the_stage_s_own_words_and_goes_on_when_there_is_room(workplace, made):
    place = workplace(MERGE)
    with place.mounted(f"size={BIG}"):
        filler = fill(place.disk, room=0)
        full = place.clone.snakemake("results/submission.csv")
        assert full.returncode == 1
        assert f"error: {MERGE.named}: cannot be written: No space left on device" in full.stdout
        assert "Traceback" not in full.stdout
        filler.unlink()
        assert place.clone.snakemake("results/submission.csv").returncode == 0
        assert contents(place.clone, place.outputs) == made.expected(MERGE)


def test_a_log_that_finds_no_room_stops_nothing(workplace, made):
    place = workplace(Stage(LST.log, "logs", "logs"))
    with place.mounted(f"size={BIG}"):
        fill(place.disk, room=0)
        result = place.run()
        assert result.returncode == 0
        assert "data/rec/train.lst: 540 train images" in result.stderr
        assert "Traceback" not in result.stderr
        assert contents(place.clone, place.outputs) == made.expected(place.stage)
        place.remount("ro")
        refused = place.run()
        assert refused.returncode == 1
        assert re.search(r"error: .*Read-only file system: '.*/logs/write_lst.log'\n$", refused.stderr)


@pytest.mark.skipif(os.geteuid() == 0, reason="root has run the tests above")
def test_those_who_are_not_root_can_run_all_of_this_in_a_user_namespace():
    tests = [sys.executable, "-m", "pytest", "--disable-warnings", __file__]
    inside = subprocess.run(
        ["unshare", "--map-root-user", "--mount", *tests], text=True, capture_output=True, check=False
    )
    if inside.returncode and "unshare: " in inside.stderr:
        pytest.skip(f"neither root nor a user namespace: {inside.stderr.strip()}")
    assert inside.returncode == 0, inside.stdout
