"""How each of the weights that ship is trained: data, order, options. Nothing here but torch and the training itself.

The order of ``RECIPES`` is the order of merit: the first is the default of ``colorlab.colorize``.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import tarfile
from pathlib import Path

from colorlab.models import describe_weights
from colorlab.training import ClassifierOptions, TrainingOptions, train, train_classifier

REAL_DATA = Path(os.environ.get("COLORLAB_REAL_DATA", "data"))
# Checkpoints of long runs may lie outside the checkout.
OUTPUT = Path(os.environ.get("COLORLAB_TRAINING", "output"))
THUMBNAILS = OUTPUT / "thumbnails.tar"


def _stage(name: str, dataset: Path, **options: object) -> TrainingOptions:
    common = {"loss": "huber", "batch_output_frequency": 20, "resume": True, "output_root_path": OUTPUT}
    return TrainingOptions(
        **{"experiment_name": f"weights-{name}", "dataset_name": str(dataset), **common, **options}
    )


_UNET32 = _stage("unet32", THUMBNAILS, model_name="unet32", max_epochs=5)

_DISTRIBUTION = {
    "model_name": "distribution",
    "loss": "cross_entropy",
    "also_train_on": (str(REAL_DATA / "photos.tar"),),
    "validate_on": str(REAL_DATA / "photos.tar"),
    "image_size": 128,
    "min_crop_area": 0.4,
    "age_lightness": True,
    "train_batch_size": 32,
    "weight_decay": 0.05,
    "ema": 0.998,
    "max_epochs": 2,
    "checkpoint_minutes": 4.0,
}

# One stage after the other; each begins with the weights in which the one before ended.
RECIPES: dict[str, tuple[TrainingOptions, ...]] = {
    # The encoder's first layers stay as ImageNet made them: training those costs most and gains least.
    "distribution": (
        _stage("distribution", REAL_DATA / "photographs.tar", **_DISTRIBUTION, frozen_stride=8, learning_rate=1.5e-3),
        _stage(
            "distribution-2",
            REAL_DATA / "photographs.tar",
            **_DISTRIBUTION | {"min_crop_area": 0.3},
            frozen_stride=4,
            learning_rate=1e-3,
        ),
        _stage(
            "distribution-3",
            REAL_DATA / "photographs.tar",
            **_DISTRIBUTION | {"min_crop_area": 0.3, "max_epochs": 1},
            frozen_stride=4,
            learning_rate=7e-4,
            recognition_weight=0.2,
        ),
        # What hints do, over a network that stays as it is.
        _stage(
            "distribution-hints",
            REAL_DATA / "photographs.tar",
            **_DISTRIBUTION
            | {
                "loss": "auto",
                "min_crop_area": 0.3,
                "max_epochs": 1,
                "train_batch_size": 24,
                "weight_decay": 0.01,
                "ema": 0.0,
                "checkpoint_minutes": 3.0,
            },
            learn_hints=True,
            seed=6,
        ),
    ),
    "resnet": (_stage("resnet", THUMBNAILS, model_name="resnet", max_epochs=8),),
    "unet32": (
        _UNET32,
        # Few and gently: they are 600, and what was learned from 90,000 thumbnails shall stay.
        _stage(
            "unet32-photos",
            REAL_DATA / "photos.tar",
            model_name="unet32",
            image_size=96,
            train_batch_size=32,
            learning_rate=3e-5,
            max_epochs=8,
        ),
    ),
    # A game that regression prepares: it begins with colors as right as unet32's, and makes them vivid.
    "nazerigan32": (
        _UNET32,
        _stage("nazerigan32", THUMBNAILS, model_name="nazerigan32", loss="auto", max_epochs=1, l1_weight=20.0),
    ),
    # Knows eight photographs and nothing else; shows what training is when it works, on images that everyone has.
    "resnet-placeholder": (
        TrainingOptions(
            experiment_name="weights-resnet-placeholder",
            model_name="resnet",
            loss="huber",
            max_epochs=20,
            resume=True,
        ),
    ),
}

# Networks that judge: of what is shown in an image, and, as ``trunk``, of how alike two images look.
JUDGES: dict[str, ClassifierOptions] = {
    "classifier-cifar10": ClassifierOptions(
        experiment_name="weights-classifier-cifar10",
        classifier_name="small",
        dataset_name=str(REAL_DATA / "cifar10.tar"),
        max_shift=4,
        max_epochs=14,
        batch_output_frequency=20,
        resume=True,
    ),
    "classifier-placeholder": ClassifierOptions(
        experiment_name="weights-classifier-placeholder", classifier_name="small", max_epochs=8, resume=True
    ),
    "trunk": ClassifierOptions(
        experiment_name="weights-trunk",
        classifier_name="squeeze",
        dataset_name=str(REAL_DATA / "tinyimagenet.tar"),
        image_size=64,
        max_epochs=8,
        batch_output_frequency=20,
        resume=True,
    ),
}


def stages(name: str) -> tuple[TrainingOptions | ClassifierOptions, ...]:
    """The recipe of this name."""
    return (JUDGES[name],) if name in JUDGES else RECIPES[name]


def learn(name: str) -> Path:
    """Train by the recipe of this name, stage by stage; the weights in which the last one ended.

    Those, not the best: a choice by the validation images would flatter the scores on them.
    """
    weights: Path | None = None
    for stage in stages(name):
        options = dataclasses.replace(stage, initial_weights=weights) if weights else stage
        weights = options.folder / "last.safetensors"
        if not _finished(options):
            _prepare(options)
            run = train_classifier(options) if isinstance(options, ClassifierOptions) else train(options)
            if run.stopped:
                sys.exit(130)
    assert weights is not None
    return weights


def _finished(options: TrainingOptions | ClassifierOptions) -> bool:
    """Whether the run came to its end with these options, be it with images from another folder.

    An option that is newer than the run has the value that it has by default.
    """
    weights = options.folder / "last.safetensors"
    if not weights.exists():
        return False
    header = describe_weights(weights)
    elsewhere = {
        "dataset_name",
        "also_train_on",
        "validate_on",
        "dataset_root_path",
        "output_root_path",
        "initial_weights",
        "val_batch_size",
    }
    then = type(options)().to_dict() | header["options"]
    theirs, ours = ({k: v for k, v in o.items() if k not in elsewhere} for o in (then, options.to_dict()))
    return header["epoch"] == options.max_epochs and theirs == ours


def _prepare(options: TrainingOptions | ClassifierOptions) -> None:
    """Make the file that recipes begin with and nobody publishes: a mixture of thumbnails."""
    OUTPUT.mkdir(exist_ok=True)
    if Path(options.dataset_name) == THUMBNAILS and not THUMBNAILS.exists():
        unfinished = THUMBNAILS.with_suffix(".part")
        with tarfile.open(unfinished, "w") as mixture:
            for name in ("cifar10", "tinyimagenet"):
                with tarfile.open(REAL_DATA / f"{name}.tar") as tar:
                    for member in tar:
                        if member.isfile() and ("/train/" in member.name or "/val/" in member.name):
                            mixture.addfile(member, tar.extractfile(member))
        unfinished.replace(THUMBNAILS)
