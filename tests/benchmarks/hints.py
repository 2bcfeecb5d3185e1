"""Seconds from a gesture to the new image in the hint painter, on two cores, and what hints are worth.

"image" is all that happens once: the encoder, and the factorization of Levin's matrix. The others are gestures with 10
hints set, each ending with the rendered and encoded image. While a hand moves, that is drawn at 256 pixels: "new" sets
a hint, "drag" takes one to another pixel, "color" only changes its color; the target is 0.3 s. "release" is the end of
a gesture, with the image as large as it is shown and the likely colors of the spot. "drag, propagation only" does not
ask the network. Other programs on the machine disturb all of it, so its load and the processor's time are printed too.

The second table is the mean distance from a photograph's a and b, at 128 pixels, by the number of hints that tell the
true color of a pixel drawn at random, over the photographs of ``placeholder`` and eight draws.

    make bench BENCH=hints, or: .venv/bin/python tests/benchmarks/hints.py
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional as F

from colorlab import color, pretrained
from colorlab.data.placeholder import PHOTOGRAPHS
from colorlab.data.samples import photograph
from colorlab.hints import Hint, Propagation
from colorlab.inference import predict_ab
from colorlab.widgets import HintPainter

ROUNDS = 21
HINTS = 10
COUNTS = (0, 1, 3, 10, 30)
DRAWS = 8


def seconds(act: Callable[[], object]) -> tuple[float, float]:
    """How long it takes, by the clock on the wall and by that of the processor."""
    began, worked = time.perf_counter(), time.process_time()
    act()
    return time.perf_counter() - began, time.process_time() - worked


def latency() -> None:
    """Print the first table."""
    print(f"seconds, median (min … max) of {ROUNDS} gestures with {HINTS} hints, on astronaut")
    painter = HintPainter("astronaut")
    height, width = painter.canvas.rows, painter.canvas.columns
    places = iter(np.random.default_rng(0).permutation(height * width).tolist())

    def press() -> None:
        y, x = divmod(next(places), width)
        painter._on_canvas({"kind": "press", "x": x, "y": y, "index": -1})

    def release() -> None:
        painter._on_canvas({"kind": "release"})

    def drag() -> None:
        y, x = divmod(next(places), width)
        painter._on_canvas({"kind": "move", "x": x, "y": y})

    def color() -> None:
        a, b = divmod(next(places) % 120**2, 120)
        painter._on_palette({"kind": "move", "x": 50 + a, "y": 50 + b})

    def report(
        name: str, act: Callable[[], object], after: Callable[[], object] = lambda: None, n: int = ROUNDS
    ) -> None:
        taken = []
        for _ in range(n):
            taken.append(seconds(act))
            after()
        wall, worked = zip(*taken, strict=True)
        print(
            f"  {name:22}{statistics.median(wall):8.3f} ({min(wall):.3f} … {max(wall):.3f}), of the processor "
            f"{statistics.median(worked):.3f}, load {os.getloadavg()[0]:.1f}",
            flush=True,
        )

    report("image", lambda: HintPainter("astronaut"), n=4)
    for _ in range(HINTS - 1):
        press()
    report("new", press, lambda: painter._on_canvas({"kind": "undo"}))
    press()
    report("drag", drag)
    report("release", release, press)
    painter._sketch.replace(painter.hints[:HINTS])
    painter._on_canvas({"kind": "press", "x": 0, "y": 0, "index": 0})
    painter._on_palette({"kind": "press", "x": 90, "y": 90})
    report("color", color)
    painter.method.value = "propagation only"
    report("drag, propagation only", drag)


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
    torch.set_num_threads(2)
    print(f"{torch.get_num_threads()} threads on {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    latency()
    worth()


if __name__ == "__main__":
    main()
