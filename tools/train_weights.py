"""Train the weights that ship, take them into the package and print the scores for their cards.

    COLORLAB_REAL_DATA=<folder with tinyimagenet.tar and photos.tar> make weights [ARGS="resnet unet32"]

Training is resumed where an earlier call was interrupted. A finished run is only taken over and scored. The order of
``RECIPES`` is the order of merit: the first is the default of ``colorlab.colorize``.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import sys
from pathlib import Path

import torch
from torch.nn import functional as F

from colorlab import color
from colorlab.data import create_dataset
from colorlab.evaluation import grey, mean_colour
from colorlab.inference import predict_ab
from colorlab.models import Colorizer, describe_weights, load_weights, save_weights
from colorlab.training import TrainingOptions, train

WORKING_SIZES = (32, 48, 64, 96)
FOLDER = Path(__file__).parent.parent / "colorlab" / "pretrained"
REAL_DATA = Path(os.environ.get("COLORLAB_REAL_DATA", "data"))

_COMMON = TrainingOptions(
    dataset_name=str(REAL_DATA / "tinyimagenet.tar"),
    loss="huber",
    learning_rate=2e-3,
    batch_output_frequency=20,
    resume=True,
)
RECIPES = {
    "resnet": dataclasses.replace(
        _COMMON,
        experiment_name="weights-resnet",
        model_name="resnet",
        image_size=64,
        train_batch_size=64,
        max_epochs=8,
    ),
    "unet32": dataclasses.replace(
        _COMMON,
        experiment_name="weights-unet32",
        model_name="unet32",
        image_size=32,
        train_batch_size=100,
        max_epochs=2,
    ),
    # Knows eight photographs and nothing else; shows what training is when it works, on pictures that everyone has.
    "resnet-placeholder": TrainingOptions(
        experiment_name="weights-resnet-placeholder", model_name="resnet", loss="huber", max_epochs=20, resume=True
    ),
}


def ship(name: str, source: Path) -> None:
    """Copy trained weights into the package as ``name``, in half precision, and note their SHA-256."""
    target = FOLDER / f"{name}.safetensors"
    header = describe_weights(source)
    model = load_weights(source)
    model.working_size = working_size(name, model)
    options = {k: v for k, v in header["options"].items() if not k.endswith("_path")}
    options["dataset_name"] = Path(options["dataset_name"]).stem
    facts = {"options": options, "classes": header["classes"], "epoch": header["epoch"]}
    save_weights(model, target, facts, dtype=torch.float16)
    index = FOLDER / "shipped.json"
    shipped = json.loads(index.read_text(encoding="utf-8"))
    shipped[name] = hashlib.sha256(target.read_bytes()).hexdigest()
    ordered = {name: shipped[name] for name in RECIPES if name in shipped}
    index.write_text(json.dumps(ordered, indent=2) + "\n", encoding="utf-8")
    print(f"{target.name}: {target.stat().st_size / 1e6:.2f} MB, SHA-256 {shipped[name]}")


def working_size(name: str, model: Colorizer) -> int:
    """The finest size whose error of a and b is within 1 % of the least, on every third *training* photograph.

    The networks were not trained on those. A photograph shows more detail than the thumbnails that they learned from.
    """
    if name == "resnet-placeholder":
        return 96  # its training pictures were a third of a photograph's side, at 32 px
    lab = color.rgb_to_lab(create_dataset(str(REAL_DATA / "photos.tar"), "train", size=256).rgb[::3])
    errors = {}
    for model.working_size in WORKING_SIZES:
        errors[model.working_size] = float((_predict(model, lab) - lab[:, 1:]).abs().mean())
        print(f"{name} at working size {model.working_size}: MAE {errors[model.working_size]:.3f}")
    return max(size for size, error in errors.items() if error <= 1.01 * min(errors.values()))


def score(models: dict[str, Colorizer], size: int = 256) -> None:
    """Print scores on the validation photographs, each coloured as by ``colorlab.colorize``, with 95 % intervals.

    Photographs that are grey themselves (mean |a|, |b| below 1) are left out: grey meets them exactly.
    """
    rgb = create_dataset(str(REAL_DATA / "photos.tar"), "val", size=size).rgb
    lab = color.rgb_to_lab(rgb)
    colourful = lab[:, 1:].abs().mean(dim=(1, 2, 3)) >= 1
    rgb, lab = rgb[colourful], lab[colourful]
    print(
        f"{len(rgb)} photographs at {size} px; ± is half a 95 % interval; in brackets the mean paired gain over grey"
    )
    reference: dict[str, torch.Tensor] = {}
    for name, model in models.items():
        ab = _predict(model, lab)
        painted = color.to_uint8(color.lab_to_rgb(color.fit_to_gamut(torch.cat([lab[:, :1], ab], dim=1))))
        squared = (painted.double() - rgb.double()).square().mean(dim=(1, 2, 3))
        scores = {
            "PSNR": 10 * (255**2 / squared).log10(),
            "MAE": (ab - lab[:, 1:]).abs().mean(dim=(1, 2, 3)).double(),
            "colourfulness": color.colorfulness(painted).double(),
        }
        reference = reference or scores
        text = "  ".join(
            f"{key} {_interval(value)} [{_interval(value - reference[key], sign='+')}]"
            for key, value in scores.items()
        )
        print(f"{name:12} {text}")
    print(f"{'truth':12} colourfulness {_interval(color.colorfulness(rgb).double())}")


def _predict(model: Colorizer, lab: torch.Tensor) -> torch.Tensor:
    """a and b as :func:`colorlab.colorize` predicts them, ``(N, 2, H, W)`` in Lab units."""
    size = lab.shape[-2:]
    small = [predict_ab(picture[0], model)[None] for picture in lab]
    return torch.cat([F.interpolate(ab, size, mode="bilinear", align_corners=False) for ab in small])


def _interval(values: torch.Tensor, sign: str = "") -> str:
    return f"{float(values.mean()):{sign}.2f} ± {1.96 * float(values.std()) / len(values) ** 0.5:.2f}"


def main(names: list[str]) -> None:
    """Train and ship the named recipes, then score all that ship."""
    for name in names:
        options = RECIPES[name]
        if train(options).stopped:
            sys.exit(130)
        ship(name, options.folder / "best.safetensors")
    trainset = create_dataset(_COMMON.dataset_name, "train", size=32)
    shipped = {name: load_weights(FOLDER / f"{name}.safetensors") for name in RECIPES}
    score({"grey": grey(), "mean colour": mean_colour(trainset), **shipped})


if __name__ == "__main__":
    main(sys.argv[1:] or list(RECIPES))
