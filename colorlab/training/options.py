"""What can be set about a training run; the same object in a notebook and on the command line."""

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
    _Data = str  # so that the help says once which datasets there are

Schedule = Literal["auto", "one-cycle", "cosine", "constant"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]

# What may differ between a run and its continuation: nothing of it touches a weight, but for a device's rounding.
_FREE_ON_RESUME = frozenset(
    {
        "output_root_path",
        "dataset_root_path",
        "experiment_name",
        "initial_weights",  # long left behind
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
"""The options of the framework of 2019, which are accepted everywhere, also where they make no difference."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Options of any training run. Names of the first block are those of the framework of 2019."""

    seed: int = 0
    """Random seed; every number is one, 0 too."""
    experiment_name: str = "experiment_name"
    """Folder of this run under the output root."""
    dataset_name: Data = "placeholder"
    """A dataset's name, or the path of a folder or tar of images; in Python also a torch Dataset."""
    dataset_root_path: Path = Path("data")
    """Where datasets lie, each in a folder of its name."""
    also_train_on: tuple[_Data, ...] = ()
    """Further datasets whose training images are added."""
    validate_on: _Data | None = None
    """Dataset to validate on; None: that of dataset_name."""
    use_dataset_archive: Annotated[bool, tyro.conf.FlagConversionOff] = False
    """Read <name>.tar in place of the folder."""
    output_root_path: Path = Path("output")
    """Where the folders of runs lie."""
    max_epochs: int = 5
    """Passes over the training images."""
    train_batch_size: int | None = None
    """Images in a training step, all processes together; None: 100, or as many as have the pixels of 16 of 224²."""
    val_batch_size: int | None = None
    """Images in a validation step; None: as for training."""
    batch_output_frequency: int = 1
    """Batches between two looks at the loss."""

    image_size: int | None = None
    """Side of the images in pixels; None: the model's own."""
    max_shift: int = 0
    """Move training images at random by up to so many pixels."""
    min_crop_area: float = MIN_AREA
    """Least share of an image that a random crop takes."""
    crops: int = 0
    """Flip and crop each image in so many ways, in turn; 0: in a new way each epoch."""
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
        """Where the run writes: ``<output_root_path>/<experiment_name>``."""
        return self.output_root_path / self.experiment_name

    @property
    def size(self) -> int:
        """Side of the images in pixels: ``image_size``, or the model's own."""
        return self.image_size or self._own_size

    @property
    def _own_size(self) -> int:
        return 32

    @property
    def batch_size(self) -> int:
        """Images in a training step: ``train_batch_size``, or as many as fit."""
        return self.train_batch_size or self._fitting

    @property
    def validation_batch_size(self) -> int:
        """Images in a validation step: ``val_batch_size``, or as many as fit."""
        return self.val_batch_size or self._fitting

    @property
    def _fitting(self) -> int:
        return max(1, min(100, 16 * 224**2 // self.size**2))

    def dataset(self, split: Split) -> ImageDataset:
        """One split of the run's data, at the run's size: all training images, or those to validate on.

        A torch Dataset has no splits: without ``validate_on``, a tenth of it, drawn by ``seed``, is validated on.
        """
        data, validation = self.dataset_name, self.validate_on
        if isinstance(data, Dataset) and validation is None:
            data, validation = self._halves(data)
        if split == "train":
            parts = [self._dataset(part, split) for part in (data, *self.also_train_on)]
            return Mixture(parts) if len(parts) > 1 else parts[0]
        return self._dataset(data if validation is None else validation, split)

    def _halves(self, data: Dataset[Any]) -> tuple[Dataset[Any], Dataset[Any]]:
        """Nine tenths to train on, and the others."""
        count = len(given_dataset(data, self.size))
        if count < 2:
            raise ValueError(f"{describe(data)} has {count} images; training needs one, and validation another")
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
        """Loader workers of each process: as asked, else none on a CPU, whose cores are busy learning."""
        if self.loader_workers is not None:
            return self.loader_workers
        return 0 if device.type == "cpu" else max(1, min(16, core_count() // processes))

    def torch_device(self) -> torch.device:
        """Return the device that ``device`` means on this machine (:func:`colorlab.devices.find_device`)."""
        return find_device(self.device)

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
        """The options as JSON can hold them: objects by their names, and what was left open as it is used."""
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
        """The options that were set but make no difference, each with what it makes none to."""
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
        """Refuse options that were set but make no difference, but for those of the framework of 2019."""
        for name, what in self.idle():
            if name not in FRAMEWORK2019 and self._is_set(name):
                raise ValueError(f"{name} makes no difference to {what}; leave it out, got {getattr(self, name)!r}")

    def _is_set(self, name: str) -> bool:
        return bool(getattr(self, name) != getattr(type(self), name))

    def notes(self) -> list[str]:
        """A sentence on each option of the framework of 2019 that was set but makes no difference."""
        return [
            f"{name} makes no difference to {what}"
            for name, what in self.idle()
            if name in FRAMEWORK2019 and self._is_set(name)
        ]

    def check_continues(self, earlier: Mapping[str, object]) -> None:
        """Refuse to resume a run under options with which it would not become the same run.

        Another device is allowed, which is said on standard error: its rounding is another.

        Raises:
            ValueError: naming the first option that differs.
        """
        for name, value in self.to_dict().items():
            # What was no option yet was as its default is.
            started_with = earlier.get(name, getattr(type(self), name))
            started_with = list(started_with) if isinstance(started_with, tuple) else started_with
            if name == "device" and started_with != value:
                print(
                    f"{self.folder} goes on on the device {value!r}, after {started_with!r}: from here on, its "
                    "weights are not those of an uninterrupted run to the last bit",
                    file=sys.stderr,
                )
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

    model_name: Model = "resnet"
    """The colorizer's name; in Python also a network from lightness to a and b."""
    max_images: int = 10
    """Validation images kept as colored after each epoch."""
    loss: Loss = "auto"
    """Objective, or cross_entropy of color bins; auto: the model's. In Python also (predicted, target) -> loss."""
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
    feature_cache: Path | None = None
    """Folder that keeps the features of a frozen encoder (needs --frozen-stride 32 and --crops)."""
    recognition_weight: float = 0.0
    """Weight of the loss on what a classifier recognizes."""
    learn_hints: bool = False
    """Keep the model as it is, and learn what hints do to it."""
    age_lightness: bool = False
    """Add blur, grain, odd contrast and JPEG blocks to the input."""
    initial_weights: Path | None = None
    """Weights (.safetensors) to go on from; None: random ones."""
    ema: float = 0.0
    """Decay of averaged weights, such as 0.999; 0: none."""

    @property
    def can_go_on(self) -> bool:
        """Whether a run may get more epochs than it was started with, which a constant learning rate allows."""
        return self.schedule == "constant" or (self.schedule == "auto" and self.adversarial)

    @property
    def adversarial(self) -> bool:
        """Whether the network is trained against a discriminator."""
        return has_discriminator(self.model_name)

    @property
    def _own_size(self) -> int:
        return size_of(self.model_name)

    def idle(self) -> Iterator[tuple[str, str]]:
        """The options that were set but make no difference, each with what it makes none to."""
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
                yield option, "learning hints, where the rest of the network stays as it is"
        build = type(self.model_name) if isinstance(self.model_name, nn.Module) else COLORIZERS[name].build
        # Of what a function makes, training itself finds out.
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
    """An option as JSON can hold it."""
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, nn.Module):
        return name_of(value)
    if isinstance(value, Dataset):
        return describe(value)
    return getattr(value, "__name__", type(value).__name__) if callable(value) else value
