"""Resident memory of a process that reads batches from a tar, by the number of images in it.

Each size in a process of its own, with an archive of small JPEGs written for it: first without an index, as on the
first use, then with the one that was kept. "resident" is what the process holds after 50 random batches of 100 beyond
what it held before it opened the archive, "peak" the most that it ever held beyond that.

    .venv/bin/python tests/benchmarks/archive.py [IMAGES …]
"""

from __future__ import annotations

import io
import json
import os
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

COUNTS = (1_000, 50_000)


def write_archive(path: Path, count: int) -> None:
    """``count`` JPEGs of 64×64 pixels, some 4 KB each, in 10 classes."""
    rng = np.random.default_rng(0)
    contents = []
    for _ in range(100):
        file = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(file, format="JPEG")
        contents.append(file.getvalue())
    with tarfile.open(path, "w") as tar:
        for number in range(count):
            member = tarfile.TarInfo(f"images/train/class{number % 10}/{number:08d}.jpg")
            content = contents[number % len(contents)]
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def resident() -> float:
    """This process's memory in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def measure(path: Path) -> dict[str, float]:
    """Memory and seconds of opening the archive and reading 50 batches from it."""
    from colorlab.data import create_dataset, create_loader, stored

    stored.IN_MEMORY = 0  # else the smaller one would be decoded at once
    before, peak_before = resident(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    began = time.perf_counter()
    dataset = create_dataset(str(path), "train", size=32)
    opened = time.perf_counter() - began
    loader, _ = create_loader(dataset, 100, seed=0)
    read = 0
    began = time.perf_counter()
    while read < 50:
        for _ in loader:
            read += 1
            if read == 50:
                break
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "archive": path.stat().st_size / 2**20,
        "seconds": opened,
        "resident": resident() - before,
        "peak": peak - peak_before,
        "speed": 5000 / seconds,
    }


def main(counts: tuple[int, ...]) -> None:
    """Print a table."""
    print(
        f"{'images':>9} {'index':6}{'archive MiB':>12}{'open s':>9}{'resident MiB':>14}{'peak MiB':>10}{'images/s':>12}"
    )
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "images.tar")
            write_archive(path, count)
            for index in ("new", "kept"):
                command = [sys.executable, __file__, "--measure", str(path)]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                row = json.loads(done.stdout)
                print(
                    f"{count:9,} {index:6}{row['archive']:12.1f}{row['seconds']:9.2f}{row['resident']:14.1f}"
                    f"{row['peak']:10.1f}{row['speed']:12.0f}"
                )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(Path(sys.argv[2]))))
    else:
        main(tuple(int(count) for count in sys.argv[1:]) or COUNTS)
