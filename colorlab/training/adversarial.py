"""Adversarial training: a generator colors images, and a discriminator tells them from real ones.

Regression predicts the average of all plausible colors. An average does not look like a real image, so the
discriminator makes the generator choose one color. λ·L1 of the colors keeps that color near the truth.

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
"""The discriminator's targets; 0.9 (label smoothing) keeps its gradients from vanishing."""


def verdict_loss(logits: Tensor, label: float) -> Tensor:
    """Return the binary cross entropy of logits against one label for all; this applies the only sigmoid."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))


class Adversarial(ColorizerLearner):
    """Train a generator and a discriminator, each with its own Adam (2e-4, betas 0.5 and 0.999).

    Both gradients are computed before either network is updated, and neither loss changes the other network.
    """

    def __init__(self, options: TrainingOptions, processes: Processes, steps: int) -> None:
        super().__init__(options, processes)
        self.l1_weight = options.l1_weight
        self.generator = self.place(begin_colorizer(options))
        self.discriminator = self.place(create_discriminator(options.model_name))
        self.call_generator = self.callable_(self.generator)
        self.call_discriminator = self.callable_(self.discriminator)
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
        """Return the generator."""
        return self.generator

    @property
    def learning_rate(self) -> float:
        """Return the learning rate of the next training step, the same for both networks."""
        return float(self.optimizers[0].param_groups[0]["lr"])

    def epoch_score(self, row: Mapping[str, float]) -> float:
        """Return minus the sum of two shares: error of gray's error, and missing colorfulness. Truth 0, gray -2.

        The error alone would select the dullest epoch.
        """
        missing = abs(1 - row["val_colorfulness"] / max(1e-6, row["val_true_colorfulness"]))
        return -(row["val_mae"] / max(1e-6, row["val_gray_mae"]) + missing)

    def train_step(self, rgb: Tensor, labels: Tensor) -> Mapping[str, Tensor]:
        """Update both networks from a batch.

        Returns:
            ``loss``, the generator's: its adversarial part plus λ × ``l1``, the mean absolute error of a and b in
            network units; ``d_loss``, the discriminator's; ``d_real`` and ``d_fake``, the mean probability of being
            real that it gives to real and to colorized images, in 0…1.
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
        """Add the gradients of a part of the batch to both networks."""
        lightness, ab = self.pairs(rgb)
        with self.autocast:
            fake: Tensor = self.call_generator(lightness).float()
            # `detach` keeps the discriminator's loss out of the generator.
            real_logits = self.call_discriminator(lightness, ab).float()
            fake_logits = self.call_discriminator(lightness, fake.detach()).float()
        d_loss = verdict_loss(real_logits, REAL) + verdict_loss(fake_logits, FAKE)
        self.scaler.scale(d_loss * share).backward()  # type: ignore[no-untyped-call]

        # The generator's gradients flow through the discriminator, but do not change it.
        self.discriminator.requires_grad_(False)
        with self.autocast:
            logits: Tensor = self.discriminator(lightness, fake).float()
        l1 = F.l1_loss(fake, ab)
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
        """Return means over a validation batch.

        Returns:
            ``loss``, the L1 of a and b in network units; ``mae``, the same in Lab units, and ``gray_mae``, that of
            gray; ``colorfulness`` and ``true_colorfulness`` of the colorized and the real images
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
