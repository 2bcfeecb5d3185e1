"""The Fréchet distance between the features of two sets of images."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

LEAST_IMAGES = 500
"""With fewer images, the bias dominates; see :func:`frechet_distance`."""


@dataclass
class Moments:
    """Count, sum and sum of outer products of feature vectors, accumulated batch by batch."""

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
        """Return the mean, ``(C,)`` float64."""
        return self.total / self.count

    @property
    def covariance(self) -> Tensor:
        """Return the covariance, ``(C, C)`` float64, with N - 1 in the denominator."""
        return (self.products - self.count * torch.outer(self.mean, self.mean)) / (self.count - 1)


def frechet_distance(first: Moments, second: Moments, *, least: int = LEAST_IMAGES) -> float:
    r"""Return the Fréchet distance of two sets of images, whose features are modeled as Gaussians.

    \|μ₁ - μ₂\|² + tr(Σ₁ + Σ₂ - 2(Σ₁Σ₂)^½), from 0, lower is better, no unit; FID's formula. FID means the features
    of one particular Inception network; numbers of another network, image size or number of images cannot be
    compared with it, so report all three. For FID itself, give `torch-fidelity` the folders that ``eval-gen`` writes
    (``fidelity --fid --input1 eval/original/test --input2 eval/<model>/test``).

    The estimate is biased upward by an amount that falls as 1/N. For two sets of N images drawn from the *same*
    Gaussian of C independent features, the bias is about C(C + 1)/(2N)·σ² from the covariances and 2C/N·σ² from the
    means, if N is well above C. With 64 features and σ = 1 that is 4.3 at N = 500 and 1.1 at N = 2,000, where 0 is
    right. Only compare sets of the same N. (A colorization shares its photograph's content, so its distance to the
    originals is biased less than that of two independent sets.)

    Args:
        first: moments of one set's features.
        second: moments of the other's.
        least: the smallest accepted number of images in a set.

    Raises:
        ValueError: there are too few images, or the features are from different networks.

    Source: Heusel et al., *GANs trained by a two time-scale update rule*, arXiv:1706.08500, equation 6; the bias:
    Chong and Forsyth, arXiv:1911.07023.
    """
    few = min(first.count, second.count)
    if few < least:
        raise ValueError(
            f"a Fréchet distance needs at least {least} images, got {few}: with fewer, the estimate depends more on "
            "their number than on the images; evaluate a larger set, or leave it out"
        )
    if first.mean.shape != second.mean.shape:
        raise ValueError(
            f"features must be from one network, got {len(first.mean)} and {len(second.mean)}; compute both again"
        )
    root = _root(first.covariance)
    crossed = torch.linalg.eigvalsh(root @ second.covariance @ root).clamp(min=0).sqrt().sum()
    traces = first.covariance.trace() + second.covariance.trace()
    distance = (first.mean - second.mean).square().sum() + traces - 2 * crossed
    return max(0.0, float(distance))


def _root(covariance: Tensor) -> Tensor:
    """Return the symmetric square root; negative eigenvalues are rounding errors."""
    values, vectors = torch.linalg.eigh(covariance)
    root: Tensor = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    return root
