"""What can be set about a training run; the same object in a notebook and on the command line."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import torch

from colorlab.data.names import check_name
from colorlab.models import COLORIZER_NAMES, ColorizerName

Loss = Literal["mse", "l1", "huber"]
Schedule = Literal["one-cycle", "constant"]
Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """Options of a training run. Names and defaults of the first block are the seed's."""

    seed: int = 0
    """Random seed; every number is one, 0 too."""
    experiment_name: str = "experiment_name"
    """Name of the folder that the run writes under the output root."""
    model_name: ColorizerName = "resnet"
    """Architecture of the colorizer."""
    dataset_name: str = "placeholder"
    """Data set to train on: placeholder, or the path of an own folder or tar of pictures."""
    output_root_path: Path = Path("output")
    """Where the folders of experiments lie."""
    max_epochs: int = 5
    """Passes over the training pictures."""
    train_batch_size: int = 100
    """Pictures in a training step."""
    val_batch_size: int = 100
    """Pictures in a validation step."""
    batch_output_frequency: int = 1
    """Refresh the numbers beside the progress bar every so many batches."""
    max_images: int = 10
    """Validation pictures that are colorized and kept after each epoch."""

    image_size: int = 32
    """Side of the pictures in pixels."""
    loss: Loss = "mse"
    """What is minimized: squared, absolute or Huber's error of a and b."""
    learning_rate: float = 2e-3
    """Peak of Adam's learning rate."""
    schedule: Schedule = "one-cycle"
    """Learning rate over time: up and down once, or constant as in the seed."""
    precision: Precision = "auto"
    """bfloat16 computes most layers in 16 bits; auto does so where the processor has instructions for it."""
    device: str = "auto"
    """auto (a GPU if there is one), cpu, cuda, cuda:1, mps."""

    def __post_init__(self) -> None:
        choices = {
            "model_name": COLORIZER_NAMES,
            "loss": get_args(Loss),
            "schedule": get_args(Schedule),
            "precision": get_args(Precision),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}")
        check_name(self.dataset_name)
        for name in ("train_batch_size", "val_batch_size", "batch_output_frequency", "image_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("max_epochs", "max_images"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be positive, got {self.learning_rate}")

    @property
    def folder(self) -> Path:
        """Where the run writes: ``<output_root_path>/<experiment_name>``."""
        return self.output_root_path / self.experiment_name

    def torch_device(self) -> torch.device:
        """The device that ``device`` means on this machine.

        Raises:
            ValueError: a name torch does not know, or a device that is not here.
        """
        if self.device == "auto":
            accelerator = torch.accelerator.current_accelerator(check_available=True)
            return accelerator if accelerator is not None else torch.device("cpu")
        try:
            device = torch.device(self.device)
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError) as error:  # torch asserts that it was built with CUDA
            raise ValueError(f"device {self.device!r} cannot be used here: {error}") from error
        return device

    def uses_bfloat16(self) -> bool:
        """Whether layers compute in bfloat16: as asked, or wherever that is faster."""
        if self.precision != "auto":
            return self.precision == "bfloat16"
        device = self.torch_device()
        if device.type == "cuda":
            return torch.cuda.is_bf16_supported(including_emulation=False) is True
        # Without its instructions a CPU emulates bfloat16, slower than float32.
        return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported() is True

    def to_dict(self) -> dict[str, object]:
        """The options as JSON can hold them."""
        return {key: str(v) if isinstance(v, Path) else v for key, v in dataclasses.asdict(self).items()}
