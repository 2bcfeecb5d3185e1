"""Images per second of ``colorize``, with ``--jobs 1`` and one thread beside ``--jobs 2``, by the clock on the wall.

All in one process, from files to files, so that what a command needs to start is not in it, and loading the model is.
The target is 1.7, on a machine of two cores that has nothing else to do.

    make bench BENCH=colorize, or: OMP_NUM_THREADS=1 .venv/bin/python tests/benchmarks/colorize.py --files 20 --rounds 3
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import os
import tempfile
import time
from pathlib import Path

import torch
from loading import jpegs
from timing import compare

from colorlab.cli import ColorizeOptions, run_colorize

SIZE = (400, 300)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder, "images")
        images.mkdir()
        for number, content in enumerate(jpegs("photos.tar", options.files, SIZE)):
            (images / f"{number:04}.jpg").write_bytes(content)
        numbers = itertools.count()

        def colorize(jobs: int) -> None:
            output = Path(folder, f"{next(numbers)}")
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                status = run_colorize(ColorizeOptions(images=(images,), output=output, jobs=jobs))
            assert status == 0

        title = f"colorize {options.files} photographs, on {os.cpu_count()} cores"
        ways = {"--jobs 1": lambda: colorize(1), "--jobs 2": lambda: colorize(2)}
        compare(title, options.files, ways, ["--jobs 1"], options.rounds, clock=time.perf_counter)


if __name__ == "__main__":
    main()
