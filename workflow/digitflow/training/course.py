"""What every training does, whatever its framework: its epochs, its checkpoints, and what it leaves."""

import dataclasses
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from digitflow.base.checksums import sha256
from digitflow.dataset import classes as class_names
from digitflow.formats.probabilities import write_probabilities
from digitflow.training import schedule
from digitflow.training.checkpoint import Checkpoint, fingerprint
from digitflow.training.history import History, accuracy_of, cross_entropy, one_hot
from digitflow.training.results import write_metrics
from digitflow.training.settings import Settings

log = logging.getLogger("digitflow")

BEST = "best "  # begins the names of the arrays in a checkpoint that are the best epoch's, not the last one's


class Store(Protocol):
    """Keeps the files of finished trainings by their fingerprints (`checkpoint.fingerprint`)."""

    def bring_back(self, fingerprint: str) -> bool:
        """Put the files of this training in place, if the store has them; return whether it had."""

    def keep(self, fingerprint: str) -> None:
        """Keep the files of this training."""


@dataclasses.dataclass(frozen=True)
class Job:
    """What every training is given, whatever its framework, and the files that it writes.

    `code` is the digest of the code that trains, which a checkpoint must match. `store` may already have the
    results of this training.
    """

    settings: Settings
    seed: int
    classes: int
    threads: int
    code: str
    model_files: Sequence[Path]
    history: Path
    metrics: Path
    valid_probabilities: Path
    store: Store | None = None


def job_of(settings: Mapping[str, Any], classes: Path, model_files: Sequence[Path], **others: Any) -> Job:
    """The job of settings, as the configuration has them, for as many classes as a file names."""
    names = class_names.read(classes)
    return Job(Settings.from_dict(settings), classes=len(names), model_files=model_files, **others)


class Learner:
    """A model with its optimizer and its data: the part of a training that each framework has of its own.

    `shape` is that of an image, (h, w) or (h, w, 3). `valid_labels`, int64 (n,), are those of the validation
    rows; there may be none. `rates` is the learning rate at each step, of which an epoch has `per_epoch`;
    steps are counted from 0 through all epochs. They are taken `stretch` at a time, fewer at an epoch's end:
    results may depend on where that is, so it follows from the settings, never from the clock.
    """

    parameters: int  # how many the model has

    def __init__(
        self,
        settings: Settings,
        shape: tuple[int, ...],
        train_images: int,
        valid_labels: np.ndarray,
        per_epoch: int,
    ):
        self.settings, self.shape, self.per_epoch = settings, tuple(shape), per_epoch
        self.stretch = min(settings.checkpoint_steps or per_epoch, per_epoch)
        self.train_images, self.valid_labels = train_images, valid_labels
        steps = settings.epochs * per_epoch
        self.rates = schedule.make(
            settings.schedule, steps, per_epoch, settings.learning_rate, **settings.schedule_options
        )

    def learn(self, first: int, last: int) -> tuple[float, float]:
        """Take the steps from `first` to before `last`, all of one epoch; return mean loss and accuracy."""
        raise NotImplementedError

    def predict(self, shifts: int = 1) -> np.ndarray:
        """Softmax rows float32 (n, classes) of the validation rows, averaged over `shifts` moves."""
        raise NotImplementedError

    def state(self) -> Mapping[str, np.ndarray]:
        """All arrays that change while training."""
        raise NotImplementedError

    def restore(self, arrays: Mapping[str, np.ndarray], steps: int) -> None:
        """Take the state that `state` gave after `steps` steps."""
        raise NotImplementedError

    def save(self, *paths: Path) -> None:
        """Write the trained model's files."""
        raise NotImplementedError

    def observe(self, valid_loss: float) -> None:
        """Show an epoch's result to a schedule that depends on results."""
        if isinstance(self.rates, schedule.Plateau):
            self.rates.observe(valid_loss)

    def finish(self) -> None:
        """Get ready to predict and to be saved: no steps will follow."""


class Course:
    """The epochs of a training, from its checkpoint on if it left one, and the best arrays among them.

    The learner's schedule sees the validation loss of each epoch, including those before an interruption.
    """

    def __init__(self, learner: Learner, checkpoint: Checkpoint | None):
        self._learner, self._checkpoint = learner, checkpoint
        kept = checkpoint.load() if checkpoint else None
        arrays, rows, begun = kept or ({}, [], None)
        self.history = History(learner.settings, rows, len(learner.valid_labels) > 0, begun)
        self._best = {name: array for name, array in arrays.items() if name.startswith(BEST)}
        if kept:
            learner.restore(arrays, self._steps)
            for row in rows:
                learner.observe(row["valid_loss"])

    @property
    def _steps(self) -> int:
        """How many steps have been taken."""
        return len(self.history.rows) * self._learner.per_epoch + self.history.begun.steps

    def run(self) -> None:
        """Train until the course is over, and end with the best arrays, if they were kept (`patience`).

        Raises as `History.add`.
        """
        while not self.history.over:
            self._train_epoch()
            self._end_epoch()
        if self._best:
            best = {name.removeprefix(BEST): array for name, array in self._best.items()}
            self._learner.restore(best, self.history.best_epoch * self._learner.per_epoch)
        self._learner.finish()

    def _train_epoch(self) -> None:
        """Take the steps of an epoch that are left, with checkpoints in between if the settings want them."""
        learner = self._learner
        end = (len(self.history.rows) + 1) * learner.per_epoch
        while (first := self._steps) < end:
            last = min(first + learner.stretch, end)
            self.history.add_steps(last - first, *learner.learn(first, last))
            if last < end:
                self._keep()

    def _end_epoch(self) -> None:
        """Validate and record the epoch that just ended, and keep the arrays."""
        learner = self._learner
        valid_loss = valid_accuracy = math.nan
        if len(learner.valid_labels):
            valid = learner.predict()
            # The training loss has these targets, too: with plain labels the two could not be compared.
            targets = one_hot(learner.valid_labels, valid.shape[1], learner.settings.label_smoothing)
            valid_loss = cross_entropy(valid, targets)
            valid_accuracy = accuracy_of(valid, learner.valid_labels)
        rate = learner.rates(self._steps - 1)
        steps, loss, accuracy, _ = self.history.begun
        self.history.add(loss / steps, accuracy / steps, valid_loss, valid_accuracy, rate)
        learner.observe(valid_loss)
        if self.history.keeps:
            self._best = {BEST + name: np.array(array) for name, array in learner.state().items()}
        if not self.history.over:
            self._keep()

    def _keep(self) -> None:
        if self._checkpoint:
            self._checkpoint.save({**self._learner.state(), **self._best}, self.history)


def fit(learner: Learner, checkpoint: Checkpoint | None = None) -> History:
    """Train a learner. With a checkpoint, training resumes from it and saves one per epoch, or more often."""
    log.info(
        f"{learner.settings.architecture}: {learner.parameters:,} parameters, "
        f"{learner.train_images:,} training images"
    )
    course = Course(learner, checkpoint)
    course.run()
    return course.history


def carry_out(
    job: Job,
    framework: str,
    machine: Mapping[str, Any],
    inputs: Sequence[Path],
    make_learner: Callable[[], Learner],
) -> None:
    """Train; write the model, its history, metrics and validation probabilities.

    `machine` are the facts about what trains that can change a result: versions, device, threads, precision.
    A training that the job's store has from before is brought back instead, and a killed one goes on from its
    checkpoint, if it had the same settings, code, machine and `inputs`. Raises what the learner raises, or
    DigitflowError if training diverges.
    """
    data = {path.name: sha256(path) for path in inputs}
    made_from = fingerprint(job.settings, job.seed, job.classes, machine, data, job.code)
    if job.store and job.store.bring_back(made_from):
        return
    checkpoint = Checkpoint(job.history.with_name("checkpoint.npz"), made_from)
    learner = make_learner()
    history = fit(learner, checkpoint)
    valid = learner.predict(job.settings.test_shifts)
    learner.save(*job.model_files)
    write_results(
        job,
        history,
        valid,
        learner.valid_labels,
        framework=framework,
        **machine,
        parameters=learner.parameters,
        train_images=learner.train_images,
        image_shape=learner.shape,
        data=data,
    )
    checkpoint.remove()
    if job.store:
        job.store.keep(made_from)


def write_results(
    job: Job,
    history: History,
    valid: np.ndarray,
    valid_labels: np.ndarray,
    *,
    framework: str,
    precision: str = "float32",
    **facts: Any,
) -> None:
    """Write a training's history, validation probabilities, and metrics with `facts` about it.

    `valid` (n, classes) holds softmax rows, none if there are no validation rows; if the training diverged
    they are meaningless, and all classes get the same. `precision` is what the network calculated in. The
    metrics hold the SHA-256 of the others and of the model, by which damage is found.
    """
    if history.status == "diverged":
        valid = np.full(valid.shape, 1 / valid.shape[1], np.float32)
    valid_accuracy = accuracy_of(valid, valid_labels) if len(valid) else None
    if len(valid):
        log.info(
            f"validation accuracy {valid_accuracy:.4f} of {len(valid):,} images, {history.seconds:.0f} s"
        )
    settings = job.settings
    history.write(job.history)
    write_probabilities(job.valid_probabilities, valid)
    write_metrics(
        job.metrics,
        [*job.model_files, job.history, job.valid_probabilities],
        framework=framework,
        precision=precision,
        **facts,
        seed=job.seed,
        settings=settings.as_dict(),
        valid_images=len(valid),
        valid_accuracy=valid_accuracy,
        looked_at_validation=settings.looks_at_validation,
        status=history.status,
        epochs=len(history.rows),
        best_epoch=history.best_epoch if settings.patience else None,
        seconds=round(history.seconds, 1),
    )
