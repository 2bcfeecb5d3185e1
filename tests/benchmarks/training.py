"""Images per second and peak memory of every model, trained as by default and as the seed did.

One process for each measurement, so that the peak memory is that of the one model. Both ways take turns in one run, on
the same batches, since the speed of a shared machine changes by the minute; what is compared is the ratio of medians.
"seed": float32, eager, contiguous. "default": what ``precision="auto"`` chooses here. Loader
and Lab conversion included; random images, since their content does not matter to the time.

    make bench BENCH=training [ARGS="resnet unet32"]
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from typing import Any

import torch

from colorlab.data import ImageDataset, create_loader
from colorlab.models import COLORIZERS, has_discriminator
from colorlab.training import TrainingOptions
from colorlab.training.adversarial import Adversarial
from colorlab.training.distributed import Processes
from colorlab.training.regression import Regression

SETTINGS = {"seed": "float32", "default": "auto"}
STEPS = 4
WARM_UP = 2
ROUNDS = 3
NOT_MADE_FOR = {("unet32", 224), ("nazerigan32", 224), ("unet224", 32), ("nazerigan224", 32), ("cgan", 32)}


def measure(model: str, size: int, batch_size: int, way: str) -> dict[str, object]:
    """Seconds of a few training steps after a warm-up, and the process's peak memory."""
    precision: Any = SETTINGS[way]
    options = TrainingOptions(model_name=model, train_batch_size=batch_size, precision=precision, image_size=size)
    torch.manual_seed(0)
    kind = Adversarial if has_discriminator(model) else Regression
    learner = kind(options, Processes(), steps=100)
    count = batch_size * (STEPS + WARM_UP)
    images = torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8)
    dataset = ImageDataset(images, torch.zeros(count, dtype=torch.int64), ["any"])
    loader, _ = create_loader(dataset, batch_size, seed=0)
    learner.train()
    seconds = []
    began = time.perf_counter()
    for rgb, labels in loader:
        float(learner.train_step(rgb, labels)["loss"])
        seconds.append(time.perf_counter() - began)
        began = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds[WARM_UP:], "peak_mib": peak, "dtype": str(options.dtype()).removeprefix("torch.")}


def main(models: list[str]) -> None:
    """Print a table."""
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    print(f"threads: {threads}; {ROUNDS} turns of each way, {STEPS} steps each, after {WARM_UP} to warm up\n")
    print(f"{'model':14}{'size':>5}{'batch':>7}  {'way':9}{'images/s (min … max)':>26}{'ratio':>8}{'peak MiB':>10}")
    for size, batch_size in ((32, 100), (224, 16)):
        for model in models:
            if (model, size) in NOT_MADE_FOR:
                continue
            answers: dict[str, list[dict[str, Any]]] = {way: [] for way in SETTINGS}
            for _ in range(ROUNDS):
                for way in SETTINGS:
                    command = [sys.executable, __file__, "--one", model, str(size), str(batch_size), way]
                    done = subprocess.run(command, check=True, capture_output=True, text=True)
                    answers[way].append(json.loads(done.stdout))
            rates = {
                way: sorted(batch_size / second for answer in given for second in answer["seconds"])
                for way, given in answers.items()
            }
            reference = statistics.median(rates["seed"])
            for way, given in answers.items():
                median = statistics.median(rates[way])
                spread = f"{median:.1f} ({rates[way][0]:.1f} … {rates[way][-1]:.1f})"
                name = way if way == "seed" else given[0]["dtype"]
                peak = max(answer["peak_mib"] for answer in given)
                print(
                    f"{model:14}{size:>5}{batch_size:>7}  {name:9}{spread:>26}{median / reference:>8.2f}{peak:>10.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])))
    else:
        main(sys.argv[1:] or list(COLORIZERS))
