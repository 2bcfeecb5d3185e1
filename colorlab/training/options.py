"""Options of a training run, the same in a notebook and on the command line."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import torch
import tyro
from torch import nn
from torch.utils.data import Dataset, Subset

from colorlab.data import MIN_AREA, Data, ImageDataset, Mixture, Split, Unreadable, create_dataset
from colorlab.data.crops import THUMBNAIL
from colorlab.data.given import given_dataset
from colorlab.data.names import check_name, describe, options_of
from colorlab.devices import core_count, find_device
from colorlab.models import COLORIZERS, DistributionColorizer, Model, has_discriminator, name_of, size_of
from colorlab.registry import did_you_mean
from colorlab.training.objectives import OBJECTIVES, Loss

if TYPE_CHECKING:
    _Data = Data
else:
    _Data = str  # so that --help lists the datasets only once

Schedule = Literal["auto", "one-cycle", "cosine", "constant"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]

# What may differ when a run is resumed: no weight depends on it, except for the rounding of another device.
_FREE_ON_RESUME = frozenset(
    {
        "output_root_path",
        "dataset_root_path",
        "experiment_name",
        "initial_weights",  # only used at the start
        "batch_output_frequency",
        "checkpoint_minutes",
        "device",
        "keep_every",
        "loader_workers",
        "resume",
    }
)


FRAMEWORK2019 = frozenset(
    {
        "seed",
        "experiment_name",
        "model_name",
        "dataset_name",
        "dataset_root_path",
        "use_dataset_archive",
        "output_root_path",
        "max_epochs",
        "train_batch_size",
        "val_batch_size",
        "batch_output_frequency",
        "max_images",
        "model_suffix",
        "model_path",
        "eval_root_path",
        "eval_type",
    }
)
"""The options of the original framework; they are accepted even where they make no difference."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Options of any training run. Many names are those of the original framework."""

    seed: int = 0
    """Random seed."""
    experiment_name: str = "experiment_name"
    """Folder of this run under the output root."""
    dataset_name: Data = "placeholder"
    """Dataset name, or path of a folder or tar of images; in Python also a torch Dataset."""
    dataset_root_path: Path = Path("data")
    """Folder of the datasets, each in a folder of its name."""
    also_train_on: tuple[_Data, ...] = ()
    """More datasets to train on."""
    validate_on: _Data | None = None
    """Dataset to validate on; None: dataset_name."""
    use_dataset_archive: Annotated[bool, tyro.conf.FlagConversionOff] = False
    """Read <name>.tar instead of the folder."""
    output_root_path: Path = Path("output")
    """Folder of the runs."""
    max_epochs: int = 5
    """Passes over the training images."""
    train_batch_size: int | None = None
    """Images per training step, over all processes; None: up to 100, at most the pixels of 16 images of 224²."""
    val_batch_size: int | None = None
    """Images per validation step; None: as for training."""
    batch_output_frequency: int = 1
    """Report the loss every so many batches."""

    image_size: int | None = None
    """Side of the images in pixels; None: the model's default."""
    max_shift: int = 0
    """Shift training images at random by up to so many pixels."""
    min_crop_area: float = MIN_AREA
    """Smallest share of an image in a random crop."""
    crops: int = 0
    """Ways to flip and crop each image, in turn; 0: a new one each time."""
    unreadable: Unreadable = "skip"
    """Files that cannot be read: skip and count them, or fail."""
    min_colorfulness: float = 0.0
    """Skip images with less color; 0 is gray, 15 slightly colorful."""
    loader_workers: int | None = None
    """Processes that decode images; None: on a GPU, one per core."""
    precision: Precision = "auto"
    """auto: bfloat16 where the hardware has it."""
    compile: bool = False
    """Compile the networks; worth it in long runs."""
    accumulation_steps: int = 1
    """Split each batch into so many parts, to save memory."""
    device: str = "auto"
    """auto (a GPU if there is one), cpu, cuda, cuda:1, mps."""
    resume: bool = False
    """Continue from the last checkpoint."""
    checkpoint_minutes: float = 10.0
    """Minutes between checkpoints within an epoch."""
    keep_every: int = 0
    """Keep weights every so many epochs; 0: only last and best."""

    def __post_init__(self) -> None:
        for name in ("output_root_path", "dataset_root_path"):
            object.__setattr__(self, name, Path(getattr(self, name)))  # notebooks pass strings
        self._check_choices({"precision": get_args(Precision), "unreadable": get_args(Unreadable)})
        object.__setattr__(self, "also_train_on", tuple(self.also_train_on))
        for data in (self.dataset_name, *self.also_train_on, self.validate_on):
            if data is not None:
                check_name(data)
        if not 0 < self.min_crop_area <= 1:
            raise ValueError(f"min_crop_area must lie in (0, 1], got {self.min_crop_area}")
        for name in (
            "train_batch_size",
            "val_batch_size",
            "batch_output_frequency",
            "image_size",
            "accumulation_steps",
        ):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in (
            "max_epochs",
            "keep_every",
            "checkpoint_minutes",
            "min_colorfulness",
            "loader_workers",
            "max_shift",
            "crops",
        ):
            if (getattr(self, name) or 0) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if self.max_shift >= self.size:
            raise ValueError(f"max_shift must be less than image_size, {self.size}, got {self.max_shift}")
        if not self.experiment_name or Path(self.experiment_name).is_absolute() or ".." in self.experiment_name:
            raise ValueError(
                f"experiment_name must name a folder under the output root, got {self.experiment_name!r}"
            )
        self._refuse_idle()

    def _check_choices(self, choices: dict[str, tuple[str, ...]]) -> None:
        for name, allowed in choices.items():
            value = getattr(self, name)
            if value not in allowed:
                hint = did_you_mean(value, allowed)
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}{hint}")

    @property
    def folder(self) -> Path:
        """Return the folder of the run: ``<output_root_path>/<experiment_name>``."""
        return self.output_root_path / self.experiment_name

    @property
    def size(self) -> int:
        """Return the side of the images in pixels: ``image_size``, or the model's default."""
        return self.image_size or self._own_size

    @property
    def _own_size(self) -> int:
        return 32

    @property
    def batch_size(self) -> int:
        """Return the images per training step: ``train_batch_size``, or as many as fit."""
        return self.train_batch_size or self._default_batch_size

    @property
    def validation_batch_size(self) -> int:
        """Return the images per validation step: ``val_batch_size``, or as many as fit."""
        return self.val_batch_size or self._default_batch_size

    @property
    def _default_batch_size(self) -> int:
        return max(1, min(100, 16 * 224**2 // self.size**2))

    def dataset(self, split: Split) -> ImageDataset:
        """Return one split of the run's data, at the run's size: the training or the validation images.

        Of a torch Dataset, a random tenth (by ``seed``) is the validation split, unless ``validate_on`` is given.
        """
        data, validation = self.dataset_name, self.validate_on
        if isinstance(data, Dataset) and validation is None:
            data, validation = self._random_split(data)
        if split == "train":
            parts = [self._dataset(part, split) for part in (data, *self.also_train_on)]
            return Mixture(parts) if len(parts) > 1 else parts[0]
        return self._dataset(data if validation is None else validation, split)

    def _random_split(self, data: Dataset[Any]) -> tuple[Dataset[Any], Dataset[Any]]:
        """Return nine tenths to train on, and one to validate on."""
        count = len(given_dataset(data, self.size))
        if count < 2:
            raise ValueError(f"{describe(data)} has {count} images; give at least 2, to train and to validate on")
        order = torch.randperm(count, generator=torch.Generator().manual_seed(self.seed)).tolist()
        held = max(1, count // 10)
        return Subset(data, sorted(order[held:])), Subset(data, sorted(order[:held]))

    def _dataset(self, data: Data, split: Split) -> ImageDataset:
        return create_dataset(
            data,
            split,
            size=self.size,
            root=self.dataset_root_path,
            archive=self.use_dataset_archive,
            unreadable=self.unreadable,
            min_colorfulness=self.min_colorfulness,
            min_crop_area=self.min_crop_area,
        )

    def workers(self, device: torch.device, processes: int = 1) -> int:
        """Return the loader workers of each process: as asked; by default none on a CPU, whose cores train."""
        if self.loader_workers is not None:
            return self.loader_workers
        return 0 if device.type == "cpu" else max(1, min(16, core_count() // processes))

    def torch_device(self) -> torch.device:
        """Return the device that ``device`` means on this machine (:func:`colorlab.devices.find_device`)."""
        return find_device(self.device)

    def dtype(self) -> torch.dtype:
        """Return the type that layers compute in: as asked; with ``auto``, bfloat16 where that is faster.

        CPUs without bfloat16 instructions emulate it, more slowly than float32.
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
        """Return whether a resumed run may have more epochs than it was started with."""
        return False

    def to_dict(self) -> dict[str, object]:
        """Return the options as JSON values: objects by their names, and the values used for None."""
        used = {
            "image_size": self.size,
            "train_batch_size": self.batch_size,
            "val_batch_size": self.validation_batch_size,
        }
        return {
            field.name: used[field.name] if field.name in used else _plain(getattr(self, field.name))
            for field in dataclasses.fields(self)
        }

    def idle(self) -> Iterator[tuple[str, str]]:
        """Yield the options that make no difference, each with what it makes no difference to."""
        data = [self.dataset_name, *self.also_train_on, *([self.validate_on] if self.validate_on is not None else [])]
        known = {option for part in data for option in options_of(part)}
        listed = ", ".join(sorted({describe(part) for part in data}))
        for option, name in (("root", "dataset_root_path"), ("archive", "use_dataset_archive")):
            if option not in known:
                yield name, listed
        for name in ("unreadable", "min_colorfulness", "min_crop_area"):
            if name not in known:
                yield name, listed
        if "min_crop_area" in known and self.size <= THUMBNAIL:
            yield "min_crop_area", f"an image size up to {THUMBNAIL}"

    def _refuse_idle(self) -> None:
        """Refuse options that were set but make no difference, except those of the original framework."""
        for name, what in self.idle():
            if name not in FRAMEWORK2019 and self._is_set(name):
                raise ValueError(f"{name} makes no difference to {what}; leave it out, got {getattr(self, name)!r}")

    def _is_set(self, name: str) -> bool:
        return bool(getattr(self, name) != getattr(type(self), name))

    def notes(self) -> list[str]:
        """Return a sentence on each option of the original framework that was set but makes no difference."""
        return [
            f"{name} makes no difference to {what}"
            for name, what in self.idle()
            if name in FRAMEWORK2019 and self._is_set(name)
        ]

    def check_continues(self, earlier: Mapping[str, object]) -> None:
        """Check that a run can be resumed with these options.

        Another device is allowed, with a note on standard error, since it rounds differently.

        Raises:
            ValueError: an option differs that changes the result; the message names the first.
        """
        for name, value in self.to_dict().items():
            # An option that is newer than the checkpoint had its default value.
            started_with = earlier.get(name, getattr(type(self), name))
            started_with = list(started_with) if isinstance(started_with, tuple) else started_with
            if name == "device" and started_with != value:
                print(
                    f"{self.folder} continues on the device {value!r}, after {started_with!r}; rounding may make its "
                    "weights differ slightly from those of an uninterrupted run",
                    file=sys.stderr,
                )
            if name not in _FREE_ON_RESUME and started_with != value:
                if name == "max_epochs":
                    if self.can_go_on and isinstance(started_with, int) and self.max_epochs > started_with:
                        continue
                    raise ValueError(
                        f"cannot resume {self.folder}: it was started with max_epochs = {started_with!r}, "
                        f"not {value!r}, and its learning rate schedule ends there; only a run with a constant "
                        "schedule can have more epochs"
                    )
                raise ValueError(
                    f"cannot resume {self.folder}: it was started with {name} = {started_with!r}, "
                    f"not {value!r}; use the same options, or another experiment_name"
                )


@dataclass(frozen=True, kw_only=True)
class TrainingOptions(RunOptions):
    """Train a colorizer."""

    model_name: Model = "resnet"
    """Colorizer name; in Python also a network from lightness to a and b."""
    max_images: int = 10
    """Validation images to show after each epoch."""
    loss: Loss = "auto"
    """Objective, or cross_entropy of color bins; auto: by model. In Python also (predicted, target) -> loss."""
    l1_weight: float = 100.0
    """λ: weight of L1 in the adversarial loss."""
    learning_rate: float | None = None
    """Peak learning rate of Adam; None: 2e-3, GANs 2e-4."""
    schedule: Schedule = "auto"
    """Learning rate over time; auto: one-cycle, GANs constant."""
    weight_decay: float = 0.01
    """Weight decay of AdamW, in regression."""
    frozen_stride: int = 0
    """Freeze the encoder's layers up to this stride; 32: all."""
    encoder_rate: float = 0.1
    """Learning rate of a pretrained encoder, as a factor."""
    feature_cache: Path | None = None
    """Folder that keeps a frozen encoder's features; needs crops."""
    recognition_weight: float = 0.0
    """Weight of the recognition loss of a classifier."""
    learn_hints: bool = False
    """Train only the attention to hints."""
    age_lightness: bool = False
    """Add blur, grain, odd contrast and JPEG blocks to the input."""
    initial_weights: Path | None = None
    """Weights (.safetensors) to start from; None: random."""
    ema: float = 0.0
    """Decay of averaged weights, such as 0.999; 0: none."""

    @property
    def can_go_on(self) -> bool:
        """Return whether a resumed run may have more epochs: only with a constant learning rate."""
        return self.schedule == "constant" or (self.schedule == "auto" and self.adversarial)

    @property
    def adversarial(self) -> bool:
        """Return whether the network is trained against a discriminator."""
        return has_discriminator(self.model_name)

    @property
    def _own_size(self) -> int:
        return size_of(self.model_name)

    def idle(self) -> Iterator[tuple[str, str]]:
        """Yield the options that make no difference, each with what it makes no difference to."""
        yield from super().idle()
        name = name_of(self.model_name)
        if self.adversarial:
            reason = f"{name}, which is trained against a discriminator"
            for option in (
                "loss", "weight_decay", "frozen_stride", "encoder_rate", "feature_cache", "recognition_weight",
                "learn_hints", "age_lightness", "ema",
            ):  # fmt: skip
                yield option, reason
            return
        yield "l1_weight", f"{name}, which has no discriminator"
        if self.learn_hints:
            for option in ("loss", "frozen_stride", "encoder_rate", "feature_cache", "recognition_weight", "ema"):
                yield option, "learn_hints, which trains only the attention to hints"
        build = type(self.model_name) if isinstance(self.model_name, nn.Module) else COLORIZERS[name].build
        # A function builds an unknown class, which is checked in training.
        if isinstance(build, type) and not issubclass(build, DistributionColorizer):
            for option in ("encoder_rate", "feature_cache", "frozen_stride"):
                yield option, f"{name}, which has no pretrained encoder"
            yield "learn_hints", f"{name}, which takes no hints"

    def __post_init__(self) -> None:
        if not isinstance(self.model_name, nn.Module):
            self._check_choices({"model_name": tuple(COLORIZERS)})
        if not callable(self.loss):
            self._check_choices({"loss": ("auto", *OBJECTIVES, "cross_entropy")})
        super().__post_init__()
        self._check_choices({"schedule": get_args(Schedule)})
        if self.learning_rate is not None and not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be positive, got {self.learning_rate}")
        if self.feature_cache is not None:
            object.__setattr__(self, "feature_cache", Path(self.feature_cache))
            if self.frozen_stride < 32 or not self.crops or self.age_lightness:
                raise ValueError(
                    "feature_cache needs an encoder and images that stay the same: frozen_stride 32, crops of 1 or "
                    f"more and no age_lightness; got frozen_stride {self.frozen_stride}, crops {self.crops} and "
                    f"age_lightness {self.age_lightness}"
                )
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


def _plain(value: object) -> object:
    """Return an option as a JSON value."""
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, nn.Module):
        return name_of(value)
    if isinstance(value, Dataset):
        return describe(value)
    return getattr(value, "__name__", type(value).__name__) if callable(value) else value
