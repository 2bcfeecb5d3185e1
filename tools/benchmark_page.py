"""Write docs/benchmark.md: every colorizer that ships, each style of the default a row, beside gray and mean color.

    COLORLAB_REAL_DATA=<folder with the tars> make benchmark-page [ARGS="--limit 20"]

Protocol: `photos` val, shorter side 256 px (Lanczos), center crop, without gray images, as in
tools/score_styles.py; Fréchet distance on Tiny ImageNet val, 2,000 images of 64 px, whose features the judge
computes from 256 px (bicubic). LPIPS v0.1 with SqueezeNet; the judge is EfficientNet-Lite2. 95 % confidence
intervals: of means, 1.96 standard errors; of the share of top-1 lost by gray that a model recovers, by bootstrap
over photographs. CPU time of one image, from array to array, on one thread, and peak memory of a process that does
nothing else, torch included. ``--limit`` takes so many photographs and skips the Fréchet distance, to try the
command. It takes about an hour on one quiet core.
"""

from __future__ import annotations

import argparse
import math
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from score_styles import SIDE, colorized, photographs
from score_weights import REAL_DATA, genuine_lpips, images
from torch import Tensor

import colorlab
from colorlab import color, pretrained
from colorlab.data.samples import photograph
from colorlab.evaluation import gap_recovered, gray, mean_color, summary
from colorlab.evaluation.definitions import Seen
from colorlab.evaluation.frechet import Moments, frechet_distance
from colorlab.evaluation.judges import ImageNetJudge, load_judge
from colorlab.evaluation.scores import Batch, Measures, measure_all
from colorlab.models import Colorizer, DistributionColorizer, Style

PAGE = Path("docs/benchmark.md")
SCORES = ("psnr", "ciede2000", "colorfulness", "colorfulness_difference")
SIZES = {"256 px": (256, 256), "24 MP": (4000, 6000)}
BATCH, RUNS = 20, 5
Entry = tuple[Colorizer, Style | None]


def entries() -> dict[str, Entry]:
    """Return the models of the rows: name → colorizer and style."""
    if not all((REAL_DATA / f"{name}.tar").is_file() for name in ("photos", "tinyimagenet")):
        raise SystemExit("set COLORLAB_REAL_DATA to the folder that holds photos.tar and tinyimagenet.tar")
    found: dict[str, Entry] = {
        "gray": (gray(), None),
        "mean color": (mean_color(images("tinyimagenet", "train", 32)), None),
    }
    for name in pretrained.NAMES:
        model = pretrained.load(name)
        styles = model.styles if isinstance(model, DistributionColorizer) else {"": None}
        found |= {f"{name}, {style}" if style else name: (model, chosen) for style, chosen in styles.items()}
    return found


def painted(entry: Entry, lab: Tensor) -> Tensor:
    """Return images as `colorlab.colorize` makes them, uint8."""
    model, style = entry
    return colorized(model, lab, model.working_size, style)


def measure(rows: Mapping[str, Entry], rgb: Tensor, ids: Sequence[str], measures: Measures) -> pd.DataFrame:
    """Return scores by image, with the photographs themselves as ``original``."""

    def batches() -> Iterator[Batch]:
        for start in range(0, len(rgb), BATCH):
            seen, labels = Seen(rgb[start : start + BATCH]), ids[start : start + BATCH]
            results = {"original": seen.rgb} | {name: painted(entry, seen.lab) for name, entry in rows.items()}
            yield Batch(range(start, start + len(labels)), labels, [""] * len(labels), seen, results)

    return measure_all(measures, batches(), len(rgb), "photographs")


@torch.inference_mode()
def frechet(rows: Mapping[str, Entry]) -> dict[str, float]:
    """Return the Fréchet distance to the originals on Tiny ImageNet val."""
    judge = load_judge("imagenet")
    assert isinstance(judge, ImageNetJudge)
    moments = {name: Moments() for name in ("original", *rows)}
    for number, (rgb, _) in enumerate(images("tinyimagenet", "val", 64).batches(100)):
        lab = color.rgb_to_lab(rgb)
        for name, found in moments.items():
            found.add(judge.embed(rgb if name == "original" else painted(rows[name], lab))[0])
        print(f"Tiny ImageNet: {100 * (number + 1)}", file=sys.stderr, flush=True)
    return {name: frechet_distance(moments["original"], found) for name, found in moments.items()}


def interval(mean: float, error: float, digits: int) -> str:
    """Return a mean with its 95 % confidence interval, except for the infinite PSNR of the originals."""
    return "∞" if math.isinf(mean) else f"{mean:.{digits}f} ± {1.96 * error:.{digits}f}"


def share(table: pd.DataFrame, name: str) -> str:
    """Return the share of the top-1 accuracy lost by gray that a model recovers, with its confidence interval."""
    right = {model: table[table["model"] == model]["top1"].to_numpy(float) for model in ("original", "gray", name)}
    rng, n = np.random.default_rng(0), len(right[name])

    def of(some: object) -> float:
        return gap_recovered(*(float(right[model][some].mean()) for model in (name, "gray", "original")))

    low, high = np.nanpercentile([of(rng.integers(n, size=n)) for _ in range(1000)], [2.5, 97.5])
    return f"{of(slice(None)):.2f} ({low:.2f} … {high:.2f})"


def cost(name: str, height: int, width: int) -> None:
    """Print the milliseconds to color one image, a median, and the peak memory of this process in MB."""
    torch.set_num_threads(1)
    weights, _, chosen = name.partition(", ")
    model = pretrained.load(weights) if weights in pretrained.NAMES else gray()  # the mean color costs the same
    image = np.asarray(photograph("coffee").resize((width, height)))
    seconds = []
    for _ in range(RUNS if height < 1000 else 1):
        began = time.process_time()
        np.asarray(colorlab.colorize(image, model, style=chosen or None))
        seconds.append(time.process_time() - began)
    # Not getrusage's peak, which starts at that of the parent process.
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024  # type: ignore[index]
    print(f"{1000 * float(np.median(seconds)):,.0f} ms, {peak:,} MB")


def costs(rows: Mapping[str, Entry]) -> Iterator[tuple[str, list[str]]]:
    """Yield each row's time and memory at each size."""
    for name in rows:
        command = [sys.executable, __file__, "--cost", name]
        found = []
        for height, width in SIZES.values():
            size = ["--size", str(height), str(width)]
            found.append(subprocess.run([*command, *size], capture_output=True, text=True, check=True).stdout.strip())
        yield name, found


def page(limit: int | None) -> str:
    """Return the page."""
    rows = entries()
    rgb, ids = photographs()
    measures = Measures(SCORES, genuine_lpips(), load_judge("imagenet"))
    table, count = measure(rows, rgb[:limit], ids[:limit], measures), len(rgb[:limit])
    means = summary(table)
    distances = {} if limit else frechet(rows)
    label = next(column for column in table if column.startswith("LPIPS"))
    digits = {"psnr": 2, "ciede2000": 2, label: 4, "colorfulness": 1, "colorfulness_difference": 1}
    digits |= {"probability": 3, "top1": 3}
    cost_of = dict(costs(rows))
    head = ["", "PSNR, dB ↑", "CIEDE2000 ↓", "LPIPS ↓", "colorfulness", "\\|Δ colorfulness\\| ↓", "probability ↑"]
    head += ["top-1 ↑", "share of gap ↑", "Fréchet ↓", "parameters", *SIZES]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for name in ("original", *rows):
        cells = [interval(means[column][name], means[f"{column}_se"][name], d) for column, d in digits.items()]
        distance = f"{distances[name]:.2f}" if name in distances else "–"
        cells += [share(table, name), distance]
        parameters = sum(p.numel() for p in rows[name][0].parameters()) if name in rows else 0
        cells += [f"{parameters:,}" if name in rows else "–", *cost_of.get(name, ["–"] * len(SIZES))]
        lines.append([name, *cells])
    hashes = [f"| `{name}` | `{pretrained.FILES[name]}` |" for name in pretrained.NAMES]
    sentences = [line.strip() for line in (__doc__ or "").split("Protocol: ")[1].split("``--limit``")[0].splitlines()]
    unfinished = f"**Only {count} photographs, to try the command.**\n\n" if limit else ""
    return (
        f"# How the colorizers compare\n\nMade by `make benchmark-page`, which nobody edits. {count} photographs; "
        f"colorlab {colorlab.__version__}, torch {torch.__version__}.\n\n{unfinished}"
        f"{' '.join(sentences).strip()} The share of the gap is 0 for gray and 1 for the originals.\n\n"
        + "\n".join("| " + " | ".join(line) + " |" for line in lines)
        + "\n\n| weights | SHA-256 |\n| --- | --- |\n"
        + "\n".join(hashes)
        + "\n"
    )


def main() -> None:
    """Write the page, or print what one image costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, help="photographs to try the command with")
    parser.add_argument("--output", type=Path, default=PAGE)
    parser.add_argument("--cost", help=argparse.SUPPRESS)
    parser.add_argument("--size", nargs=2, type=int, default=(SIDE, SIDE), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.cost:
        cost(given.cost, *given.size)
        return
    given.output.write_text(page(given.limit), encoding="utf-8")
    print(f"Written to {given.output}")


if __name__ == "__main__":
    main()
