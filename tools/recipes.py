"""The recipes of the weights that ship: data, order and options. This module imports only torch and colorlab.

``RECIPES`` is sorted from best to worst: the first is the default of ``colorlab.colorize``.
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
# Checkpoints of long runs may be outside the checkout.
OUTPUT = Path(os.environ.get("COLORLAB_TRAINING", "output"))
THUMBNAILS = OUTPUT / "thumbnails.tar"


def _stage(name: str, dataset: Path, **options: object) -> TrainingOptions:
    common = {"loss": "huber", "batch_output_frequency": 20, "resume": True, "output_root_path": OUTPUT}
    return TrainingOptions(
        **{"experiment_name": f"weights-{name}", "dataset_name": str(dataset), **common, **options}
    )


_PHOTOGRAPHS = {
    "also_train_on": (str(REAL_DATA / "photos.tar"),),
    "validate_on": str(REAL_DATA / "photos.tar"),
    "image_size": 96,
    "min_crop_area": 0.3,
    "train_batch_size": 32,
    "checkpoint_minutes": 3.0,
    "seed": 7,
}
# Some 26 minutes of one thread each.
_REGRESSION = {**_PHOTOGRAPHS, "ema": 0.998, "weight_decay": 0.02}

_UNET32 = (
    _stage("unet32", THUMBNAILS, model_name="unet32", max_epochs=5),
    # Few epochs at a low learning rate, because 600 images should not undo training on 90,000 thumbnails.
    _stage(
        "unet32-photos",
        REAL_DATA / "photos.tar",
        model_name="unet32",
        image_size=96,
        train_batch_size=32,
        learning_rate=3e-5,
        max_epochs=8,
    ),
    _stage(
        "unet32-photographs",
        REAL_DATA / "photographs.tar",
        model_name="unet32",
        **_REGRESSION,
        learning_rate=5e-4,
        max_epochs=1,
    ),
)

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

# Each stage starts from the last weights of the stage before.
RECIPES: dict[str, tuple[TrainingOptions, ...]] = {
    # The encoder's first layers stay frozen: training them costs most and gains least.
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
        # Trains only the attention to hints.
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
    "resnet": (
        _stage("resnet", THUMBNAILS, model_name="resnet", max_epochs=8),
        _stage(
            "resnet-photographs",
            REAL_DATA / "photographs.tar",
            model_name="resnet",
            **_REGRESSION,
            learning_rate=7e-4,
            max_epochs=4,
        ),
    ),
    "unet32": _UNET32,
    # Adversarial training makes the regression's colors more vivid; what ships lies between the two (BLENDS).
    "nazerigan32": (
        *_UNET32,
        _stage(
            "nazerigan32-photographs",
            REAL_DATA / "photographs.tar",
            model_name="nazerigan32",
            **_PHOTOGRAPHS | {"image_size": 80},
            loss="auto",
            l1_weight=30.0,
            learning_rate=2e-4,
            max_epochs=1,
        ),
    ),
    # Trained on only eight photographs that everyone has; shows what successful training looks like.
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

# Weights that ship as a mixture of the stage before (0) and the last stage (1): network interpolation, Wang et al.
# 2018 (arXiv:1809.00219), section 3.4. Nearer to 1 is more vivid and further from the truth.
BLENDS = {"nazerigan32": 0.81}

# Networks of the scores: classifiers, and ``trunk`` for the perceptual distance.
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
    """Return the recipe with this name."""
    return (JUDGES[name],) if name in JUDGES else RECIPES[name]


def learn(name: str) -> Path:
    """Train the recipe with this name, stage by stage, and return the last weights of the last stage.

    Not the best weights: selecting them by the validation images would bias the scores on these.
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
    """Return whether the run is finished with these options; its folders may differ.

    An option that is newer than the run has its default value.
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
    """Write the archive that some recipes start with: a mixture of thumbnails."""
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
