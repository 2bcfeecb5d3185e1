"""Train a colorizer's attention to hints; the rest of the network stays as it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorlab import color
from colorlab.models import DistributionColorizer
from colorlab.models.distribution import CELL, Answer
from colorlab.models.hinting import random_hints
from colorlab.training.regression import Regression, random_style

_MAX_HINTS, _DRAWS, _CELLS = 200, 3, 432
_VALIDATION_HINTS = 10  # per image

_ERROR_OFFSET = 2.0
"""Added to an image's squared error, in Lab units²; smaller errors are invisible."""


class HintLearning(Regression):
    """Minimize the mean log squared error (which is PSNR) by AdamW; all images have the same weight.

    Each output of the network is used for three draws of 1 to 200 hints, log-uniform; the error is taken at 432
    random cells.
    """

    def _trainable_module(self, network: nn.Module) -> nn.Module:
        attention = cast("DistributionColorizer", network).hinting
        attention.learned.fill_(1)
        return attention

    def train(self) -> None:
        """Put the attention in training mode and the rest of the network in ``eval()`` mode."""
        super().train()
        self.network.eval()

    def part_loss(self, part: Tensor) -> Tensor:
        """Return the loss of a batch or a part of it, over random hints."""
        lightness, ab = self.pairs(part)
        with torch.no_grad():
            answer, guess, true = self._frozen(self.augment(lightness), ab)
        cells = guess[0, 0].numel()
        losses = []
        for _ in range(_DRAWS):
            count = round(math.exp(math.log(min(_MAX_HINTS, cells)) * float(torch.rand(()))))
            at = torch.randperm(cells)[:_CELLS].to(self.device)
            found = self.forward(answer.features.float(), guess, random_hints(true, count), at)
            losses.append(_error(found, true.flatten(2)[..., at]))
        return torch.stack(losses).mean()

    def scores(self, rgb: Tensor, labels: Tensor) -> Mapping[str, Tensor]:
        """Return ``loss`` and ``mae`` (Lab units) of a validation batch, with the same ten hints in every epoch."""
        lightness, ab = self.pairs(rgb)
        network = cast("DistributionColorizer", self.model)
        answer, guess, true = self._frozen(lightness, ab, network)
        hints = random_hints(true, min(_VALIDATION_HINTS, guess[0, 0].numel()), torch.Generator().manual_seed(0))
        found = network.hinting(answer.features.float(), guess, hints)
        return {"loss": _error(found.flatten(2), true.flatten(2)), "mae": (found - true).abs().mean()}

    def _frozen(
        self, lightness: Tensor, ab: Tensor, network: DistributionColorizer | None = None
    ) -> tuple[Answer, Tensor, Tensor]:
        """Return the network's output, its color of each cell and the true one, in Lab units."""
        style = network.style if network else random_style()
        network = network or cast("DistributionColorizer", self.network)
        with self.autocast:
            answer = network.answer(lightness)
        return answer, network.choose(answer.logits.float(), style), F.avg_pool2d(ab * color.AB_SCALE, CELL)


def _error(found: Tensor, true: Tensor) -> Tensor:
    return ((found - true).square().mean(dim=(1, 2)) + _ERROR_OFFSET).log().mean()
