"""Train the weights that ship and copy them into the package; ``make scores`` prints the scores of their cards.

    COLORLAB_REAL_DATA=<folder with the tars> make weights [ARGS="resnet unet32"]

An interrupted run is resumed. A finished run is only copied, even if another machine trained it (``make pack``).
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import torch
from recipes import BLENDS, JUDGES, REAL_DATA, RECIPES, learn
from safetensors.torch import save_file
from score_weights import predict

from colorlab import color
from colorlab.data import create_dataset
from colorlab.models import (
    Colorizer,
    DistributionColorizer,
    Style,
    describe_weights,
    load_classifier,
    load_weights,
    save_weights,
)
from colorlab.models.classifiers import SqueezeClassifier

WORKING_SIZES = (32, 48, 64, 96, 128)
FOLDER = Path(__file__).parent.parent / "colorlab" / "pretrained"
# The styles of the default model, chosen on `photos` val by tools/score_styles.py (docs/training-record.md).
CHOSEN_STYLES = {
    "careful": Style(0.65, 0.09),
    "balanced": Style(0.45, 0.34),
    "vivid": Style(0.4, 0.4, chroma=1.2),
    "sample": Style(0.5, 0.25, seed=0),
}


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
    if name in BLENDS:
        before = load_weights(RECIPES[name][-2].folder / "last.safetensors").state_dict()
        last = model.state_dict()
        model.load_state_dict({key: torch.lerp(before[key].float(), last[key].float(), BLENDS[name]) for key in last})
    model.working_size = working_size(name, model)
    if isinstance(model, DistributionColorizer):
        model.styles |= CHOSEN_STYLES
    save_weights(model, target, _facts(source), dtype=torch.float16)
    _note("colorizers", name, target)


def _facts(source: Path) -> dict[str, object]:
    """Return what a file of weights records about its training, without the paths of this machine."""
    header = describe_weights(source)
    options = {k: v for k, v in header["options"].items() if not k.endswith("_path") and k != "initial_weights"}
    options["dataset_name"] = Path(options["dataset_name"]).stem
    options["also_train_on"] = [Path(name).stem for name in options.get("also_train_on", ())]
    options["validate_on"] = Path(options["validate_on"]).stem if options.get("validate_on") else None
    return {"options": options, "classes": header["classes"], "epoch": header["epoch"]}


def _note(kind: str, name: str, target: Path) -> None:
    """Write a file's SHA-256 into ``shipped.json``, in the order of the recipes."""
    index = FOLDER / "shipped.json"
    shipped = json.loads(index.read_text(encoding="utf-8"))
    shipped[kind][name] = hashlib.sha256(target.read_bytes()).hexdigest()
    shipped[kind] = {known: shipped[kind][known] for known in (*RECIPES, *JUDGES) if known in shipped[kind]}
    index.write_text(json.dumps(shipped, indent=2) + "\n", encoding="utf-8")
    print(f"{target.name}: {target.stat().st_size / 1e6:.2f} MB, SHA-256 {shipped[kind][name]}")


def working_size(name: str, model: Colorizer) -> int:
    """Return the largest size whose error of a and b is within 1 % of the least, on a third of the *training* photos.

    Networks trained on thumbnails have not seen these photographs, which show more detail.
    """
    if name == "distribution":
        return 160  # larger than 128 in training: better LPIPS at equal PSNR, chosen with the styles
    if name == "nazerigan32":
        return 96  # that of the regression which it continues; more color and more error at larger sizes
    if name == "resnet-placeholder":
        return 96  # its training images were a third of a photograph's side, at 32 px
    if Path(RECIPES[name][-1].dataset_name).stem in ("photos", "photographs"):
        return RECIPES[name][-1].size
    lab = color.rgb_to_lab(create_dataset(str(REAL_DATA / "photos.tar"), "train", size=256).rgb[::3])
    errors = {}
    for model.working_size in WORKING_SIZES:
        errors[model.working_size] = float((predict(model, lab) - lab[:, 1:]).abs().mean())
        print(f"{name} at working size {model.working_size}: MAE {errors[model.working_size]:.3f}")
    return max(size for size, error in errors.items() if error <= 1.01 * min(errors.values()))


def main(names: list[str]) -> None:
    """Train the given weights and copy them into the package."""
    for name in names:
        source = learn(name)
        if name in JUDGES:
            ship_judge(name, source)
        else:
            ship(name, source)


if __name__ == "__main__":
    main(sys.argv[1:] or [*RECIPES, *JUDGES])
