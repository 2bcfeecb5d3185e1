"""What the project's recipe learns from as many steps as the seed's: errors on images that neither has seen.

The same architecture, images, batches, numerical precision and images to test on; both predictions are joined with
the true L. The seed's recipe: luma in 0…1 as input, (a + 128)/255 and (b + 128)/255 as target of the squared error,
layers that start as torch starts them, Adam at a constant 1e-3. The project's: what ``make weights`` trains with.

Needs CIFAR-10 in ``COLORLAB_REAL_DATA``. Quality, not time: a busy machine gives the same table, to the rounding of
its instructions.

    make bench BENCH=recipes [ARGS="resnet unet32"]
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from colorlab import color
from colorlab.data import ImageDataset, create_dataset, create_loader
from colorlab.evaluation import gray, mean_color, paired_bootstrap, score_images
from colorlab.models import Colorizer, ColorizerName
from colorlab.training import TrainingOptions
from colorlab.training.distributed import Processes
from colorlab.training.regression import Regression

STEPS = 500
BATCH = 100
SCORES = ("mse_seed", "mae", "psnr", "ciede2000")
Predict = Callable[[Tensor], Tensor]


class SeedsWay(Regression):
    """The seed's recipe for regression."""

    def __init__(self, options: TrainingOptions, processes: Processes, steps: int) -> None:
        super().__init__(options, processes, steps)
        last = [layer for layer in self.network.modules() if isinstance(layer, torch.nn.Conv2d)][-1]
        last.reset_parameters()
        self.optimizer = torch.optim.Adam(self.network.parameters(), 1e-3)

    def predict(self, rgb: Tensor) -> Tensor:
        """a and b in Lab units."""
        with self.autocast:
            return self.network(color.luma(rgb).to(memory_format=self.layout)).float() * 255 - 128

    def train_step(self, rgb: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """``loss``."""
        self.optimizer.zero_grad()
        loss = F.mse_loss(self.predict(rgb) / 255, color.rgb_to_lab(rgb)[:, 1:] / 255)
        loss.backward()
        self.optimizer.step()
        return {"loss": loss.detach()}


class OurWay(Regression):
    """The project's recipe."""

    def predict(self, rgb: Tensor) -> Tensor:
        """a and b in Lab units."""
        lightness, _ = self.pairs(rgb)
        with self.autocast:
            return self.network(lightness).float() * color.AB_SCALE


def learn(kind: type[SeedsWay | OurWay], model_name: ColorizerName, trainset: ImageDataset) -> Predict:
    """Train for ``STEPS`` steps; what came of it."""
    torch.manual_seed(0)
    learner = kind(TrainingOptions(model_name=model_name, loss="huber"), Processes(), STEPS)
    learner.train()
    loader, order = create_loader(trainset, BATCH, seed=0)
    steps = 0
    while steps < STEPS:
        order.epoch += 1
        for rgb, labels in loader:
            learner.train_step(rgb, labels)
            steps += 1
            if steps == STEPS:
                break
    learner.network.eval()
    return learner.predict


def constant(model: Colorizer) -> Predict:
    """A baseline's a and b."""
    return lambda rgb: model(torch.zeros(len(rgb), 1, *rgb.shape[-2:])) * color.AB_SCALE


@torch.no_grad()
def measure(predict: Predict, testset: ImageDataset) -> dict[str, Tensor]:
    """Scores by image, of what a screen would show."""
    parts = []
    for rgb, _ in testset.batches(BATCH):
        lab = torch.cat([color.rgb_to_lab(rgb)[:, :1], predict(rgb)], dim=1)
        parts.append(score_images(rgb, color.to_uint8(color.lab_to_rgb(color.fit_to_gamut(lab))), SCORES))
    return {name: torch.cat([part[name] for part in parts]) for name in SCORES}


def main(models: list[str]) -> None:
    """Print a table for each model, and by how much the project's recipe is better, image by image."""
    if "COLORLAB_REAL_DATA" not in os.environ:
        sys.exit("recipes: skipped, since COLORLAB_REAL_DATA does not say where the archive of CIFAR-10 is")
    archive = str(Path(os.environ["COLORLAB_REAL_DATA"], "cifar10.tar"))
    trainset = create_dataset(archive, "train", size=32)
    test = create_dataset(archive, "test", size=32)
    testset = ImageDataset(test.rgb[::5], test.labels[::5], test.classes)
    baselines = {"gray": gray(), "mean color": mean_color(trainset)}
    tables = {name: measure(constant(model), testset) for name, model in baselines.items()}
    print(f"CIFAR-10, {len(testset)} test images; {STEPS} steps of {BATCH} images; means over images")
    for model in models:
        ways = {f"{model}, seed": SeedsWay, f"{model}, colorlab": OurWay}
        tables |= {name: measure(learn(kind, model, trainset), testset) for name, kind in ways.items()}  # type: ignore[arg-type]
        print(f"{'':22}" + "".join(f"{name:>14}" for name in SCORES))
        for name, table in tables.items():
            print(f"{name:22}" + "".join(f"{float(table[score].mean()):>14.5f}" for score in SCORES), flush=True)
        ours, seeds = tables[f"{model}, colorlab"], tables[f"{model}, seed"]
        for score in SCORES:
            mean, low, high = paired_bootstrap((ours[score] - seeds[score]).numpy())
            print(f"  colorlab - seed, {score}: {mean:+.5f} (95 %: {low:+.5f} … {high:+.5f})")
        tables = dict(list(tables.items())[:2])


if __name__ == "__main__":
    main(sys.argv[1:] or ["resnet", "unet32"])
