"""What every trainer does between epochs: resume from a checkpoint, keep the best arrays, stop."""

from collections.abc import Callable, Mapping

import numpy as np

from digitflow.training.checkpoint import Checkpoint
from digitflow.training.history import History
from digitflow.training.settings import Settings

BEST = "best "  # begins the names of the arrays in a checkpoint that are the best epoch's, not the last one's


class Course:
    """The epochs of a training, from its checkpoint on if it left one, and the best arrays among them.

    `state` returns all arrays that change as the learner trains; `restore` puts back those from after a given
    number of epochs. `observe` shows its schedule the validation loss of each epoch, including those before
    an interruption. `validates` is false if there are no validation rows.
    """

    def __init__(
        self,
        settings: Settings,
        validates: bool,
        checkpoint: Checkpoint | None,
        state: Callable[[], Mapping[str, np.ndarray]],
        restore: Callable[[Mapping[str, np.ndarray], int], None],
        observe: Callable[[float], None],
    ):
        self._checkpoint, self._state, self._restore, self._observe = checkpoint, state, restore, observe
        kept = checkpoint.load() if checkpoint else None
        arrays, rows = kept or ({}, [])
        self.history = History(settings, rows, validates)
        self._best = {name: array for name, array in arrays.items() if name.startswith(BEST)}
        if kept:
            restore(arrays, len(rows))
            for row in rows:
                observe(row["valid_loss"])

    def end_epoch(
        self, loss: float, accuracy: float, valid_loss: float, valid_accuracy: float, learning_rate: float
    ) -> None:
        """Record the epoch that just ended, and keep the arrays. Raises as `History.add`."""
        self.history.add(loss, accuracy, valid_loss, valid_accuracy, learning_rate)
        self._observe(valid_loss)
        if self.history.keeps:
            self._best = {BEST + name: np.array(array) for name, array in self._state().items()}
        if self._checkpoint and not self.history.over:
            self._checkpoint.save({**self._state(), **self._best}, self.history)

    def restore_best(self) -> bool:
        """If the best epoch's arrays were kept (`patience`), give them to the learner; return whether so."""
        if self._best:
            best = {name.removeprefix(BEST): array for name, array in self._best.items()}
            self._restore(best, self.history.best_epoch)
        return bool(self._best)
