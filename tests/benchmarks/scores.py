"""Images per second of all formula scores, as they were computed before and as they are now, for one model and four.

    make bench BENCH=scores, or: OMP_NUM_THREADS=1 .venv/bin/python tests/benchmarks/scores.py [images]

"old": as version 0.1 did in `eval-all`. SSIM by scikit-image, image by image; CIEDE2000 by scikit-image; each model's
scores from originals whose Lab is computed anew, and SciPy-smoothed weights of colors looked up twice. "now":
`colorlab.evaluation.scores.Measures`, in which all models share what is known of the originals. Both get the same
uint8 images, 128 × 128, the originals themselves among the results as in every leaderboard, and must agree.
"""

from __future__ import annotations

import os
import sys

import numpy as np
import torch
from skimage.color import deltaE_ciede2000
from skimage.metrics import structural_similarity
from timing import compare
from torch import Tensor

from colorlab.data import create_dataset
from colorlab.evaluation import SCORES, colored
from colorlab.evaluation.definitions import Seen
from colorlab.evaluation.scores import Batch, Measures
from colorlab.models import ConstantColor

SIZE, ROUNDS, TARGET = 128, 5, 3.0
Table = dict[str, Tensor]


def old_scores(originals: Tensor, results: Tensor) -> Table:
    """As they were: every call computes all it needs, SSIM and CIEDE2000 by scikit-image."""
    true, seen = Seen(originals), Seen(results)
    found = {}
    for name, score in SCORES.items():
        if name == "ssim":
            pairs = zip(*(batch.movedim(1, -1).numpy() for batch in (originals, results)), strict=True)
            keywords = {"channel_axis": 2, "gaussian_weights": True, "sigma": 1.5, "data_range": 255}
            values = [structural_similarity(a, b, use_sample_covariance=False, **keywords) for a, b in pairs]
            found[name] = torch.tensor(values)
        elif name == "ciede2000":
            labs = (batch.lab.movedim(1, -1).double().numpy() for batch in (true, seen))
            found[name] = torch.from_numpy(deltaE_ciede2000(*labs).mean(axis=(1, 2)))
        else:
            found[name] = score.measure(true, seen)
            vars(true).pop("rarity", None)  # which was computed by each score that needs it
    return found


def old(originals: Tensor, results: dict[str, Tensor]) -> list[Table]:
    """All models, each by itself."""
    return [old_scores(originals, rgb) for rgb in results.values()]


def now(originals: Tensor, results: dict[str, Tensor]) -> Measures:
    """All models in one pass."""
    count = len(originals)
    measures = Measures(tuple(SCORES))
    measures.add(Batch(range(count), [""] * count, [""] * count, Seen(originals), results))
    return measures


def main(count: int) -> None:
    """Print a table for one model and one for four."""
    rgb = create_dataset("placeholder", "test", size=SIZE).rgb[:count].contiguous()
    print(f"threads: {os.environ.get('OMP_NUM_THREADS', 'all')}; target: {TARGET} times the old way\n")
    for number in (1, 4):
        results = {"original": rgb} | {str(i): colored(ConstantColor((5 * i, 20)), rgb) for i in range(number)}
        before, after = old(rgb, results), now(rgb, results).table()
        for model, expected in zip(results, before, strict=True):
            rows = after[after["model"] == model]
            for name, values in expected.items():
                np.testing.assert_allclose(rows[name], values.double(), rtol=1e-4, atol=1e-4, err_msg=name)
        ways = {"old": lambda given=results: old(rgb, given), "now": lambda given=results: now(rgb, given)}
        compare(f"{number} models and the originals, {count} images of {SIZE} px", count, ways, ["old"], ROUNDS)


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads())))
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
