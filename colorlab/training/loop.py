"""The training loop. It knows no architecture and no data set: lightness in, a and b out, an objective between."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.utils import make_grid
from tqdm.auto import tqdm

from colorlab import color
from colorlab.data import Batch, PictureDataset, create_dataset, create_loader
from colorlab.models import Colorizer, create_colorizer, save_weights
from colorlab.training.history import History
from colorlab.training.objectives import OBJECTIVES
from colorlab.training.options import TrainingOptions


@dataclass(frozen=True)
class Training:
    """A finished run.

    Attributes:
        model: the colorizer after the last epoch, in ``eval()`` mode.
        history: losses and pictures by epoch.
        folder: where the run's files lie.
    """

    model: Colorizer
    history: History
    folder: Path


def train(options: TrainingOptions | None = None, *, on_epoch: Callable[[History], None] | None = None) -> Training:
    """Train a colorizer and write the run's files.

    Under ``options.folder``: ``options.json``; ``train_stats.csv``, the history's table; ``epochs/NNN.png``, the
    watched validation pictures (grey, coloured, true in three rows); ``last.safetensors`` and
    ``best.safetensors``, the latter from the epoch with the lowest validation loss.

    Args:
        options: what to do; all defaults without.
        on_epoch: called with the history after each epoch, to draw it, say.

    Returns:
        The trained model with its history. With the same options on the same machine, always the same.

    Raises:
        ValueError: an option that cannot be had on this machine.
    """
    options = options or TrainingOptions()
    # The global generator decides the network's first weights, its own one the order of pictures and the flips.
    torch.manual_seed(options.seed)
    generator = torch.Generator().manual_seed(options.seed)
    trainset, valset = (
        create_dataset(options.dataset_name, split, size=options.image_size) for split in ("train", "val")
    )
    train_loader = create_loader(trainset, options.train_batch_size, generator=generator)
    val_loader = create_loader(valset, options.val_batch_size)
    regression = _Regression(options, steps=len(train_loader) * options.max_epochs)

    folder = options.folder
    (folder / "epochs").mkdir(parents=True, exist_ok=True)
    (folder / "options.json").write_text(json.dumps(options.to_dict(), indent=2) + "\n", encoding="utf-8")
    history = History(truth=_watched(valset, options.max_images))
    _keep_pictures(regression.model, history, folder)

    # In place of a bar for each epoch, one for the run: what is asked while waiting is when it will be done.
    with tqdm(total=options.max_epochs * len(trainset), unit="picture", desc=options.model_name) as bar:
        for epoch in range(1, options.max_epochs + 1):
            started = time.perf_counter()
            train_loss = regression.train_epoch(train_loader, bar)
            seconds = time.perf_counter() - started
            val_loss, val_mae = regression.validate(val_loader)
            history.rows.append(
                {
                    "epoch": epoch,
                    "train_loss": train_loss,
                    "val_loss": val_loss,
                    "val_mae": val_mae,
                    "learning_rate": regression.optimizer.param_groups[0]["lr"],
                    "pictures_per_second": len(trainset) / seconds,
                }
            )
            table = history.table()
            table.to_csv(folder / "train_stats.csv")
            _keep_pictures(regression.model, history, folder)
            facts = {"options": options.to_dict(), "classes": trainset.classes, "epoch": epoch}
            save_weights(regression.model, folder / "last.safetensors", facts)
            if val_loss == table["val_loss"].min():
                save_weights(regression.model, folder / "best.safetensors", facts)
            if on_epoch is not None:
                on_epoch(history)
    return Training(regression.model.eval(), history, folder)


class _Regression:
    """One network learning a and b by regression: all that a training step needs."""

    def __init__(self, options: TrainingOptions, steps: int) -> None:
        self.options = options
        self.device = options.torch_device()
        bfloat16 = options.uses_bfloat16()
        # Channels last is the layout that 16-bit convolutions are written for: up to 2.7 times as fast for `resnet`
        # on a CPU with bfloat16 instructions, and no gain in float32.
        self.layout = torch.channels_last if bfloat16 else torch.contiguous_format
        self.model = create_colorizer(options.model_name).to(self.device).to(memory_format=self.layout)
        self.objective = OBJECTIVES[options.loss]
        self.autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=bfloat16)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), options.learning_rate, weight_decay=0.01, fused=True
        )
        self.scheduler: torch.optim.lr_scheduler.LRScheduler
        if options.schedule == "one-cycle" and steps > 0:
            self.scheduler = torch.optim.lr_scheduler.OneCycleLR(
                self.optimizer, options.learning_rate, total_steps=steps
            )
        else:
            self.scheduler = torch.optim.lr_scheduler.ConstantLR(self.optimizer, factor=1)

    def train_epoch(self, loader: DataLoader[Batch], bar: tqdm) -> float:
        """One pass over the training pictures; the mean loss over them."""
        self.model.train()
        total, seen = 0.0, 0
        for step, (rgb, _) in enumerate(loader, 1):
            predicted, ab = self._predict(rgb)
            loss = self.objective(predicted, ab)
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            self.scheduler.step()
            total, seen = total + float(loss.detach()) * len(rgb), seen + len(rgb)
            if step % self.options.batch_output_frequency == 0:
                bar.set_postfix(loss=f"{total / seen:.5f}", refresh=False)
            bar.update(len(rgb))
        return total / max(1, seen)

    @torch.inference_mode()
    def validate(self, loader: DataLoader[Batch]) -> tuple[float, float]:
        """Mean objective, and mean absolute error of a and b in Lab units, over all pictures of ``loader``."""
        self.model.eval()
        loss = mae = 0.0
        seen = 0
        for rgb, _ in loader:
            predicted, ab = self._predict(rgb)
            loss += float(self.objective(predicted, ab)) * len(rgb)
            mae += float((predicted - ab).abs().mean()) * color.AB_SCALE * len(rgb)
            seen += len(rgb)
        return loss / max(1, seen), mae / max(1, seen)

    def _predict(self, rgb: Tensor) -> tuple[Tensor, Tensor]:
        """Predicted and true a and b of a batch of uint8 pictures, in network units."""
        lightness, ab = color.split(color.rgb_to_lab(rgb.to(self.device, non_blocking=True)))
        with self.autocast:
            predicted: Tensor = self.model(lightness.contiguous(memory_format=self.layout))
        return predicted.float(), ab


@torch.inference_mode()
def colorize_batch(model: Colorizer, rgb: Tensor) -> Tensor:
    """Pictures of the network's own size, coloured: uint8 ``(N, 3, H, W)`` to the same; only their L is used."""
    lightness, _ = color.split(color.rgb_to_lab(rgb))
    lab = color.fit_to_gamut(color.join(lightness, model(lightness).float()))
    return color.to_uint8(color.lab_to_rgb(lab))


def _watched(dataset: PictureDataset, count: int) -> Tensor:
    """``count`` pictures spread evenly over the data set, so over its classes."""
    count = min(count, len(dataset))
    return dataset.rgb[torch.arange(count) * len(dataset) // max(1, count)]


def _keep_pictures(model: Colorizer, history: History, folder: Path) -> None:
    truth = history.truth
    if truth is None or len(truth) == 0:
        return
    model.eval()
    coloured = colorize_batch(model, truth.to(next(model.parameters()).device)).cpu()
    grey = color.to_uint8(color.lab_to_rgb(color.rgb_to_lab(truth) * torch.tensor([1.0, 0, 0]).view(3, 1, 1)))
    sheet = make_grid(torch.cat([grey, coloured, truth]), nrow=len(truth))
    Image.fromarray(sheet.movedim(0, -1).numpy()).save(folder / "epochs" / f"{len(history.pictures):03d}.png")
    history.pictures.append(coloured)
