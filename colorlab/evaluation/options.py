"""What can be set about an evaluation; names and defaults are the seed's where it had them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

import torch
import tyro

from colorlab.data import Batch, Data, ImageDataset, Split, create_dataset, create_loader
from colorlab.data.names import check_name
from colorlab.devices import core_count, find_device
from colorlab.evaluation.perceptual import Trunk
from colorlab.models import COLORIZERS, ColorizerName

EvalType = Literal["original", "grayscale", "colorized"]


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """What every evaluation has in common."""

    val_batch_size: int = 100
    """Images at a time."""
    device: str = "auto"
    """auto (a GPU if there is one), cpu, cuda, cuda:1, mps."""

    def __post_init__(self) -> None:
        for name, value in list(vars(self).items()):
            if name.endswith("_path") and isinstance(value, str):
                object.__setattr__(self, name, Path(value))  # strings are welcome in notebooks
            choices = {"model_name": tuple(COLORIZERS), "eval_type": get_args(EvalType)}.get(name)
            if choices and value not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
            if name in ("val_batch_size", "image_size") and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")

    def torch_device(self) -> torch.device:
        """Return the device that ``device`` means on this machine (:func:`colorlab.devices.find_device`)."""
        return find_device(self.device)


@dataclass(frozen=True, kw_only=True)
class DataOptions(EvaluationOptions):
    """Of tasks that read a data set."""

    dataset_name: Data = "placeholder"
    """A dataset's name, or the path of a folder or tar of images."""
    dataset_root_path: Path = Path("data")
    """Where datasets lie, each in a folder of its name."""
    use_dataset_archive: Annotated[bool, tyro.conf.FlagConversionOff] = False
    """Read <name>.tar in place of the folder."""
    image_size: int = 32
    """Side of the images in pixels."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_name(self.dataset_name)
        if self.use_dataset_archive and self.dataset_name in ("placeholder", "cifar10"):
            raise ValueError(f"use_dataset_archive is for the Places data sets; {self.dataset_name} is no tar")

    def dataset(self, split: Split) -> ImageDataset:
        """Return one split of the data set, at ``image_size``."""
        archive = self.use_dataset_archive
        return create_dataset(
            self.dataset_name, split, size=self.image_size, root=self.dataset_root_path, archive=archive
        )

    @property
    def workers(self) -> int:
        """Processes that decode images: none on a CPU, whose cores are busy with the networks."""
        return 0 if self.torch_device().type == "cpu" else min(16, core_count())

    def batches(self, dataset: ImageDataset) -> Iterable[Batch]:
        """Return all images of a data set in its order, ``val_batch_size`` at a time."""
        return create_loader(dataset, self.val_batch_size, workers=self.workers)[0]


@dataclass(frozen=True, kw_only=True)
class OutputOptions(EvaluationOptions):
    """Of tasks that write tables."""

    output_root_path: Path = Path("output")
    """Where the folders of experiments lie."""
    experiment_name: str = "experiment_name"
    """Folder for the tables under the output root."""

    def __post_init__(self) -> None:
        super().__post_init__()
        name = self.experiment_name
        if not name or Path(name).is_absolute() or ".." in name:
            raise ValueError(f"experiment_name must name a folder under the output root, got {name!r}")

    @property
    def folder(self) -> Path:
        """Where the tables are written to: ``<output_root_path>/<experiment_name>``."""
        return self.output_root_path / self.experiment_name


@dataclass(frozen=True, kw_only=True)
class SetOptions(EvaluationOptions):
    """Of tasks on the folders of an evaluation set.

    ``eval_type`` says how far to go, since each kind is of use only beside those before it: ``original`` takes the
    folder of the originals; ``grayscale`` that and their grays; ``colorized`` both and the model's.
    """

    eval_root_path: Path = Path("eval")
    """Where the folders of the evaluation set lie."""
    eval_type: EvalType = "original"
    """original; grayscale: also the grays; colorized: also the model's images."""
    model_name: ColorizerName = "resnet"
    """Architecture of the colorizer."""
    model_suffix: str | None = None
    """Tells apart weights of one architecture: resnet-<suffix>."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.model_suffix is not None and Path(f"x{self.model_suffix}").name != f"x{self.model_suffix}":
            raise ValueError(f"model_suffix becomes part of a folder's name, so without /, got {self.model_suffix!r}")

    @property
    def model(self) -> str:
        """Name of the model's weights and images: ``<model_name>[-<model_suffix>]``."""
        return f"{self.model_name}-{self.model_suffix}" if self.model_suffix else self.model_name

    @property
    def kinds(self) -> tuple[str, ...]:
        """The folders that ``eval_type`` means, the originals first."""
        count = get_args(EvalType).index(self.eval_type) + 1
        return ("original", "grayscale", self.model)[:count]


@dataclass(frozen=True, kw_only=True)
class GenerationOptions(SetOptions, DataOptions):
    """Write test images, their grays and a model's colors for them, as PNGs.

    A run that was interrupted goes on where it was when it is given again.
    """

    model_path: Path = Path("models")
    """Folder of <model-name>[-<model-suffix>].safetensors, or one such file; by default also weights that ship."""


@dataclass(frozen=True, kw_only=True)
class MSEOptions(SetOptions, OutputOptions):
    """Squared error of a and b, of images that eval-gen wrote."""


@dataclass(frozen=True, kw_only=True)
class PSOptions(SetOptions, OutputOptions):
    """Perceptual distance (LPIPS) to the originals, of images that eval-gen wrote."""

    trunk: Trunk = "alex"
    """Network that compares; colorlab and lite0 need no download and are not LPIPS."""
    trunk_weights: Path | None = None
    """Its weights, where torch hub neither has nor gets them."""


@dataclass(frozen=True, kw_only=True)
class SIOptions(SetOptions, OutputOptions):
    """Accuracy of a classifier on images that eval-gen wrote."""

    classifier_path: Path = Path("models/classifier.safetensors")
    """best.safetensors of the task classifier; cifar10, placeholder; for photographs imagenet, timm:NAME."""
    classifier_weights: Path | None = None
    """File of weights for imagenet or timm:NAME."""


@dataclass(frozen=True, kw_only=True)
class LeaderboardOptions(DataOptions, OutputOptions):
    """All scores of several models on test images, beside the baselines."""

    models: tuple[str, ...] = ()
    """Names of weights that ship, or paths of .safetensors; by default all that ship."""
    trunk: Literal["none", "alex", "vgg", "squeeze", "colorlab", "lite0"] = "none"
    """Network for the perceptual distance; none: without."""
    trunk_weights: Path | None = None
    """Its weights, where torch hub neither has nor gets them."""
    classifier_path: Path | None = None
    """Classifier for the accuracies, as for eval-si; by default without."""
    classifier_weights: Path | None = None
    """File of weights for imagenet or timm:NAME."""
    frechet: bool = False
    """Fréchet distance of the classifier's features too, from 500 images on."""
    resume: bool = False
    """Go on where the last run with these options stopped."""
