"""Options of the evaluation tasks; many names and defaults are those of the original framework."""

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
    """Options of every evaluation."""

    val_batch_size: int = 100
    """Images per batch."""
    device: str = "auto"
    """auto (a GPU if there is one), cpu, cuda, cuda:1, mps."""

    def __post_init__(self) -> None:
        for name, value in list(vars(self).items()):
            if name.endswith("_path") and isinstance(value, str):
                object.__setattr__(self, name, Path(value))  # notebooks pass strings
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
    """Options of tasks that read a dataset."""

    dataset_name: Data = "placeholder"
    """Dataset name, or path of a folder or tar of images."""
    dataset_root_path: Path = Path("data")
    """Folder of the datasets, each in a folder of its name."""
    use_dataset_archive: Annotated[bool, tyro.conf.FlagConversionOff] = False
    """Read <name>.tar instead of the folder."""
    image_size: int = 32
    """Side of the images in pixels."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_name(self.dataset_name)
        if self.use_dataset_archive and self.dataset_name in ("placeholder", "cifar10"):
            raise ValueError(f"use_dataset_archive is for the Places datasets; {self.dataset_name} has no archive")

    def dataset(self, split: Split) -> ImageDataset:
        """Return one split of the dataset, at ``image_size``."""
        archive = self.use_dataset_archive
        return create_dataset(
            self.dataset_name, split, size=self.image_size, root=self.dataset_root_path, archive=archive
        )

    @property
    def workers(self) -> int:
        """Return the number of processes that decode images: 0 on a CPU, whose cores run the networks."""
        return 0 if self.torch_device().type == "cpu" else min(16, core_count())

    def batches(self, dataset: ImageDataset) -> Iterable[Batch]:
        """Return all images of a dataset in order, ``val_batch_size`` at a time."""
        return create_loader(dataset, self.val_batch_size, workers=self.workers)[0]


@dataclass(frozen=True, kw_only=True)
class OutputOptions(EvaluationOptions):
    """Options of tasks that write tables."""

    output_root_path: Path = Path("output")
    """Folder of the experiments."""
    experiment_name: str = "experiment_name"
    """Folder of the tables under the output root."""

    def __post_init__(self) -> None:
        super().__post_init__()
        name = self.experiment_name
        if not name or Path(name).is_absolute() or ".." in name:
            raise ValueError(f"experiment_name must name a folder under the output root, got {name!r}")

    @property
    def folder(self) -> Path:
        """Return the folder of the tables: ``<output_root_path>/<experiment_name>``."""
        return self.output_root_path / self.experiment_name


@dataclass(frozen=True, kw_only=True)
class SetOptions(EvaluationOptions):
    """Options of tasks on the folders of an evaluation set.

    ``eval_type`` selects the folders: ``original``, only the originals; ``grayscale``, also their gray versions;
    ``colorized``, also the model's images.
    """

    eval_root_path: Path = Path("eval")
    """Folder of the evaluation set."""
    eval_type: EvalType = "original"
    """original; grayscale: also gray images; colorized: also the model's."""
    model_name: ColorizerName = "resnet"
    """Architecture of the colorizer."""
    model_suffix: str | None = None
    """Suffix of the weights' name: resnet-<suffix>."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.model_suffix is not None and Path(f"x{self.model_suffix}").name != f"x{self.model_suffix}":
            raise ValueError(f"model_suffix is part of a folder's name, without /, got {self.model_suffix!r}")

    @property
    def model(self) -> str:
        """Return the name of the model's weights and images: ``<model_name>[-<model_suffix>]``."""
        return f"{self.model_name}-{self.model_suffix}" if self.model_suffix else self.model_name

    @property
    def kinds(self) -> tuple[str, ...]:
        """Return the names of the folders that ``eval_type`` selects, the originals first."""
        count = get_args(EvalType).index(self.eval_type) + 1
        return ("original", "grayscale", self.model)[:count]


@dataclass(frozen=True, kw_only=True)
class GenerationOptions(SetOptions, DataOptions):
    """Write test images, their gray versions and a model's colorizations as PNGs.

    To continue an interrupted run, run it again.
    """

    model_path: Path = Path("models")
    """Folder of <model-name>[-<model-suffix>].safetensors, or such a file; by default also weights that ship."""


@dataclass(frozen=True, kw_only=True)
class MSEOptions(SetOptions, OutputOptions):
    """Score the squared error of a and b, of images that eval-gen wrote."""


@dataclass(frozen=True, kw_only=True)
class PSOptions(SetOptions, OutputOptions):
    """Score the LPIPS distance to the originals, of images that eval-gen wrote."""

    trunk: Trunk = "alex"
    """Trunk network; colorlab and lite0 need no download and are not LPIPS."""
    trunk_weights: Path | None = None
    """Its weights, where torch hub neither has nor gets them."""


@dataclass(frozen=True, kw_only=True)
class SIOptions(SetOptions, OutputOptions):
    """Score a classifier's accuracy on images that eval-gen wrote."""

    classifier_path: Path = Path("models/classifier.safetensors")
    """best.safetensors of the task classifier, or cifar10, placeholder, imagenet, timm:NAME."""
    classifier_weights: Path | None = None
    """File of weights for imagenet or timm:NAME."""


@dataclass(frozen=True, kw_only=True)
class LeaderboardOptions(DataOptions, OutputOptions):
    """Score several models and the baselines on test images, with all scores."""

    models: tuple[str, ...] = ()
    """Weights that ship, by name, or paths of .safetensors; by default all that ship."""
    trunk: Literal["none", "alex", "vgg", "squeeze", "colorlab", "lite0"] = "none"
    """Network for the perceptual distance."""
    trunk_weights: Path | None = None
    """Its weights, where torch hub neither has nor gets them."""
    classifier_path: Path | None = None
    """Classifier for the accuracies, as for eval-si; by default none."""
    classifier_weights: Path | None = None
    """File of weights for imagenet or timm:NAME."""
    frechet: bool = False
    """Also the Fréchet distance of the classifier's features; needs 500 images."""
    resume: bool = False
    """Continue the last run with these options."""
