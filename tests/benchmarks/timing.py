"""Several ways to the same end, measured in turn in one process, as images per second, of the CPU if not told else.

What runs on one thread is measured in CPU-seconds, which are seconds, except on a machine with more to do, where they
are the fairer measure.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

Way = Callable[[], object]


def compare(
    title: str,
    images: int,
    ways: Mapping[str, Way],
    against: Sequence[str],
    rounds: int,
    clock: Callable[[], float] = time.process_time,
) -> None:
    """Measure and print a table.

    Every round goes once through all ways, so that what else the machine does meets them alike; a ratio is the median
    of the rounds' ratios. A first round, to warm up, does not count.

    Args:
        title: printed above.
        images: that one call of a way converts or loads.
        ways: by name.
        against: the ways that all others are compared with.
        rounds: that count.
        clock: in seconds.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, way in ways.items():
            began = clock()
            way()
            seconds[name].append(clock() - began)
    print(f"{title}; {rounds} rounds")
    print(f"  {'':34}{'images/s (min … max)':>28}" + "".join(f"{f'× {name}':>20}" for name in against))
    for name in ways:
        rates = sorted(images / s for s in seconds[name][1:])
        spread = f"{statistics.median(rates):,.0f} ({rates[0]:,.0f} … {rates[-1]:,.0f})"
        ratios = [
            statistics.median(
                theirs / ours for theirs, ours in zip(seconds[other][1:], seconds[name][1:], strict=True)
            )
            for other in against
        ]
        print(f"  {name:34}{spread:>28}" + "".join(f"{ratio:>20.2f}" for ratio in ratios), flush=True)
    print()
