"""Pictures per second and peak memory of every model, trained as by default and as the seed did.

One process for each measurement, so that the peak memory is that of the one model. Both ways in one run, in turn, on
the same batches; what is compared is the ratio. "seed": float32, eager, contiguous. "default": what
``precision="auto"`` chooses here. Loader and Lab conversion included; random pictures, since their content does not
matter to the time.

    make bench [ARGS="resnet unet32"]
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time

import torch

from colorlab.data import PictureDataset, create_loader
from colorlab.models import COLORIZER_NAMES, has_discriminator
from colorlab.training import TrainingOptions
from colorlab.training.adversarial import Adversarial
from colorlab.training.distributed import Processes
from colorlab.training.regression import Regression

SETTINGS = {"seed": "float32", "default": "auto"}
STEPS = 5
NOT_MADE_FOR = {("unet32", 224), ("nazerigan32", 224), ("unet224", 32), ("nazerigan224", 32), ("cgan", 32)}


def measure(model: str, size: int, batch_size: int, precision: str) -> dict[str, object]:
    """Seconds of a few training steps after a warm-up, and the process's peak memory."""
    options = TrainingOptions(model_name=model, train_batch_size=batch_size, precision=precision, image_size=size)
    torch.manual_seed(0)
    kind = Adversarial if has_discriminator(model) else Regression
    learner = kind(options, Processes(), steps=100)
    count = batch_size * (STEPS + 1)
    pictures = torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8)
    dataset = PictureDataset(pictures, torch.zeros(count, dtype=torch.int64), ["any"])
    loader, _ = create_loader(dataset, batch_size, seed=0)
    learner.train()
    seconds = []
    began = time.perf_counter()
    for rgb, labels in loader:
        float(learner.train_step(rgb, labels)["loss"])
        seconds.append(time.perf_counter() - began)
        began = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds[1:], "peak_mib": peak, "dtype": str(options.dtype()).removeprefix("torch.")}


def main(models: list[str]) -> None:
    """Print a table."""
    print(f"threads: {os.environ.get('OMP_NUM_THREADS', 'all')}; {STEPS} steps each, after one to warm up\n")
    print(f"{'model':14}{'size':>5}{'batch':>7}  {'way':9}{'pictures/s (min … max)':>26}{'ratio':>8}{'peak MiB':>10}")
    for size, batch_size in ((32, 100), (224, 16)):
        for model in models:
            if (model, size) in NOT_MADE_FOR:
                continue
            reference = 0.0
            for way, precision in SETTINGS.items():
                command = [sys.executable, __file__, "--one", model, str(size), str(batch_size), precision]
                answer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                rates = sorted(batch_size / s for s in answer["seconds"])
                median = statistics.median(rates)
                reference = reference or median
                spread = f"{median:.1f} ({rates[0]:.1f} … {rates[-1]:.1f})"
                name = way if way == "seed" else answer["dtype"]
                print(
                    f"{model:14}{size:>5}{batch_size:>7}  {name:9}{spread:>26}{median / reference:>8.2f}"
                    f"{answer['peak_mib']:>10.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])))
    else:
        main(sys.argv[1:] or list(COLORIZER_NAMES))
