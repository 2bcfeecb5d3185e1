"""The training loop, for any architecture and objective; a :class:`Learner` provides those."""

from __future__ import annotations

import json
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, cast

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from colorlab.data import BatchOrder, ImageDataset, create_loader
from colorlab.models import Classifier, Colorizer, save_weights
from colorlab.training.checkpoint import load_state, save_state, write_text
from colorlab.training.distributed import Processes
from colorlab.training.history import History
from colorlab.training.learner import Learner
from colorlab.training.options import RunOptions


class TrainingDivergedError(ArithmeticError):
    """The loss became NaN or infinite."""


class StopRequest:
    """Request to stop training after the current batch, made by Ctrl-C or a notebook's stop button.

    Inside the block the first interrupt only sets ``made``; a second one raises KeyboardInterrupt. Another thread
    requests a stop by setting ``made`` to True.
    """

    def __init__(self) -> None:
        self.made = False

    def __enter__(self) -> StopRequest:
        self._before: Any = None
        # Python delivers signals to the main thread only.
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def _note(self, signum: int, frame: FrameType | None) -> None:
        if self.made:
            raise KeyboardInterrupt
        self.made = True

    def __exit__(self, *exception: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)


@dataclass(frozen=True)
class Progress:
    """The progress of a run, reported between batches.

    Attributes:
        epoch: the current epoch, from 1.
        seen: images trained on so far, including earlier epochs.
        total: images in all epochs.
        statistics: means over the last batch, such as ``loss``.
        history: of the run; it grows with every epoch.
    """

    epoch: int
    seen: int
    total: int
    statistics: Mapping[str, float]
    history: History


@dataclass
class Position:
    """The position of a run: ``batch`` batches of ``epoch`` (from 1) are done, with the sums of their statistics.

    ``seen`` counts the images of this process, ``seconds`` the time in training steps.
    """

    epoch: int = 1
    batch: int = 0
    seen: int = 0
    seconds: float = 0.0
    sums: dict[str, float] | None = None


class Run:
    """A training run: its learner, data, folder and position.

    Args:
        options: of the run.
        learner: what is trained.
        trainset: images to train on.
        valset: images to validate on.
        history: records the epochs; images that it already holds are kept.
        processes: the processes that train together.
        label: of the progress bar.
    """

    def __init__(
        self,
        options: RunOptions,
        learner: Learner,
        trainset: ImageDataset,
        valset: ImageDataset,
        history: History,
        processes: Processes,
        label: str,
    ) -> None:
        self.options, self.learner, self.history, self.processes = options, learner, history, processes
        self.label = label
        shared: dict[str, Any] = {
            "rank": processes.rank,
            "processes": processes.count,
            "pin_memory": learner.device.type == "cuda",
            "workers": options.workers(learner.device, processes.count),
        }
        self.datasets = trainset, valset
        self.train_loader, self.order = create_loader(
            trainset,
            options.batch_size,
            seed=options.seed,
            max_shift=options.max_shift,
            crops=options.crops,
            **shared,
        )
        self.val_loader, _ = create_loader(valset, options.validation_batch_size, **shared)
        self.position = Position()
        self.stopped = False

    @property
    def checkpoint(self) -> Path:
        """Return the path of the checkpoint to resume from."""
        return self.options.folder / "checkpoint.pt"

    @property
    def total(self) -> int:
        """Return the number of images in all epochs."""
        return int(self.options.max_epochs * self.order.length)

    @property
    def seen(self) -> int:
        """Return the number of images that all processes trained on so far."""
        return int((self.position.epoch - 1) * self.order.length + self.position.seen * self.processes.count)

    def train(
        self,
        on_epoch: Callable[[History], None] | None = None,
        on_batch: Callable[[Progress], None] | None = None,
        stop: StopRequest | None = None,
    ) -> None:
        """Train all epochs, or with ``resume`` those after the checkpoint.

        Args:
            on_epoch: called after each epoch.
            on_batch: called between batches, in place of the progress bar.
            stop: the request to stop; by default an interrupt makes it.

        Raises:
            ValueError: the folder holds another run, or the checkpoint was written with other options.
            TrainingDivergedError: the loss became NaN or infinite; the last checkpoint is from before.
        """
        self._start()
        writes = self.processes.writes
        # One bar for the whole run, so that it shows the time to the end.
        bar = tqdm(
            total=self.total,
            initial=self.seen,
            unit="image",
            desc=self.label,
            disable=not writes or on_batch is not None,
        )
        with bar, stop or StopRequest() as stop:
            while self.position.epoch <= self.options.max_epochs and not self.stopped:
                self._train_epoch(bar, on_batch if writes else None, stop)
                if on_epoch is not None and writes:
                    on_epoch(self.history)
        self.processes.wait()

    def _start(self) -> None:
        folder = self.options.folder
        if self.options.resume and self.checkpoint.exists():
            state = load_state(self.checkpoint)
            self.options.check_continues(state["options"])
            self._restore(state)
        elif self.checkpoint.exists() and not self.options.resume:
            earlier = load_state(self.checkpoint)
            if earlier["epoch"] <= earlier["options"]["max_epochs"]:
                raise ValueError(
                    f"{folder} holds an unfinished run, stopped in epoch {earlier['epoch']} of "
                    f"{earlier['options']['max_epochs']}; continue it with resume, remove the folder, or choose "
                    "another experiment_name"
                )
        self.processes.wait()  # until all have read the files that may now be removed
        if self.processes.writes:
            folder.mkdir(parents=True, exist_ok=True)
            if self.position == Position():
                self._clear()
            write_text(folder / "options.json", json.dumps(self.options.to_dict(), indent=2) + "\n")
            if not self.history.images:
                self.learner.show(self.history, folder)

    def _clear(self) -> None:
        """Remove the files of a finished run, which this one replaces."""
        if self.options.resume:
            print(
                f"there is nothing to resume in {self.options.folder}; starting from the beginning", file=sys.stderr
            )
        folder = self.options.folder
        # By name, because the folder may hold other files.
        weights = [file for file in folder.glob("*.safetensors") if re.fullmatch(r"best|last|epoch-\d+", file.stem)]
        if weights:
            print(f"replacing the weights of an earlier run in {folder}", file=sys.stderr)
        images = (file for file in (folder / "epochs").glob("*.png") if file.stem.isdecimal())
        for left_over in (folder / "checkpoint.pt", folder / "train_stats.csv", *weights, *images):
            left_over.unlink(missing_ok=True)

    def _train_epoch(self, bar: tqdm, on_batch: Callable[[Progress], None] | None, stop: StopRequest) -> None:
        position = self.position
        self.order.epoch, self.order.start = position.epoch, position.batch
        saved = began = time.perf_counter()
        unread: list[tuple[Mapping[str, Tensor], int]] = []
        for rgb, labels in self.train_loader:
            self.learner.train()
            statistics = self.learner.train_step(rgb, labels)
            unread.append((statistics, len(rgb)))
            position.batch += 1
            position.seen += len(rgb)
            if position.batch % self.options.batch_output_frequency == 0:
                self._read(unread)
                bar.set_postfix(loss=f"{(position.sums or {})['loss'] / position.seen:.5f}", refresh=False)
            bar.update(len(rgb) * self.processes.count)
            position.seconds += time.perf_counter() - began
            if on_batch is not None and not unread:
                last = {name: float(value) for name, value in statistics.items()}
                on_batch(Progress(position.epoch, self.seen, self.total, last, self.history))
            # A signal may reach only one process; all stop after the same batch.
            if self.processes.any(stop.made):
                self.stopped = True
                break
            if time.perf_counter() - saved > 60 * self.options.checkpoint_minutes:
                self._read(unread)
                self._check_finite(self._weights())
                self._save_state()
                saved = time.perf_counter()
            began = time.perf_counter()
        self._read(unread)
        self._check_finite(self._weights())
        if self.stopped:
            # Before the validation below, so that a resumed run is the same as an uninterrupted one.
            self._save_state()
        self._finish_epoch()

    def _read(self, unread: list[tuple[Mapping[str, Tensor], int]]) -> None:
        """Add the statistics of batches to those of the epoch; this waits for the device."""
        sums = self.position.sums = dict(self.position.sums or {})
        for statistics, images in unread:
            for name, value in statistics.items():
                sums[name] = sums.get(name, 0.0) + float(value) * images
        unread.clear()
        self._check_finite(torch.tensor(value) for value in sums.values())

    def _finish_epoch(self) -> None:
        position, history = self.position, self.history
        row: dict[str, float] = {"epoch": position.epoch}
        row |= self._means("train", position.sums or {}, position.seen)
        row |= self._validate()
        for dataset in self.datasets:
            dataset.report_unreadable()
        self._check_finite(torch.tensor(value) for value in row.values())
        speed = position.seen * self.processes.count / position.seconds
        row |= {"learning_rate": self.learner.learning_rate, "images_per_second": speed}
        history.rows.append(row)
        best = max(self.learner.epoch_score(r) for r in history.rows)
        if self.processes.writes:
            self.learner.show(history, self.options.folder)
            write_text(self.options.folder / "train_stats.csv", history.csv())
            self._save("last")
            # Resuming repeats the row of a partial epoch, so it is the best only if there is no whole one.
            if self.learner.epoch_score(row) == best and (not self.stopped or len(history.rows) == 1):
                self._save("best")
            if self.options.keep_every and position.epoch % self.options.keep_every == 0:
                self._save(f"epoch-{position.epoch:03d}")
        if not self.stopped:
            self.position = Position(epoch=position.epoch + 1)
            self._save_state()

    @torch.inference_mode()
    def _validate(self) -> dict[str, float]:
        self.learner.eval()
        sums: dict[str, float] = {}
        seen = 0
        for rgb, labels in self.val_loader:
            seen += len(rgb)
            for name, value in self.learner.scores(rgb, labels).items():
                sums[name] = sums.get(name, 0.0) + float(value) * len(rgb)
        return self._means("val", sums, seen)

    def _means(self, kind: str, sums: Mapping[str, float], count: int) -> dict[str, float]:
        """Turn sums over the images of this process into means over those of all processes."""
        total = self.processes.total(torch.tensor([*sums.values(), count], dtype=torch.float64)).tolist()
        return {f"{kind}_{name}": value / max(1, total[-1]) for name, value in zip(sums, total, strict=False)}

    def _weights(self) -> Iterator[Tensor]:
        """Yield all weights; a training step can make them NaN even after a finite loss."""
        for part in self.learner.parts.values():
            if isinstance(part, nn.Module):
                yield from part.parameters()

    def _check_finite(self, values: Iterable[Tensor]) -> None:
        if all(bool(value.isfinite().all()) for value in values):
            return
        kept = f"{self.checkpoint} holds the last good state" if self.checkpoint.exists() else "nothing was saved yet"
        raise TrainingDivergedError(
            f"the loss became NaN or infinite in epoch {self.position.epoch}, batch {self.position.batch}, at a "
            f"learning rate of {self.learner.learning_rate:.2g}; {kept}. Try a lower learning rate"
            + ("" if self.learner.options.dtype() == torch.float32 else ", or float32 as precision")
        )

    def _save(self, name: str) -> None:
        """Write the current weights."""
        facts = {
            "options": self.options.to_dict(),
            "classes": self.datasets[0].classes,
            "epoch": self.position.epoch,
        }
        model = cast("Colorizer | Classifier", self.learner.model)
        save_weights(model, self.options.folder / f"{name}.safetensors", facts)

    def _save_state(self) -> None:
        if not self.processes.writes:
            return
        position = self.position
        save_state(
            self.checkpoint,
            {
                "options": self.options.to_dict(),
                "learner": self.learner.state_dict(),
                "epoch": position.epoch,
                "batch": position.batch,
                "seen": position.seen,
                "seconds": position.seconds,
                "sums": position.sums,
                "rows": self.history.rows,
                "images": self.history.images,
                "random": torch.get_rng_state(),
                "random_cuda": torch.cuda.get_rng_state_all() if self.learner.device.type == "cuda" else [],
            },
        )

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.learner.load_state_dict(state["learner"])
        self.position = Position(*(state[name] for name in ("epoch", "batch", "seen", "seconds", "sums")))
        self.history.rows = list(state["rows"])
        self.history.images = list(state["images"])
        torch.set_rng_state(state["random"])
        if state["random_cuda"] and self.learner.device.type == "cuda":
            torch.cuda.set_rng_state_all(state["random_cuda"])


def steps_per_epoch(options: RunOptions, images: int, processes: Processes) -> int:
    """Return the number of batches in an epoch, for schedules that are made before a :class:`Run`."""
    return len(BatchOrder(images, options.batch_size, options.seed, processes=processes.count))
