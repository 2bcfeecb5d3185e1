"""Measure what a pretrained encoder is worth: four networks, the same minutes, the same photographs.

    COLORLAB_REAL_DATA=<folder with the tars> make pretraining

The decoder of ``distribution`` learns on the frozen encoder with ImageNet's weights, on the same encoder with random
weights, frozen or trained with it, and beside them the original framework's ``resnet`` learns by regression. Each
gets the same minutes of one thread, at a constant learning rate with a moving average of the weights. It writes
``colorlab/evaluation/pretraining.csv`` and ``notebooks/images/pretraining.jpg``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import pandas as pd
import torch
from benchmark_page import measure
from PIL import Image
from score_styles import colorized, photographs
from score_weights import REAL_DATA, genuine_lpips, images
from torch import nn
from torchvision.utils import make_grid

from colorlab import color
from colorlab.data import create_dataset
from colorlab.data.samples import photographs as samples
from colorlab.evaluation import gray, mean_color
from colorlab.evaluation.published import PRETRAINING
from colorlab.evaluation.scores import Measures
from colorlab.models import Colorizer, DistributionColorizer, create_colorizer
from colorlab.training import StopRequest, TrainingOptions, train
from colorlab.training.learner import load_encoder
from colorlab.training.loop import Progress

SIZE, CALIBRATION = 96, 256
SAMPLES = ("temple", "flower", "cat", "coffee", "admiral", "motorcycle")
PICTURE = Path("notebooks/images/pretraining.jpg")
SCORES = ("psnr", "mae", "colorfulness")


def networks() -> dict[str, tuple[Colorizer, dict[str, object]]]:
    """Return each network with the options of its training."""
    torch.manual_seed(0)
    some = create_dataset(str(REAL_DATA / "photos.tar"), "train", size=SIZE).rgb[:CALIBRATION]
    lightness = color.split(color.rgb_to_lab(some))[0]
    found: dict[str, tuple[Colorizer, dict[str, object]]] = {}
    for name, options in (
        ("pretrained encoder, frozen", {"frozen_stride": 32}),
        ("random encoder, frozen", {"frozen_stride": 32}),
        ("random encoder, trained", {"encoder_rate": 1.0}),
    ):
        model = DistributionColorizer()
        if name.startswith("pretrained"):
            load_encoder(model)
        else:
            calibrate(model, lightness)
        found[name] = model, {"loss": "cross_entropy", **options}
    found["resnet"] = create_colorizer("resnet"), {"loss": "huber"}
    return found


@torch.no_grad()
def calibrate(model: DistributionColorizer, lightness: torch.Tensor) -> None:
    """Set the batch norms of a random encoder to the statistics of some images; without, its features vanish."""
    model.encoder.train()
    for layer in model.encoder.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = None  # the mean over all batches
    for batch in lightness.split(32):
        model.encode(batch)
    model.eval()


def learn(model: nn.Module, options: dict[str, object], minutes: float, root: Path) -> int:
    """Train for some minutes and return the number of images seen."""
    stop, began, seen = StopRequest(), time.monotonic(), 0

    def watch(progress: Progress) -> None:
        nonlocal seen
        seen = progress.seen
        stop.made = time.monotonic() - began > 60 * minutes

    train(
        TrainingOptions(
            model_name=model,
            dataset_name=str(REAL_DATA / "photographs.tar"),
            validate_on=str(REAL_DATA / "photos.tar"),
            image_size=SIZE,
            min_crop_area=0.4,
            train_batch_size=32,
            learning_rate=1e-3,
            schedule="constant",
            ema=0.99,
            max_epochs=100,
            checkpoint_minutes=1e6,
            output_root_path=root,
            **options,
        ),
        on_batch=watch,
        stop=stop,
    )
    return seen


def main() -> None:
    """Train the networks, score them, and write the table and the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    trained: dict[str, Colorizer] = {"gray": gray(), "mean color": mean_color(images("tinyimagenet", "train", 32))}
    seen = {"gray": 0, "mean color": 0}
    with tempfile.TemporaryDirectory() as root:
        for name, (model, options) in networks().items():
            seen[name] = learn(model, options, given.minutes, Path(root) / name)
            trained[name] = model.eval()
            model.working_size = 128
            print(f"{name}: {seen[name]} images", flush=True)
    rgb, ids = photographs()
    lpips = genuine_lpips()
    table = measure({name: (m, None) for name, m in trained.items()}, rgb, ids, Measures(SCORES, lpips))
    table = table.rename(columns={lpips.label: "lpips"})
    table["image"] = table.groupby("model").cumcount()
    wide = table.pivot(index="image", columns="model")
    rows = []
    for name in trained:
        gain = wide["psnr", name] - wide["psnr", "gray"]
        share = wide["colorfulness", name].mean() / wide["colorfulness", "original"].mean()
        minutes = given.minutes if seen[name] else 0
        means = {score: wide[score, name].mean() for score in ("mae", "lpips")}
        half = 1.96 * gain.std() / len(gain) ** 0.5
        rows.append([name, minutes, seen[name], gain.mean(), half, share, means["mae"], means["lpips"]])
    columns = ["network", "minutes", "images", "psnr_gain", "psnr_gain_half", "colorfulness_share", "mae", "lpips"]
    lines = (
        f"Trained for {given.minutes:g} minutes each on photographs.tar at {SIZE} px, one thread, torch "
        f"{torch.__version__}.",
        f"Scored on {len(rgb)} photographs of 256 px, the val images of photos.tar that are not gray; psnr_gain is "
        "the mean gain over gray in dB, psnr_gain_half half its 95 % interval.",
        "Made by tools/pretraining_table.py.",
    )
    text = pd.DataFrame(rows, columns=columns).to_csv(index=False, float_format="%.4g")
    PRETRAINING.write_text("".join(f"# {line}\n" for line in lines) + text, encoding="utf-8")
    print(text)
    draw({name: model for name, model in trained.items() if seen[name]})


def draw(models: dict[str, Colorizer]) -> None:
    """Draw a row of photographs for each network, and the originals below."""
    rgb = samples(*SAMPLES, size=160)
    lab = color.rgb_to_lab(samples(*SAMPLES, size=256))
    rows = [nn.functional.interpolate(colorized(m, lab, m.working_size, None).float(), 160) for m in models.values()]
    sheet = make_grid(torch.cat([*(row.to(torch.uint8) for row in rows), rgb]), nrow=len(SAMPLES), pad_value=255)
    PICTURE.parent.mkdir(exist_ok=True)
    Image.fromarray(sheet.movedim(0, -1).numpy()).save(PICTURE, quality=85, optimize=True)


if __name__ == "__main__":
    main()
