"""Compute the table of ``colorlab.evaluation.published``: LPIPS with the original weights, on ``placeholder``.

COLORLAB_REAL_DATA=<data> .venv/bin/python tools/lpips_table.py

Beside that folder lie ``weights/squeezenet1_1-features.pth`` (torchvision's ``squeezenet1_1-b8a52dc0.pth`` without
its classifier) and ``lpips-examples/ex_{ref,p0,p1}.png`` (from github.com/richzhang/PerceptualSimilarity). Run it
again when shipped weights change.
"""

from __future__ import annotations

import datetime
import hashlib
import os
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from colorlab import pretrained
from colorlab.data import create_dataset
from colorlab.evaluation import PerceptualDistance, colored, gray, mean_color
from colorlab.evaluation.published import EXAMPLE, FILE, SIZES, altered

PACKAGES = ("lpips", "torch", "torchvision", "scikit-image", "pillow")


def main() -> None:
    """Write the table into the package."""
    root = Path(os.environ["COLORLAB_REAL_DATA"]).parent
    weights = root / "weights" / "squeezenet1_1-features.pth"
    lpips = PerceptualDistance("squeeze", weights)
    check_example(lpips, root / "lpips-examples")
    lines = [f"# {line}" for line in provenance(lpips.label, weights)]
    table = pd.concat([score(lpips, size) for size in SIZES])
    FILE.write_text("\n".join(lines) + "\n" + table.to_csv(index=False, float_format="%.5f"), encoding="utf-8")
    print(f"{FILE}: {len(table)} rows, {FILE.stat().st_size / 1000:.0f} kB")
    print(table.drop(columns=["image", "label"]).groupby("size").mean().T.round(4).to_string())


def check_example(lpips: PerceptualDistance, folder: Path) -> None:
    """Check that the weights give the published distances."""
    reference = read(folder / "ex_ref.png")
    for name, expected in EXAMPLE.items():
        found = lpips(reference, read(folder / f"{name}.png")).item()
        if abs(found - expected) > 1e-5:
            raise ValueError(f"d(ex_ref, {name}) is {found:.6f}, not {expected}: these are not the original weights")


def provenance(label: str, weights: Path) -> Iterator[str]:
    """Return the first lines of the table: how it was computed."""
    example = ", ".join(f"d(ex_ref, {name}) = {value}" for name, value in EXAMPLE.items())
    sizes = " and ".join(map(str, SIZES))
    yield f"{label} of the test images of placeholder, originals against changed ones, at {sizes} px."
    yield f"Trunk: SqueezeNet 1.1 of torchvision, ImageNet weights, SHA-256 of the features' file {digest(weights)}."
    yield f"With it, for the example images of LPIPS's authors: {example}."
    yield f"Made by tools/lpips_table.py on {datetime.date.today()}, CPU, float32; rounded to 5 decimals. Versions:"
    yield ", ".join(f"{name} {version(name)}" for name in PACKAGES) + "."
    for name in pretrained.NAMES:
        yield f"Weights {name}: SHA-256 {digest(Path(pretrained.__file__).with_name(f'{name}.safetensors'))}."


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def score(lpips: PerceptualDistance, size: int) -> pd.DataFrame:
    """Return a table with a row per image and a column per change."""
    images = create_dataset("placeholder", "test", size=size)
    models = {"gray": gray(), "mean color": mean_color(create_dataset("placeholder", "train", size=size))}
    models |= {name: pretrained.load(name) for name in pretrained.NAMES}
    results = {name: colored(model, images.rgb) for name, model in models.items()} | altered(images.rgb)
    distances = lpips.distances(images.rgb, list(results.values()))
    classes = [images.classes[label] for label in images.labels.tolist()]
    columns = dict(zip(results, distances.numpy(), strict=True))
    return pd.DataFrame({"size": size, "image": range(len(images)), "label": classes, **columns})


def read(path: Path) -> Tensor:
    with Image.open(path) as image:
        return torch.from_numpy(np.array(image.convert("RGB"))).movedim(-1, 0)[None]


if __name__ == "__main__":
    main()
