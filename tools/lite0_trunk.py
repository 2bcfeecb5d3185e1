"""Fit the weights of the perceptual trunk ``lite0`` to LPIPS (squeeze).

    COLORLAB_REAL_DATA=<folder with the tars> python tools/lite0_trunk.py

Every other one of the 200 photographs of `photos` val fits the weights; the others test them. Each is compared at
128 px with itself in gray, in the mean color, colorized by the weights that ship (directly at that size), with half
and 1.5 times its chroma, with hues rotated by 45° and 180°, and blurred, noisy, brighter and shifted by a pixel
(``colorlab.evaluation.published.altered``).

The fit is non-negative least squares over all pairs of images (Lawson and Hanson 1974, by SciPy): the weighted sum of
the channels' squared feature differences approximates LPIPS. The command writes
``colorlab/evaluation/lite0_weights.csv`` and prints rank correlation and error. It takes about 4 minutes on one
thread.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import nnls
from score_weights import AGREEMENT_SIZE, Table, _interval, _rank, colorizers, genuine_lpips, images, paint
from torch import Tensor

from colorlab import color
from colorlab.evaluation import PerceptualDistance, colored
from colorlab.evaluation.perceptual import Lite0
from colorlab.evaluation.published import altered
from colorlab.models import Colorizer


def shown(rgb: Tensor, models: dict[str, Colorizer]) -> tuple[dict[str, Tensor], int]:
    """Return the images to compare with the photographs, and how many of them are colorizations."""
    results = {name: colored(model, rgb) for name, model in models.items()}
    count = len(results)
    lab = color.rgb_to_lab(rgb)
    a, b = lab[:, 1], lab[:, 2]
    turned = torch.stack([a - b, a + b], dim=1) * 0.5**0.5
    colors = {"half": lab[:, 1:] / 2, "vivid": lab[:, 1:] * 1.5, "turned": turned, "opposite": -lab[:, 1:]}
    results |= {name: paint(lab, ab) for name, ab in colors.items()}
    return results | altered(rgb), count


@torch.inference_mode()
def measure(rgb: Tensor) -> tuple[Table, Table, int]:
    """Return squared differences ``(kinds, N, channels)``, LPIPS ``(kinds, N)``, and the number of colorizations."""
    models = colorizers()
    trunk, lpips = PerceptualDistance("lite0"), genuine_lpips()
    differences, distances = [], []
    for some in rgb.split(20):
        results, count = shown(some, models)
        true = trunk.features(some)
        by_channel = []
        for result in results.values():
            seen = trunk.features(result)
            by_channel.append(
                torch.cat([(s - t).square().mean(dim=(2, 3)) for s, t in zip(seen, true, strict=True)], 1)
            )
        differences.append(torch.stack(by_channel))
        distances.append(lpips.distances(some, list(results.values())))
    return torch.cat(differences, dim=1).double().numpy(), torch.cat(distances, dim=1).numpy(), count


def report(name: str, found: Table, wanted: Table) -> str:
    """Return the agreement of distances of colorizations with LPIPS, with 95 % intervals over photographs."""
    n = found.shape[1]
    ranks = _interval(lambda some: _rank(found[:, some], wanted[:, some]), n)
    error = _interval(lambda some: float(np.abs(found - wanted)[:, some].mean()), n)
    return f"{name} ({n} photographs): rank correlation {ranks}, mean error {error} of a mean {wanted.mean():.3f}"


def main() -> None:
    """Fit, report and write the weights."""
    x, y, count = measure(images("photos", "val", AGREEMENT_SIZE).rgb)
    weights, _ = nnls(x[:, ::2].reshape(-1, x.shape[-1]), y[:, ::2].ravel(), maxiter=100_000)
    found = (x @ weights)[:count]
    lines = [report(name, found[:, half::2], y[:count, half::2]) for half, name in enumerate(("fitted", "held back"))]
    head = [
        "Weights of EfficientNet-Lite0's channels for the perceptual trunk `lite0`, made by tools/lite0_trunk.py.",
        "Agreement with LPIPS v0.1 (squeeze) on colorizations of `photos` at 128 px, with 95 % intervals:",
        *lines,
        "Channels that are not listed have the weight 0.",
    ]
    rows = ["layer,channel,weight"]
    start = 0
    for layer, width in enumerate(Lite0.CHANNELS):
        part = weights[start : start + width]
        rows += [f"{layer},{channel},{value:.6g}" for channel, value in enumerate(part) if value > 0]
        start += width
    Lite0.CALIBRATION.write_text("\n".join([*(f"# {line}" for line in head), *rows]) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
