"""The adversarial game: a generator paints, a discriminator tells painted from real, each learns from the other.

Regression is honest about its doubt by painting the average of all plausible colors. The discriminator knows no
doubt: an average looks like no real image, so a generator that must please it has to decide. λ·L1 of the colors
keeps the decision near the truth.

References: Goodfellow et al., arXiv:1406.2661; Isola et al. (λ = 100), arXiv:1611.07004; Salimans et al. (real label
0.9), arXiv:1606.03498; Nazeri et al., arXiv:1803.05400.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorlab import color
from colorlab.models import create_discriminator
from colorlab.training.distributed import Processes
from colorlab.training.learner import ColorizerLearner, begin_colorizer, schedule
from colorlab.training.options import TrainingOptions

REAL, FAKE = 0.9, 0.0
"""What the discriminator shall answer; 0.9 keeps it from being too sure, and its gradients alive."""


def verdict_loss(logits: Tensor, label: float) -> Tensor:
    """Binary cross entropy of logits against one label for all. The sigmoid is in here, and nowhere else."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))


class Adversarial(ColorizerLearner):
    """Generator and discriminator, an Adam (2e-4, betas 0.5 and 0.999) for each.

    Both learn in one step from the same image of the other: neither is half-updated when the other one learns, and
    no gradient of one's loss reaches the other's weights.
    """

    def __init__(self, options: TrainingOptions, processes: Processes, steps: int) -> None:
        super().__init__(options, processes)
        self.l1_weight = options.l1_weight
        self.generator = self.place(begin_colorizer(options))
        self.discriminator = self.place(create_discriminator(options.model_name))
        self.paint = self.callable_(self.generator)
        self.judge = self.callable_(self.discriminator)
        rate = options.learning_rate or 2e-4
        name = "constant" if options.schedule == "auto" else options.schedule
        self.parts |= {"generator": self.generator, "discriminator": self.discriminator}
        self.optimizers: list[torch.optim.Optimizer] = []
        self.schedules = []
        for role, network in (("generator", self.generator), ("discriminator", self.discriminator)):
            optimizer = torch.optim.Adam(network.parameters(), rate, betas=(0.5, 0.999), fused=True)
            self.optimizers.append(optimizer)
            self.schedules.append(schedule(optimizer, name, rate, steps))
            self.parts |= {f"{role} optimizer": optimizer, f"{role} schedule": self.schedules[-1]}

    @property
    def model(self) -> nn.Module:
        """The generator."""
        return self.generator

    @property
    def learning_rate(self) -> float:
        """That of the next step, the same for both."""
        return float(self.optimizers[0].param_groups[0]["lr"])

    def merit(self, row: Mapping[str, float]) -> float:
        """The error as a share of gray's, and how far colorfulness is from the truth's: gray has 2, the truth 0.

        The error alone would keep the dullest epoch, which is what the discriminator is there against.
        """
        missing = abs(1 - row["val_colorfulness"] / max(1e-6, row["val_true_colorfulness"]))
        return -(row["val_mae"] / max(1e-6, row["val_gray_mae"]) + missing)

    def train_step(self, rgb: Tensor, labels: Tensor) -> Mapping[str, Tensor]:
        """Both networks learn from a batch.

        Returns:
            ``loss``, the generator's: its adversarial part plus λ × ``l1``, the mean absolute error of a and b in
            network units; ``d_loss``, the discriminator's; ``d_real`` and ``d_fake``, how probably real it found the
            real and the painted images, in 0…1.
        """
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        sums: dict[str, Tensor] = {}
        for part in self.parts_of(rgb):
            share = len(part) / len(rgb)
            for name, value in self._accumulate(part, share).items():
                sums[name] = sums.get(name, 0) + value.detach() * share
        for optimizer, rate in zip(self.optimizers, self.schedules, strict=True):
            self.scaler.step(optimizer)
            rate.step()
        self.scaler.update()
        return sums

    def _accumulate(self, rgb: Tensor, share: float) -> dict[str, Tensor]:
        """Adds the gradients of a part of the batch to both networks."""
        lightness, ab = self.pairs(rgb)
        with self.autocast:
            fake: Tensor = self.paint(lightness).float()
            # The discriminator learns from the painting as from a photograph: `detach` keeps its lesson out of the
            # generator.
            real_logits = self.judge(lightness, ab).float()
            fake_logits = self.judge(lightness, fake.detach()).float()
        d_loss = verdict_loss(real_logits, REAL) + verdict_loss(fake_logits, FAKE)
        self.scaler.scale(d_loss * share).backward()  # type: ignore[no-untyped-call]

        # The generator learns through the discriminator, whose own weights stand still meanwhile.
        self.discriminator.requires_grad_(False)
        with self.autocast:
            logits: Tensor = self.discriminator(lightness, fake).float()
        l1 = F.l1_loss(fake, ab)  # of the colors, not of the verdicts
        loss = verdict_loss(logits, REAL) + self.l1_weight * l1
        self.scaler.scale(loss * share).backward()  # type: ignore[no-untyped-call]
        self.discriminator.requires_grad_(True)
        return {
            "loss": loss,
            "l1": l1,
            "d_loss": d_loss,
            "d_real": real_logits.sigmoid().mean(),
            "d_fake": fake_logits.sigmoid().mean(),
        }

    def scores(self, rgb: Tensor, labels: Tensor) -> Mapping[str, Tensor]:
        """Validation means.

        Returns:
            ``loss``, the L1 of a and b in network units; ``mae``, the same in Lab units, and ``gray_mae``, that of
            gray; ``colorfulness`` and ``true_colorfulness`` of the painted and the real images
            (:func:`colorlab.color.colorfulness`).
        """
        lightness, ab = self.pairs(rgb)
        with self.autocast:
            fake: Tensor = self.generator(lightness).float()
        l1 = F.l1_loss(fake, ab)
        painted = color.lab_to_rgb(color.fit_to_gamut(color.join(lightness, fake)))
        return {
            "loss": l1,
            "mae": l1 * color.AB_SCALE,
            "gray_mae": ab.abs().mean() * color.AB_SCALE,
            "colorfulness": color.colorfulness(painted).mean(),
            "true_colorfulness": color.colorfulness(rgb.to(self.device)).mean(),
        }
