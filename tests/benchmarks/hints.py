"""Seconds from a gesture to the new image in the hint painter, on one thread, and what hints are worth.

"image" is all that happens once: the network, and the factorization of Levin's matrix at 256 pixels. "new" sets a
hint, "move" takes one to another pixel, "color" only changes its color: each with 10 hints set, and each ending with
the rendered and encoded preview at 512 pixels. "spread alone" is a move without the image. The target is 0.5 s.

The second table is the mean distance from a photograph's a and b, at 128 pixels, by the number of hints that tell the
true color of a pixel drawn at random, over the photographs of ``placeholder`` and eight draws.

    make bench BENCH=hints, or: OMP_NUM_THREADS=1 .venv/bin/python tests/benchmarks/hints.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional as F

from colorlab import color, pretrained
from colorlab.data.placeholder import PHOTOGRAPHS, photograph
from colorlab.hints import Hint, Propagation
from colorlab.inference import predict_ab
from colorlab.widgets import HintPainter

ROUNDS = 21
HINTS = 10
COUNTS = (0, 1, 3, 10, 30)
DRAWS = 8


def seconds(act: Callable[[], object]) -> float:
    """How long it takes, by the clock on the wall."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def latency() -> None:
    """Print the first table."""
    print(f"seconds, median (min … max) of {ROUNDS} gestures with {HINTS} hints, on astronaut")
    image = [seconds(lambda: HintPainter("astronaut")) for _ in range(4)][1:]
    print(f"  {'image':14}{statistics.median(image):8.3f} ({min(image):.3f} … {max(image):.3f})")
    painter = HintPainter("astronaut")
    height, width = painter.canvas.rows, painter.canvas.columns
    places = iter(np.random.default_rng(0).permutation(height * width).tolist())

    def press() -> None:
        y, x = divmod(next(places), width)
        painter._on_canvas({"kind": "press", "x": x, "y": y, "index": -1})

    def move() -> None:
        y, x = divmod(next(places), width)
        painter._on_canvas({"kind": "move", "x": x, "y": y})

    def color() -> None:
        a, b = divmod(next(places) % 120**2, 120)
        painter._on_palette({"kind": "move", "x": 50 + a, "y": 50 + b})

    def spread() -> None:
        y, x = divmod(next(places), width)
        painter._propagation.spread(painter._predicted, [*painter.hints[1:], Hint.of(x, y, 20, 20)])

    for _ in range(HINTS - 1):
        press()
    for name, act, before in [
        ("new", press, lambda: painter._on_canvas({"kind": "undo"})),
        ("move", move, lambda: None),
        ("color", color, lambda: None),
        ("spread alone", spread, lambda: None),
    ]:
        if name == "move":
            press()
        times = []
        for _ in range(ROUNDS):
            times.append(seconds(act))
            before()
        print(f"  {name:14}{statistics.median(times):8.3f} ({min(times):.3f} … {max(times):.3f})", flush=True)


def worth() -> None:
    """Print the second table."""
    model = pretrained.load()
    totals = np.zeros(len(COUNTS))
    for name in PHOTOGRAPHS:
        image = photograph(name)
        image.thumbnail((128, 128))
        lab = color.rgb_to_lab(torch.from_numpy(np.array(image)).movedim(-1, 0))
        height, width = lab.shape[1:]
        small = predict_ab(lab[0], model)
        ab = F.interpolate(small[None], (height, width), mode="bilinear", align_corners=False)[0]
        propagation = Propagation(lab[0])
        for draw in range(DRAWS):
            pixels = np.random.default_rng(draw).permutation(height * width)[: max(COUNTS)].tolist()
            hints = [Hint.of(p % width, p // width, *lab[1:, p // width, p % width].tolist()) for p in pixels]
            for i, count in enumerate(COUNTS):
                distance = (propagation.spread(ab, hints[:count]) - lab[1:]).norm(dim=0)
                totals[i] += float(distance.mean()) / len(PHOTOGRAPHS) / DRAWS
    print("\nmean distance from the true a and b by the number of true hints")
    for count, mean in zip(COUNTS, totals, strict=True):
        print(f"  {count:3d} hints {mean:8.2f}")


def main() -> None:
    """Print both tables."""
    torch.set_num_threads(1)
    latency()
    worth()


if __name__ == "__main__":
    main()
