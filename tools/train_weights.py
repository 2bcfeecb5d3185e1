"""Train the weights that ship, take them into the package and print the scores for their cards.

    COLORLAB_REAL_DATA=<folder with the tars> make weights [ARGS="resnet unet32"]
    COLORLAB_REAL_DATA=<folder with the tars> make sheet

Training is resumed where an earlier call was interrupted; a finished run is only taken over and scored. ``sheet``
paints photographs that nobody selected, for the eye: every eighth of ``photos`` val, into ``output/sheet.png``.

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
from PIL import Image
from safetensors.torch import save_file
from torch.nn import functional as F
from torchvision.models import SqueezeNet1_1_Weights
from torchvision.utils import make_grid

from colorlab import color
from colorlab.data import create_dataset
from colorlab.evaluation import grey, mean_colour
from colorlab.inference import predict_ab
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
    "unet32": (_stage("unet32", THUMBNAILS, model_name="unet32", max_epochs=5),),
    # A game that regression prepares: it begins with colours as right as unet32's, and makes them vivid.
    "nazerigan32": (
        _stage("nazerigan32-1", THUMBNAILS, model_name="unet32", max_epochs=5),
        _stage("nazerigan32-2", THUMBNAILS, model_name="nazerigan32", max_epochs=2, l1_weight=20.0),
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
        max_epochs=8,
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
        errors[model.working_size] = float((_predict(model, lab) - lab[:, 1:]).abs().mean())
        print(f"{name} at working size {model.working_size}: MAE {errors[model.working_size]:.3f}")
    return max(size for size, error in errors.items() if error <= 1.01 * min(errors.values()))


def score(models: dict[str, Colorizer], rgb: torch.Tensor) -> None:
    """Print scores of ``(N, 3, H, W)`` uint8 pictures, coloured as by ``colorlab.colorize``, with 95 % intervals.

    Pictures that are grey themselves (mean |a|, |b| below 1) are left out: grey meets them exactly.
    """
    lab = color.rgb_to_lab(rgb)
    colourful = lab[:, 1:].abs().mean(dim=(1, 2, 3)) >= 1
    rgb, lab = rgb[colourful], lab[colourful]
    print(
        f"{len(rgb)} pictures at {rgb.shape[-1]} px; ± is half a 95 % interval; in brackets the mean paired gain "
        "over grey, then over the mean colour"
    )
    references: list[dict[str, torch.Tensor]] = []
    for name, model in models.items():
        ab = _predict(model, lab)
        painted = _paint(lab, ab)
        squared = (painted.double() - rgb.double()).square().mean(dim=(1, 2, 3))
        scores = {
            "PSNR": 10 * (255**2 / squared).log10(),
            "MAE": (ab - lab[:, 1:]).abs().mean(dim=(1, 2, 3)).double(),
            "colourfulness": color.colorfulness(painted).double(),
        }
        references = [*references, scores] if len(references) < 2 else references
        gains = {key: ", ".join(_interval(scores[key] - r[key], sign="+") for r in references) for key in scores}
        print(f"{name:18} " + "  ".join(f"{key} {_interval(value)} [{gains[key]}]" for key, value in scores.items()))
    print(f"{'truth':18} colourfulness {_interval(color.colorfulness(rgb).double())}")


def _predict(model: Colorizer, lab: torch.Tensor) -> torch.Tensor:
    """a and b as :func:`colorlab.colorize` predicts them, ``(N, 2, H, W)`` in Lab units."""
    size = lab.shape[-2:]
    small = [predict_ab(picture[0], model)[None] for picture in lab]
    return torch.cat([F.interpolate(ab, size, mode="bilinear", align_corners=False) for ab in small])


def _paint(lab: torch.Tensor, ab: torch.Tensor) -> torch.Tensor:
    return color.to_uint8(color.lab_to_rgb(color.fit_to_gamut(torch.cat([lab[:, :1], ab], dim=1))))


def _interval(values: torch.Tensor, sign: str = "") -> str:
    return f"{float(values.mean()):{sign}.2f} ± {1.96 * float(values.std()) / len(values) ** 0.5:.2f}"


def _shipped() -> dict[str, Colorizer]:
    paths = {name: FOLDER / f"{name}.safetensors" for name in RECIPES}
    return {name: load_weights(path) for name, path in paths.items() if path.exists()}


def sheet() -> None:
    """A column for each of 24 photographs in two blocks: grey, each model's, the truth."""
    rgb = create_dataset(str(REAL_DATA / "photos.tar"), "val", size=256).rgb[::8][:24]
    lab = color.rgb_to_lab(rgb)
    rows = [_paint(lab, _predict(model, lab)) for model in ({"grey": grey()} | _shipped()).values()] + [rgb]
    blocks = [row[start : start + 12] for start in (0, 12) for row in rows]
    OUTPUT.mkdir(exist_ok=True)
    Image.fromarray(make_grid(torch.cat(blocks), nrow=12).movedim(0, -1).numpy()).save(OUTPUT / "sheet.png")
    print(f"rows: grey, {', '.join(_shipped())}, truth; in {OUTPUT / 'sheet.png'}")


def main(names: list[str]) -> None:
    """Train and ship the named recipes, then score all that ship."""
    prepare()
    for name in names:
        if name in JUDGES:
            ship_judge(name, run_judge(JUDGES[name]))
        else:
            ship(name, run(RECIPES[name]))
    trainset = create_dataset(str(REAL_DATA / "tinyimagenet.tar"), "train", size=32)
    models = {"grey": grey(), "mean colour": mean_colour(trainset), **_shipped()}
    score(models, create_dataset(str(REAL_DATA / "photos.tar"), "val", size=256).rgb)
    for model in models.values():
        model.working_size = 32
    score(models, create_dataset(str(REAL_DATA / "cifar10.tar"), "test", size=32).rgb)


if __name__ == "__main__":
    if sys.argv[1:] == ["sheet"]:
        sheet()
    else:
        main(sys.argv[1:] or [*RECIPES, *JUDGES])
