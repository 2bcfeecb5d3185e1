"""Fréchet distance between two sets of images: how far the features of one are from those of the other."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

LEAST_IMAGES = 500
"""Fewer images say more about their number than about themselves; see :func:`frechet_distance`."""


@dataclass
class Moments:
    """Count, sum and sum of outer products of feature vectors, to which batches are added one by one."""

    count: int = 0
    total: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.float64))
    products: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.float64))

    def add(self, features: Tensor) -> None:
        """Add the features of some images, ``(N, C)``."""
        wide = features.detach().cpu().double()
        self.count += len(wide)
        self.total = self.total + wide.sum(dim=0)
        self.products = self.products + wide.T @ wide

    @property
    def mean(self) -> Tensor:
        """``(C,)`` float64."""
        return self.total / self.count

    @property
    def covariance(self) -> Tensor:
        """``(C, C)`` float64, with N - 1 in the denominator."""
        return (self.products - self.count * torch.outer(self.mean, self.mean)) / (self.count - 1)


def frechet_distance(first: Moments, second: Moments, *, least: int = LEAST_IMAGES) -> float:
    r"""Return the Fréchet distance of two sets of images, each taken as a Gaussian in the space of features.

    \|μ₁ - μ₂\|² + tr(Σ₁ + Σ₂ - 2(Σ₁Σ₂)^½), from 0, lower is better, no unit; FID's formula. FID means the features
    of one particular Inception network: with another network, size or number of images the numbers are others and
    must be named by all three. For FID itself, `torch-fidelity` takes the folders that ``eval-gen`` writes
    (``fidelity --fid --input1 eval/original/test --input2 eval/<model>/test``).

    The estimate is biased upward by an amount that falls as 1/N: of two sets of N images drawn from the *same*
    Gaussian of C independent features it finds about C(C + 1)/(2N)·σ² from the covariances and 2C/N·σ² from the
    means where N is well above C. With 64 features and σ = 1 that is 4.3 at N = 500 and 1.1 at N = 2,000, where 0 is
    right. Only compare sets of the same N; sets below ``least`` images are refused. (A colorization shares its
    photograph's content, so its distance to the originals is biased less than that of two independent sets.)

    Args:
        first: of one set's features.
        second: of the other's.
        least: the smallest number of images in a set that is accepted.

    Raises:
        ValueError: too few images, or features of other networks.

    Source: Heusel et al., *GANs trained by a two time-scale update rule*, arXiv:1706.08500, equation 6; the bias:
    Chong and Forsyth, arXiv:1911.07023.
    """
    few = min(first.count, second.count)
    if few < least:
        raise ValueError(
            f"a Fréchet distance needs at least {least} images, got {few}: of fewer, the estimate depends more on "
            "their number than on the images; evaluate a larger set, or leave it out"
        )
    if first.mean.shape != second.mean.shape:
        raise ValueError(
            f"features must be of one network, got {len(first.mean)} and {len(second.mean)}; compute both anew"
        )
    root = _root(first.covariance)
    crossed = torch.linalg.eigvalsh(root @ second.covariance @ root).clamp(min=0).sqrt().sum()
    traces = first.covariance.trace() + second.covariance.trace()
    distance = (first.mean - second.mean).square().sum() + traces - 2 * crossed
    return max(0.0, float(distance))


def _root(covariance: Tensor) -> Tensor:
    """The symmetric square root; eigenvalues below 0 are rounding."""
    values, vectors = torch.linalg.eigh(covariance)
    root: Tensor = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    return root
