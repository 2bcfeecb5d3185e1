"""Count the colors of Tiny ImageNet's training images, for ``colorlab.evaluation.rebalancing``.

COLORLAB_REAL_DATA=<folder with tinyimagenet.tar> .venv/bin/python tools/ab_histogram.py
"""

from __future__ import annotations

import os
from pathlib import Path

from colorlab.data import create_dataset
from colorlab.evaluation.rebalancing import CELL, FILE, REACH, histogram

SIZE = 64  # as they are


def main() -> None:
    """Write the histogram into the package."""
    archive = Path(os.environ.get("COLORLAB_REAL_DATA", "data")) / "tinyimagenet.tar"
    dataset = create_dataset(str(archive), "train", size=SIZE)
    counts = histogram(dataset.rgb)
    lines = [
        f"# Pixels by color in {len(dataset)} photographs: Tiny ImageNet's training images, 200 of each of 200",
        f"# classes, at {SIZE} px. Cells of {CELL} Lab units around a and b (D65); the others are empty.",
        "# The images are JPEG with halved chroma resolution, so vivid colors of small things are",
        "# fewer than in the photographs themselves. Made by tools/ab_histogram.py.",
        "a,b,pixels",
    ]
    lines += [f"{CELL * (i - REACH)},{CELL * (j - REACH)},{int(counts[i, j])}" for i, j in counts.nonzero().tolist()]
    FILE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{FILE}: {len(lines) - 5} cells, {int(counts.sum())} pixels")


if __name__ == "__main__":
    main()
