"""What can be set about a training run; the same object in a notebook and on the command line."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

import torch
import tyro

from colorlab.data import MIN_AREA, ImageDataset, Mixture, Split, Unreadable, create_dataset
from colorlab.data.names import check_name
from colorlab.models import COLORIZER_NAMES, ColorizerName, has_discriminator

Loss = Literal["auto", "mse", "l1", "huber", "cross_entropy"]
Schedule = Literal["auto", "one-cycle", "cosine", "constant"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]

# What may differ between a run and its continuation: nothing of it touches a weight.
_FREE_ON_RESUME = frozenset(
    {
        "output_root_path",
        "dataset_root_path",
        "experiment_name",
        "initial_weights",  # long left behind
        "batch_output_frequency",
        "checkpoint_minutes",
        "keep_every",
        "loader_workers",
        "resume",
    }
)


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Options of any training run. Names and defaults of the first block are the seed's."""

    seed: int = 0
    """Random seed; every number is one, 0 too."""
    experiment_name: str = "experiment_name"
    """Folder of this run under the output root."""
    dataset_name: str = "placeholder"
    """placeholder, cifar10, places100, places205, places365, or the path of an own folder or tar."""
    dataset_root_path: Path = Path("data")
    """Where data sets lie, each in a folder of its name."""
    also_train_on: tuple[str, ...] = ()
    """Further datasets whose training images are added."""
    validate_on: str | None = None
    """Dataset to validate on; None: that of dataset_name."""
    use_dataset_archive: Annotated[bool, tyro.conf.FlagConversionOff] = False
    """Read <name>.tar in place of the folder."""
    output_root_path: Path = Path("output")
    """Where the folders of runs lie."""
    max_epochs: int = 5
    """Passes over the training images."""
    train_batch_size: int = 100
    """Images in a training step, all processes together."""
    val_batch_size: int = 100
    """Images in a validation step."""
    batch_output_frequency: int = 1
    """Batches between two looks at the loss."""

    image_size: int = 32
    """Side of the images in pixels."""
    max_shift: int = 0
    """Move training images at random by up to so many pixels."""
    min_crop_area: float = MIN_AREA
    """Least share of an image that a random crop takes."""
    unreadable: Unreadable = "skip"
    """Files that are no readable images: skip and count them, or fail."""
    min_colorfulness: float = 0.0
    """Leave out images with less color; 0 is gray, 15 slightly colorful."""
    loader_workers: int | None = None
    """Processes that decode images; None: on a GPU, one a core."""
    precision: Precision = "auto"
    """auto: bfloat16 where the hardware has it."""
    compile: bool = False
    """Compile the networks; pays off in long runs."""
    accumulation_steps: int = 1
    """Cut each batch into so many parts, to save memory."""
    device: str = "auto"
    """auto (a GPU if there is one), cpu, cuda, cuda:1, mps."""
    resume: bool = False
    """Go on from the run's last checkpoint."""
    checkpoint_minutes: float = 10.0
    """Checkpoint this often, and after each epoch."""
    keep_every: int = 0
    """Keep the weights of every so many epochs; 0: last, best."""

    def __post_init__(self) -> None:
        for name in ("output_root_path", "dataset_root_path"):
            object.__setattr__(self, name, Path(getattr(self, name)))  # strings are welcome in notebooks
        self._check_choices({"precision": get_args(Precision), "unreadable": get_args(Unreadable)})
        object.__setattr__(self, "also_train_on", tuple(map(str, self.also_train_on)))
        for dataset_name in (self.dataset_name, *self.also_train_on, self.validate_on):
            if dataset_name is not None:
                check_name(dataset_name)
        if not 0 < self.min_crop_area <= 1:
            raise ValueError(f"min_crop_area must lie in (0, 1], got {self.min_crop_area}")
        if self.use_dataset_archive and self.dataset_name in ("placeholder", "cifar10"):
            raise ValueError(f"use_dataset_archive is for the Places data sets; {self.dataset_name} is no tar")
        for name in (
            "train_batch_size",
            "val_batch_size",
            "batch_output_frequency",
            "image_size",
            "accumulation_steps",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in (
            "max_epochs",
            "keep_every",
            "checkpoint_minutes",
            "min_colorfulness",
            "loader_workers",
            "max_shift",
        ):
            if (getattr(self, name) or 0) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if self.max_shift >= self.image_size:
            raise ValueError(f"max_shift must be less than image_size, {self.image_size}, got {self.max_shift}")
        if not self.experiment_name or Path(self.experiment_name).is_absolute() or ".." in self.experiment_name:
            raise ValueError(
                f"experiment_name must name a folder under the output root, got {self.experiment_name!r}"
            )

    def _check_choices(self, choices: dict[str, tuple[str, ...]]) -> None:
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}")

    @property
    def folder(self) -> Path:
        """Where the run writes: ``<output_root_path>/<experiment_name>``."""
        return self.output_root_path / self.experiment_name

    def dataset(self, split: Split) -> ImageDataset:
        """One split of the run's data, at the run's size: all training images, or those to validate on."""
        if split == "train":
            parts = [self._dataset(name, split) for name in (self.dataset_name, *self.also_train_on)]
            return Mixture(parts) if len(parts) > 1 else parts[0]
        return self._dataset(self.validate_on or self.dataset_name, split)

    def _dataset(self, name: str, split: Split) -> ImageDataset:
        return create_dataset(
            name,
            split,
            size=self.image_size,
            root=self.dataset_root_path,
            archive=self.use_dataset_archive,
            unreadable=self.unreadable,
            min_colorfulness=self.min_colorfulness,
            min_crop_area=self.min_crop_area,
        )

    def workers(self, device: torch.device, processes: int = 1) -> int:
        """Loader workers of each process: as asked, else none on a CPU, whose cores are busy learning."""
        if self.loader_workers is not None:
            return self.loader_workers
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return 0 if device.type == "cpu" else max(1, min(16, cores // processes))

    def torch_device(self) -> torch.device:
        """The device that ``device`` means on this machine, under ``torchrun`` this process's GPU.

        Raises:
            ValueError: a name torch does not know, or a device that is not here.
        """
        if self.device == "auto":
            accelerator = torch.accelerator.current_accelerator(check_available=True)
            device = accelerator if accelerator is not None else torch.device("cpu")
        else:
            try:
                device = torch.device(self.device)
                torch.empty(0, device=device)
            except (RuntimeError, AssertionError) as error:  # torch asserts that it was built with CUDA
                raise ValueError(f"device {self.device!r} cannot be used here: {error}") from error
        if device.type == "cuda" and device.index is None:
            device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        return device

    def dtype(self) -> torch.dtype:
        """What layers compute in: as asked; with ``auto``, bfloat16 wherever that is faster.

        Without its instructions a CPU emulates bfloat16, more slowly than it computes float32.
        """
        if self.precision != "auto":
            dtype: torch.dtype = getattr(torch, self.precision)
            return dtype
        device = self.torch_device()
        fast = (device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)) or (
            device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()
        )
        return torch.bfloat16 if fast else torch.float32

    @property
    def can_go_on(self) -> bool:
        """Whether a run may get more epochs than it was started with: no step depends on how many will come."""
        return False

    def to_dict(self) -> dict[str, object]:
        """The options as JSON can hold them."""
        plain = {Path: str, tuple: list}
        return {
            key: next((make(v) for kind, make in plain.items() if isinstance(v, kind)), v)
            for key, v in dataclasses.asdict(self).items()
        }

    def check_continues(self, earlier: dict[str, object]) -> None:
        """Refuse to resume a run under options with which it would not become the same run.

        Raises:
            ValueError: naming the first option that differs.
        """
        for name, value in self.to_dict().items():
            # What was no option yet was as its default is.
            started_with = earlier.get(name, getattr(type(self), name))
            started_with = list(started_with) if isinstance(started_with, tuple) else started_with
            if name not in _FREE_ON_RESUME and started_with != value:
                if name == "max_epochs":
                    if self.can_go_on and isinstance(started_with, int) and self.max_epochs > started_with:
                        continue
                    raise ValueError(
                        f"cannot resume {self.folder}: it was started with max_epochs = {started_with!r}, "
                        f"not {value!r}, and its learning rate was laid out for that; only a run with a constant "
                        "schedule can get more epochs"
                    )
                raise ValueError(
                    f"cannot resume {self.folder}: it was started with {name} = {started_with!r}, "
                    f"not {value!r}; give the same options, or another experiment_name"
                )


@dataclass(frozen=True, kw_only=True)
class TrainingOptions(RunOptions):
    """Train a colorizer."""

    model_name: ColorizerName = "resnet"
    """Architecture of the colorizer."""
    max_images: int = 10
    """Validation images kept as colored after each epoch."""
    loss: Loss = "auto"
    """Error of a and b, or cross_entropy of color bins; auto: the model's."""
    l1_weight: float = 100.0
    """λ: weight of the colors' L1 beside the adversarial loss."""
    learning_rate: float | None = None
    """Peak of Adam's learning rate; None: 2e-3, GANs 2e-4."""
    schedule: Schedule = "auto"
    """Learning rate over time; auto: one-cycle, GANs constant."""
    weight_decay: float = 0.01
    """AdamW's weight decay, in regression."""
    frozen_stride: int = 0
    """Keep the encoder's layers up to this stride; 32: all of them."""
    encoder_rate: float = 0.1
    """Learning rate of a pretrained encoder, as a share."""
    recognition_weight: float = 0.0
    """Weight of the recognition loss: a classifier shall see what it sees in the photograph."""
    learn_hints: bool = False
    """Give the model true colors at a few random places."""
    age_lightness: bool = False
    """Add blur, grain, odd contrast and JPEG blocks to the input."""
    initial_weights: Path | None = None
    """Weights (.safetensors) to go on from; None: random ones."""
    ema: float = 0.0
    """Decay of averaged weights, such as 0.999; 0: none."""

    @property
    def can_go_on(self) -> bool:
        """Whether a run may get more epochs than it was started with, which a constant learning rate allows."""
        return self.schedule == "constant" or (self.schedule == "auto" and has_discriminator(self.model_name))

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_choices({"model_name": COLORIZER_NAMES, "loss": get_args(Loss), "schedule": get_args(Schedule)})
        if self.learning_rate is not None and not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be positive, got {self.learning_rate}")
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema must lie in [0, 1), got {self.ema}")
        for name in (
            "max_images",
            "l1_weight",
            "weight_decay",
            "frozen_stride",
            "encoder_rate",
            "recognition_weight",
        ):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
