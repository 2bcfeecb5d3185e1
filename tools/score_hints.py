"""Measure PSNR against the number of hints, on unseen images.

    COLORLAB_REAL_DATA=<folder with the tars> python tools/score_hints.py [WEIGHTS] [--counts 1 10 100] [--write]

It prints Markdown tables of the mean PSNR in dB, and of paired differences with 95 % confidence intervals. The
protocol is that of score_styles.py; hints are means over 7×7 px at random places of the 256 px image. *Propagation*
is Levin's (:mod:`colorlab.hints`) at working size, over gray and over the network's output without hints; *network*
is its output with the hints; *both* adds the residual of each hint, spread along the lightness, as
:func:`colorlab.colorize` does. The published row (Zhang et al., arXiv:1705.02999, other images) is in docs and
notebook 12.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from score_styles import SIDE, photographs
from score_weights import paint
from torch import Tensor
from torch.nn import functional as F

from colorlab import color, pretrained
from colorlab.evaluation.published import HINTS
from colorlab.hints import Hint, Propagation, reduce_hints
from colorlab.inference import answering, cell_hints, enlarge, network_input, to_lab
from colorlab.models import DistributionColorizer, load_weights

COUNTS = (1, 2, 5, 10, 20, 50, 100, 200)
PATCH = 7
WAYS = ("propagation on gray", "propagation on the network's answer", "network", "both")


def random_hints(lab: Tensor, count: int, seed: int) -> list[Hint]:
    """Return hints at different pixels; each is the mean around its place."""
    generator = torch.Generator().manual_seed(seed)
    mean = F.avg_pool2d(lab[None, 1:], PATCH, stride=1, padding=PATCH // 2, count_include_pad=False)[0]
    places = torch.randperm(mean[0].numel(), generator=generator)[:count].tolist()
    width = mean.shape[-1]
    return [Hint.of(p % width, p // width, *mean[:, p // width, p % width].tolist()) for p in places]


def scores(image: Tensor, model: DistributionColorizer, counts: list[int], seed: int) -> Tensor:
    """Return ``(ways, counts)`` PSNR in dB of one image, ``(3, H, W)`` uint8."""
    lab = color.rgb_to_lab(image)
    lightness = lab[0]
    hints = random_hints(lab, max(counts), seed)
    small, given = network_input(lightness, model)
    levin = Propagation(small)
    with answering(model):
        answer = model.both_ways(given)

        def answered(some: list[Hint]) -> Tensor:
            return to_lab(model.chosen_color(answer, hints=cell_hints(some, given)), small.shape)

        gray, guess = torch.zeros(2, *small.shape), answered([])
        found = []
        for count in counts:
            some = reduce_hints(hints[:count], lightness.shape, small.shape)
            network = answered(some)
            ways = (levin.spread(gray, some), levin.spread(guess, some), network, levin.spread(network, some))
            shown = torch.cat([paint(lab[None], enlarge(ab, lightness)[None]) for ab in ways])
            error = (shown.float() / 255 - image.float() / 255).square().mean(dim=(1, 2, 3))
            found.append(-10 * error.clamp(min=1e-10).log10())
    return torch.stack(found, dim=1)


def write(table: Tensor, counts: list[int]) -> None:
    """Write ``(images, ways, counts)`` PSNR into the package."""
    rows = ["way,hints,psnr,gain,half"]
    for i, way in enumerate(WAYS):
        for j, count in enumerate(counts):
            gain = table[:, i, j] - table[:, 1, 0]
            half = 1.96 * float(gain.std()) / len(gain) ** 0.5
            rows.append(f"{way},{count},{float(table[:, i, j].mean()):.3f},{float(gain.mean()):.3f},{half:.3f}")
    name = pretrained.NAMES[0]
    about = (
        f"Mean PSNR in dB against the number of hints, {len(table)} photographs of `photos` val, {SIDE} px.",
        f"Hints are the true means of {PATCH}×{PATCH} px at random places. Made by tools/score_hints.py --write.",
        f"Weights {name}: SHA-256 {pretrained.FILES[name][:12]}.",
    )
    HINTS.write_text("\n".join([*(f"# {line}" for line in about), *rows]) + "\n", encoding="utf-8")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="?", type=Path)
    parser.add_argument("--images", type=int, default=192)
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS)
    parser.add_argument("--write", action="store_true", help="the table of colorlab.evaluation.published.hint_curve")
    given = parser.parse_args()
    model = load_weights(given.weights) if given.weights else pretrained.load("distribution")
    if not isinstance(model, DistributionColorizer):
        raise SystemExit(f"{given.weights} holds a {model.name}, which takes no hints")
    counts = [0, *given.counts]
    rgb, _ = photographs()
    rgb = rgb[:: max(1, len(rgb) // given.images)][: given.images]
    table = torch.stack([scores(image, model, counts, seed) for seed, image in enumerate(rgb)])
    print(f"{len(rgb)} images\n\n| hints | {' | '.join(map(str, counts))} |\n| --- |{' --- |' * len(counts)}")
    for way, row in zip(WAYS, table.mean(dim=0).tolist(), strict=True):
        print(f"| {way} | {' | '.join(f'{value:.2f}' for value in row)} |")
    if given.write:
        write(table, counts)
    for name, other in (("none", table[:, 1, :1]), *((way, table[:, i]) for i, way in enumerate(WAYS[:2]))):
        gain = table[:, 3] - other
        half = 1.96 * gain.std(dim=0) / len(gain) ** 0.5
        cells = [f"{m:+.2f} ± {h:.2f}" for m, h in zip(gain.mean(dim=0).tolist(), half.tolist(), strict=True)]
        print(f"| both over {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
