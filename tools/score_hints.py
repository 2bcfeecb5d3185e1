"""Draw PSNR against the number of hints, on images that nobody trained on.

    COLORLAB_REAL_DATA=<folder with the tars> python tools/score_hints.py [WEIGHTS] [--images 48]

Prints a Markdown table of the mean PSNR in dB: the protocol of score_styles.py; hints are means over 7×7 px at random
places of the 256 px image. *Propagation* is Levin's (:mod:`colorlab.hints`) at 256 px, over gray and over the answer
of WEIGHTS (by default the shipped ones) without hints; *network* is its answer to the hints; *both* adds what is left
of each hint, spread at working size, as :func:`colorlab.colorize` does.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from score_styles import photographs
from score_weights import paint
from torch import Tensor
from torch.nn import functional as F

from colorlab import color, pretrained
from colorlab.hints import Hint, Propagation
from colorlab.inference import enlarge, predict_ab
from colorlab.models import load_weights

COUNTS = (0, 1, 2, 5, 10, 20, 50, 100, 200)
PATCH = 7
WAYS = ("propagation on gray", "propagation on the network's guess", "network", "both")


def random_hints(lab: Tensor, seed: int) -> list[Hint]:
    """Return as many hints as are ever given, at different pixels; each is the mean around its place."""
    generator = torch.Generator().manual_seed(seed)
    mean = F.avg_pool2d(lab[None, 1:], PATCH, stride=1, padding=PATCH // 2, count_include_pad=False)[0]
    places = torch.randperm(mean[0].numel(), generator=generator)[: max(COUNTS)].tolist()
    width = mean.shape[-1]
    return [Hint.of(p % width, p // width, *mean[:, p // width, p % width].tolist()) for p in places]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="?", type=Path)
    parser.add_argument("--images", type=int, default=48)
    given = parser.parse_args()
    model = load_weights(given.weights) if given.weights else pretrained.load("distribution")
    rgb, _ = photographs()
    rgb = rgb[:: max(1, len(rgb) // given.images)][: given.images]
    scores = torch.zeros(len(rgb), len(WAYS), len(COUNTS))
    for i, image in enumerate(rgb):
        lab = color.rgb_to_lab(image)
        hints, lightness = random_hints(lab, i), lab[0]
        levin = Propagation(lightness)
        gray, guess = torch.zeros_like(lab[1:]), enlarge(predict_ab(lightness, model), lightness)
        over_gray = [levin.spread(gray, hints[:count]) for count in COUNTS]
        over_guess = [levin.spread(guess, hints[:count]) for count in COUNTS]
        for j, count in enumerate(COUNTS):
            some = hints[:count]
            answers = (
                over_gray[j],
                over_guess[j],
                enlarge(predict_ab(lightness, model, hints=some, spread=False), lightness),
                enlarge(predict_ab(lightness, model, hints=some), lightness),
            )
            shown = torch.cat([paint(lab[None], ab[None]) for ab in answers])
            error = (shown.float() / 255 - image.float() / 255).square().mean(dim=(1, 2, 3))
            scores[i, :, j] = -10 * error.clamp(min=1e-10).log10()
    print(f"{len(rgb)} images\n\n| hints | {' | '.join(map(str, COUNTS))} |\n| --- |{' --- |' * len(COUNTS)}")
    for way, row in zip(WAYS, scores.mean(dim=0).tolist(), strict=True):
        print(f"| {way} | {' | '.join(f'{value:.2f}' for value in row)} |")


if __name__ == "__main__":
    main()
