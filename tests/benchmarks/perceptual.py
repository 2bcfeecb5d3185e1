"""Pairs of images per second of perceptual distance, in batches and one pair at a time as the seed did.

    make bench, or: OMP_NUM_THREADS=1 .venv/bin/python tests/benchmarks/perceptual.py [alex squeeze …]

All ways take the same uint8 images and run in turn, several rounds; the medians are compared. "seed": the package
lpips on one pair after the other, building a graph. "batches": one model. "4 models": the results of four models for
the same originals, which are looked at once. Weights are random: they do not matter for speed.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from lpips import LPIPS

from colorlab.evaluation import PerceptualDistance

ROUNDS = 5
MODELS = 4
SIZES = {64: (192, 24), 224: (16, 8)}  # size → pairs in batches, pairs one at a time
TARGETS = {64: 4.0, 224: 1.3}


def networks(trunk: str) -> tuple[LPIPS, PerceptualDistance]:
    """The package's own and ours, with the same random trunk."""
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")  # torchvision's, about how lpips calls it
        theirs = LPIPS(net=trunk, version="0.1", pnet_rand=True, verbose=False)
        features = {name.partition(".")[2]: tensor for name, tensor in theirs.net.state_dict().items()}
        torch.save(features, Path(folder) / "features.pth")
        return theirs, PerceptualDistance(trunk, Path(folder) / "features.pth")


def one_at_a_time(network: LPIPS, originals: torch.Tensor, results: torch.Tensor) -> torch.Tensor:
    """As the seed: a pair, its graph, a number."""
    distances = []
    for pair in zip(originals, results, strict=True):
        true, seen = ((rgb[None].float() / 127.5 - 1).requires_grad_(True) for rgb in pair)
        distances.append(network(true, seen).item())
    return torch.tensor(distances, dtype=torch.float64)


def main(trunks: list[str]) -> None:
    """Print a table."""
    print(f"threads: {os.environ.get('OMP_NUM_THREADS', 'all')}; medians of {ROUNDS} rounds, after one to warm up\n")
    print(f"{'trunk':10}{'size':>5}  {'way':10}{'pairs/s (min … max)':>24}{'ratio':>8}{'target':>8}")
    for trunk in trunks:
        theirs, ours = networks(trunk)
        for size, (many, few) in SIZES.items():
            rgb = torch.randint(0, 256, (MODELS + 1, many, 3, size, size), dtype=torch.uint8)
            ways: dict[str, tuple[int, Callable[[], object]]] = {
                "seed": (few, lambda rgb=rgb, few=few, net=theirs: one_at_a_time(net, rgb[0, :few], rgb[1, :few])),
                "batches": (many, lambda rgb=rgb, net=ours: net(rgb[0], rgb[1])),
                f"{MODELS} models": (MODELS * many, lambda rgb=rgb, net=ours: net.distances(rgb[0], list(rgb[1:]))),
            }
            error = (one_at_a_time(theirs, rgb[0, :few], rgb[1, :few]) - ours(rgb[0, :few], rgb[1, :few])).abs().max()
            rates: dict[str, list[float]] = {way: [] for way in ways}
            for number in range(ROUNDS + 1):
                for way, (pairs, run) in ways.items():
                    began = time.perf_counter()
                    run()
                    if number:
                        rates[way].append(pairs / (time.perf_counter() - began))
            reference = statistics.median(rates["seed"])
            for way, found in rates.items():
                median = statistics.median(found)
                spread = f"{median:.1f} ({min(found):.1f} … {max(found):.1f})"
                target = f"{TARGETS[size]:.1f}" if way == "batches" else ""
                print(f"{trunk:10}{size:>5}  {way:10}{spread:>24}{median / reference:>8.2f}{target:>8}", flush=True)
            print(f"{'':17}largest difference of a distance: {float(error):.1e}")


if __name__ == "__main__":
    main(sys.argv[1:] or ["alex", "squeeze"])
