"""Train the weights that ship and take them into the package; ``make scores`` prints what their cards say of them.

    COLORLAB_REAL_DATA=<folder with the tars> make weights [ARGS="resnet unet32"]

Training is resumed where an earlier call was interrupted; a finished run is only taken over.

The order of ``RECIPES`` is the order of merit: the first is the default of ``colorlab.colorize``.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import sys
import tarfile
from pathlib import Path

import torch
from safetensors.torch import save_file
from score_weights import predict
from torchvision.models import SqueezeNet1_1_Weights

from colorlab import color
from colorlab.data import create_dataset
from colorlab.models import Colorizer, describe_weights, load_classifier, load_weights, save_weights
from colorlab.models.classifiers import SqueezeClassifier
from colorlab.models.colorlab import ColorlabColorizer
from colorlab.training import ClassifierOptions, TrainingOptions, train, train_classifier

WORKING_SIZES = (32, 48, 64, 96, 128)
FOLDER = Path(__file__).parent.parent / "colorlab" / "pretrained"
REAL_DATA = Path(os.environ.get("COLORLAB_REAL_DATA", "data"))
OUTPUT = Path("output")
# What has the least error looks dull. By so much its colours are raised, at some cost in error.
CHROMA = {"colorlab": 1.4}
THUMBNAILS = OUTPUT / "thumbnails.tar"
IMAGENET = OUTPUT / "imagenet.safetensors"


def _stage(name: str, dataset: Path, **options: object) -> TrainingOptions:
    common = {"loss": "huber", "batch_output_frequency": 20, "resume": True, "output_root_path": OUTPUT}
    return TrainingOptions(
        **{"experiment_name": f"weights-{name}", "dataset_name": str(dataset), **common, **options}
    )


_UNET32 = _stage("unet32", THUMBNAILS, model_name="unet32", max_epochs=5)

# One stage after the other; each begins with the weights in which the one before ended.
RECIPES: dict[str, tuple[TrainingOptions, ...]] = {
    "colorlab": (
        # From what ImageNet's classes taught to colours, then to photographs with their detail.
        _stage(
            "colorlab-1",
            REAL_DATA / "tinyimagenet.tar",
            model_name="colorlab",
            image_size=64,
            train_batch_size=64,
            learning_rate=1e-3,
            max_epochs=3,
            initial_weights=IMAGENET,
        ),
        _stage(
            "colorlab-2",
            REAL_DATA / "photos.tar",
            model_name="colorlab",
            image_size=128,
            train_batch_size=32,
            learning_rate=3e-4,
            max_epochs=10,
        ),
    ),
    "resnet": (_stage("resnet", THUMBNAILS, model_name="resnet", max_epochs=8),),
    "unet32": (_UNET32,),
    # A game that regression prepares: it begins with colours as right as unet32's, and makes them vivid.
    "nazerigan32": (
        _UNET32,
        _stage("nazerigan32", THUMBNAILS, model_name="nazerigan32", max_epochs=1, l1_weight=20.0),
    ),
    # Knows eight photographs and nothing else; shows what training is when it works, on pictures that everyone has.
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

# Networks that judge: of what is shown in a picture, and, as ``trunk``, of how alike two pictures look.
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


def prepare() -> None:
    """Make the files that recipes begin with and nobody publishes: a mixture of thumbnails, an encoder for grey."""
    OUTPUT.mkdir(exist_ok=True)
    if not THUMBNAILS.exists():
        unfinished = THUMBNAILS.with_suffix(".part")
        with tarfile.open(unfinished, "w") as mixture:
            for name in ("cifar10", "tinyimagenet"):
                with tarfile.open(REAL_DATA / f"{name}.tar") as tar:
                    for member in tar:
                        if member.isfile() and ("/train/" in member.name or "/val/" in member.name):
                            mixture.addfile(member, tar.extractfile(member))
        unfinished.replace(THUMBNAILS)
    if not IMAGENET.exists():
        local = REAL_DATA.parent / "weights" / "squeezenet1_1-features.pth"
        if local.exists():
            features = torch.load(local, weights_only=True)
        else:
            state = SqueezeNet1_1_Weights.IMAGENET1K_V1.get_state_dict(check_hash=True)
            features = {k.removeprefix("features."): v for k, v in state.items() if k.startswith("features.")}
        torch.manual_seed(0)
        model = ColorlabColorizer()
        model.recognize_like(features)
        save_weights(model, IMAGENET)


def run(stages: tuple[TrainingOptions, ...]) -> Path:
    """Train stage by stage; the weights in which the last one ended.

    Those, not the best: a choice by the validation pictures would flatter the scores on them.
    """
    weights: Path | None = None
    for stage in stages:
        options = dataclasses.replace(stage, initial_weights=weights) if weights else stage
        weights = options.folder / "last.safetensors"
        if train(options).stopped:
            sys.exit(130)
    assert weights is not None
    return weights


def run_judge(options: ClassifierOptions) -> Path:
    """Train a judge; the weights of its last epoch, for the same reason."""
    if train_classifier(options).stopped:
        sys.exit(130)
    return options.folder / "last.safetensors"


def ship_judge(name: str, source: Path) -> None:
    """Copy a judge into the package in half precision; of ``trunk`` only the convolutions, batch norms folded in."""
    target = FOLDER / f"{name}.safetensors"
    judge, facts = load_classifier(source), _facts(source)
    if isinstance(judge, SqueezeClassifier):
        state = {key: tensor.half().contiguous() for key, tensor in judge.trunk().items()}
        save_file(state, target, metadata={"colorlab": json.dumps(facts)})
    else:
        save_weights(judge, target, facts, dtype=torch.float16)
    _note("trunk" if name == "trunk" else "classifiers", name, target)


def ship(name: str, source: Path) -> None:
    """Copy trained weights into the package as ``name``, in half precision."""
    target = FOLDER / f"{name}.safetensors"
    model = load_weights(source)
    model.working_size = working_size(name, model)
    if isinstance(model, ColorlabColorizer):
        for parameter in model.to_ab[-1].parameters():
            parameter.data *= CHROMA[name]
    save_weights(model, target, _facts(source), dtype=torch.float16)
    _note("colorizers", name, target)


def _facts(source: Path) -> dict[str, object]:
    """What a file of weights knows of its training, without the paths of this machine."""
    header = describe_weights(source)
    options = {k: v for k, v in header["options"].items() if not k.endswith("_path") and k != "initial_weights"}
    options["dataset_name"] = Path(options["dataset_name"]).stem
    return {"options": options, "classes": header["classes"], "epoch": header["epoch"]}


def _note(kind: str, name: str, target: Path) -> None:
    """Enter a file's SHA-256 into ``shipped.json``, in the order of the recipes."""
    index = FOLDER / "shipped.json"
    shipped = json.loads(index.read_text(encoding="utf-8"))
    shipped[kind][name] = hashlib.sha256(target.read_bytes()).hexdigest()
    shipped[kind] = {known: shipped[kind][known] for known in (*RECIPES, *JUDGES) if known in shipped[kind]}
    index.write_text(json.dumps(shipped, indent=2) + "\n", encoding="utf-8")
    print(f"{target.name}: {target.stat().st_size / 1e6:.2f} MB, SHA-256 {shipped[kind][name]}")


def working_size(name: str, model: Colorizer) -> int:
    """The finest size whose error of a and b is within 1 % of the least, on every third *training* photograph.

    Networks that learned from thumbnails were not trained on those. A photograph shows more detail than a thumbnail.
    """
    if name == "resnet-placeholder":
        return 96  # its training pictures were a third of a photograph's side, at 32 px
    if Path(RECIPES[name][-1].dataset_name).stem == "photos":
        return RECIPES[name][-1].image_size  # it was
    lab = color.rgb_to_lab(create_dataset(str(REAL_DATA / "photos.tar"), "train", size=256).rgb[::3])
    errors = {}
    for model.working_size in WORKING_SIZES:
        errors[model.working_size] = float((predict(model, lab) - lab[:, 1:]).abs().mean())
        print(f"{name} at working size {model.working_size}: MAE {errors[model.working_size]:.3f}")
    return max(size for size, error in errors.items() if error <= 1.01 * min(errors.values()))


def main(names: list[str]) -> None:
    """Train and ship."""
    prepare()
    for name in names:
        if name in JUDGES:
            ship_judge(name, run_judge(JUDGES[name]))
        else:
            ship(name, run(RECIPES[name]))


if __name__ == "__main__":
    main(sys.argv[1:] or [*RECIPES, *JUDGES])
