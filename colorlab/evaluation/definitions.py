r"""The definitions of the scores: formula, range, direction, unit, source and code.

Every score compares an original and a result, 8-bit sRGB images, and is one value per image.
Lab is CIE L\*a\*b\* under D65 (:mod:`colorlab.color`); Δa and Δb are result minus original.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeVar, get_args

import torch
from torch import Tensor

from colorlab import color
from colorlab.evaluation import formulas, rebalancing
from colorlab.registry import Registry

SEED_RANGE = 255.0
"""The original framework divided a and b by this."""

CMF_END = 150
"""The largest distance in (a, b) of the cumulative error curve, Lab units."""

SSIM_WINDOW = formulas.WINDOW
"""Side in pixels of the smallest image that SSIM takes."""

_SSIM_CONSTANTS = (0.01 * 255) ** 2, (0.03 * 255) ** 2


class Seen:
    """A batch of images with values that several scores need, each computed once, on first use.

    Args:
        rgb: ``(N, 3, H, W)`` uint8.
        lab: the same in Lab, if it is known already.
    """

    def __init__(self, rgb: Tensor, lab: Tensor | None = None) -> None:
        if rgb.dtype != torch.uint8 or rgb.dim() != 4 or rgb.shape[1] != 3:
            raise ValueError(
                f"images to score must be uint8 RGB (N, 3, H, W), got {rgb.dtype} {tuple(rgb.shape)}; "
                "convert floats in 0…1 with colorlab.color.to_uint8"
            )
        self.rgb = rgb
        if lab is not None:
            self.lab = lab

    def split(self, size: int) -> list[Seen]:
        """Return batches of ``size`` images, with their Lab if that is known already."""
        labs = torch.split(self.lab, size) if "lab" in vars(self) else [None] * -(-len(self.rgb) // size)
        return [Seen(rgb, lab) for rgb, lab in zip(torch.split(self.rgb, size), labs, strict=True)]

    @cached_property
    def lab(self) -> Tensor:
        """Return the images in Lab, ``(N, 3, H, W)`` float32."""
        return color.rgb_to_lab(self.rgb)

    @cached_property
    def colorfulness(self) -> Tensor:
        """Return :func:`colorlab.color.colorfulness`, ``(N,)``."""
        return color.colorfulness(self.rgb)

    @cached_property
    def values(self) -> Tensor:
        """Return :attr:`rgb` minus :attr:`middle`, float32; small values keep rounding errors of squares small."""
        return self.rgb - self.middle

    @cached_property
    def middle(self) -> Tensor:
        """Return the rounded mean of each channel, ``(N, 3, 1, 1)``; with integers, squares are exact."""
        return self.rgb.float().mean(dim=(2, 3), keepdim=True).round_()

    @cached_property
    def local_mean(self) -> Tensor:
        """Return :func:`colorlab.evaluation.formulas.local_mean` of :attr:`values`."""
        return formulas.local_mean(self.values)

    @cached_property
    def local_variance(self) -> Tensor:
        """Return the local variance of :attr:`values`, under the same window."""
        return formulas.local_mean(self.values.square()).sub_(self.local_mean.square())

    @cached_property
    def rarity(self) -> Tensor:
        """Return :func:`colorlab.evaluation.rebalancing.weights`, ``(N, H, W)``."""
        return rebalancing.weights(self.lab)


def mse(original: Seen, result: Seen) -> Tensor:
    """Return the mean squared error of a and b: mean over pixels of (Δa² + Δb²)/2.

    From 0, lower is better; squared Lab units. :func:`mse_seed` is the same score in the unit of the original
    framework.
    """
    return (result.lab - original.lab)[:, 1:].square().mean(dim=(1, 2, 3))


def mse_seed(original: Seen, result: Seen) -> Tensor:
    """Return :func:`mse` in the original framework's unit: mean over pixels of ((Δa/255)² + (Δb/255)²)/2.

    From 0, lower is better; no unit. Source: github.com/akbokha/image-colorization, ``eval-mse``.
    """
    return mse(original, result) / SEED_RANGE**2


def mae(original: Seen, result: Seen) -> Tensor:
    r"""Return the mean absolute error of a and b: mean over pixels of (\|Δa\| + \|Δb\|)/2.

    From 0, lower is better; Lab units.
    """
    return (result.lab - original.lab)[:, 1:].abs().mean(dim=(1, 2, 3))


def psnr(original: Seen, result: Seen) -> Tensor:
    """Return the PSNR of 8-bit RGB: 10 log₁₀(255² / mean squared error over pixels and channels).

    Higher is better, infinite for equal images; decibels. Its mean over images is a mean of decibels; the PSNR of
    the pooled error is lower (by 3.6 dB for gray on CIFAR-10). It prefers dull colors.

    Source: as in scikit-image's ``peak_signal_noise_ratio``.
    """
    squared = (result.rgb.float() - original.rgb.float()).square().mean(dim=(1, 2, 3))
    return 10 * (255**2 / squared).log10()


def ssim(original: Seen, result: Seen) -> Tensor:
    """Return structural similarity: mean of R, G and B, Gaussian window of σ 1.5 (11 × 11), K = 0.01, 0.03.

    In -1…1, higher is better, 1 for equal images; no unit. It says little about color when L is the true lightness:
    gray has 0.95 on CIFAR-10.

    Raises:
        ValueError: the images are smaller than the window.

    Source: Wang et al., *Image quality assessment*, doi:10.1109/TIP.2003.819861, equation 13; the values are those of
    scikit-image with ``gaussian_weights=True, use_sample_covariance=False``, up to the rounding of float32.
    """
    if min(original.rgb.shape[-2:]) < SSIM_WINDOW:
        raise ValueError(
            f"SSIM needs images of at least {SSIM_WINDOW}×{SSIM_WINDOW} pixels, these have "
            f"{'×'.join(map(str, original.rgb.shape[-2:]))}; leave out the score `ssim`"
        )
    c1, c2 = _SSIM_CONSTANTS
    covariance = formulas.local_mean(original.values * result.values)
    covariance.addcmul_(original.local_mean, result.local_mean, value=-1)
    true, seen = original.local_mean + original.middle, result.local_mean + result.middle
    product = true * seen
    means = true.square_().addcmul_(seen, seen).add_(c1)
    variances = (original.local_variance + result.local_variance).add_(c2)
    similarity = product.mul_(2).add_(c1).mul_(covariance.mul_(2).add_(c2)).div_(means.mul_(variances))
    return similarity.double().mean(dim=(1, 2, 3))


def ciede2000(original: Seen, result: Seen) -> Tensor:
    """Return the mean over pixels of the color difference CIEDE2000, kL = kC = kH = 1.

    From 0, lower is better; ΔE₀₀ units, 1 is about the smallest visible difference. Values above 5 are in the right
    order, but not to scale.

    Source: Sharma, Wu and Dalal, *The CIEDE2000 color-difference formula*, doi:10.1002/col.20070.
    """
    return formulas.delta_e_2000(original.lab, result.lab).double().mean(dim=(1, 2))


def epsilon_accuracy(original: Seen, result: Seen, percent: float) -> Tensor:
    r"""Return the ε-accuracy: percentage of pixels whose L, a and b are all within ``percent`` of their range.

    L, a and b are rounded to integers; a pixel counts if \|ΔL\| ≤ 1.0·percent, \|Δa\| ≤ 2.2·percent and
    \|Δb\| ≤ 2.2·percent (ranges 100, 220, 220). In 0…100, higher is better; percent.

    Source: Nazeri, Ng and Ebrahimi, *Image colorization using GANs*, arXiv:1803.05400, in the form of their published
    code since May 2018 (before, that counted equal RGB).
    """
    error = (result.lab.round() - original.lab.round()).abs()
    # The rounding of 2.2·5 to 11.000000000000002 does no harm; 2.2·2 = 4.4 is far from any integer.
    allowed = error.new_tensor([1.0, 2.2, 2.2]).view(3, 1, 1) * percent
    return 100 * (error <= allowed).all(dim=1).float().mean(dim=(1, 2))


def epsilon_2(original: Seen, result: Seen) -> Tensor:
    """Return :func:`epsilon_accuracy` at 2 %. In 0…100, higher is better; percent."""
    return epsilon_accuracy(original, result, 2)


def epsilon_5(original: Seen, result: Seen) -> Tensor:
    """Return :func:`epsilon_accuracy` at 5 %. In 0…100, higher is better; percent."""
    return epsilon_accuracy(original, result, 5)


def auc(original: Seen, result: Seen) -> Tensor:
    """Return the area under the cumulative error curve, as a percentage.

    F(t) is the share of pixels whose distance √(Δa² + Δb²) is at most t; the area is integrated over t = 0, 1, …, 150
    by trapezoids and divided by 150. In 0…100, higher is better; percent. For images of one size the mean over
    images is exactly the published value, which pools all pixels.

    Source: Zhang, Isola and Efros, *Colorful image colorization*, arXiv:1603.08511, section 3.1 (gray on ImageNet:
    89.1).
    """
    return 100 * _area(original, result).mean(dim=(1, 2))


def auc_rebalanced(original: Seen, result: Seen) -> Tensor:
    """Return :func:`auc` with pixels weighted by how rare their true color is.

    The weight is 1/p̃, where p̃ is the frequency of the original's color in photographs, on a grid of 10 units in
    (a, b), smoothed (:mod:`colorlab.evaluation.rebalancing`). In 0…100, higher is better; percent.

    The published value pools the weights of all images. It is the mean over images *weighted by* :func:`auc_weight`,
    which :func:`colorlab.evaluation.summary` gives, not the plain mean.

    Source: as :func:`auc`; their p̃ is from ImageNet's training images, so values are close to theirs, not equal
    (gray: 58.0 there).
    """
    weights = original.rarity
    return 100 * (weights * _area(original, result)).sum(dim=(1, 2)) / weights.sum(dim=(1, 2))


def auc_weight(original: Seen, result: Seen) -> Tensor:
    """Return the mean weight of an image's pixels in :func:`auc_rebalanced`: rare *original* colors. Above 0."""
    return original.rarity.mean(dim=(1, 2))


def colorfulness(original: Seen, result: Seen) -> Tensor:
    """Return how colorful the result looks (:func:`colorlab.color.colorfulness`).

    From 0 (gray); 15 slightly, 45 averagely, 109 extremely colorful. Neither direction is better, as false colors
    are colorful as well; do not rank by it.

    Source: Hasler and Süsstrunk, doi:10.1117/12.477378.
    """
    return result.colorfulness


def colorfulness_gain(original: Seen, result: Seen) -> Tensor:
    """Return the result's colorfulness minus the original's. Below 0: duller, above: more vivid; best is 0."""
    return result.colorfulness - original.colorfulness


def colorfulness_difference(original: Seen, result: Seen) -> Tensor:
    r"""Return the absolute difference between the result's and the original's colorfulness.

    From 0, lower is better. Papers after DDColor (arXiv:2212.11613) give the \|difference of the means\| instead,
    which is never larger, because too dull and too vivid images cancel; :func:`colorlab.evaluation.summary` gives it
    as ``colorfulness_difference_of_means``.
    """
    return colorfulness_gain(original, result).abs()


def _area(original: Seen, result: Seen) -> Tensor:
    """Return what each pixel adds to the area under the curve, ``(N, H, W)`` in 0…1.

    A pixel at distance d adds a step that is 1 from ⌈d⌉ on: 150.5 - ⌈d⌉ by trapezoids, and all 150 for ⌈d⌉ = 0.
    """
    distance = (result.lab - original.lab)[:, 1:].square().sum(dim=1).sqrt()
    return (CMF_END + 0.5 - distance.ceil()).clamp(0, CMF_END) / CMF_END


Direction = Literal["lower", "higher", "none"]


@dataclass(frozen=True)
class Score:
    """A score's name and how to read it.

    Attributes:
        name: of the column in tables.
        title: of the column in the leaderboard.
        unit: of the values, empty if they have none.
        direction: which values are better; ``none`` if neither are.
        best: the value of a result that equals its original, ``None`` if that depends on the original.
        source: where it is defined.
        measure: originals and results to ``(N,)``; its docstring is the definition.
        needs: other scores that a summary of this one needs.
        range: the lowest and the highest possible value.
    """

    name: str
    title: str
    unit: str
    direction: Direction
    best: float | None
    source: str
    measure: Callable[[Seen, Seen], Tensor]
    needs: tuple[str, ...] = ()
    range: tuple[float, float] = (-math.inf, math.inf)

    def of(self, original: Seen, result: Seen) -> Tensor:
        """Return the values of a batch, ``(N,)`` float64 on the CPU.

        Raises:
            ValueError: the function of the score returns another shape, or values outside its range.
        """
        values = self.measure(original, result)
        if values.shape != original.rgb.shape[:1]:
            raise ValueError(
                f"the score {self.name!r} must give a value per image, {tuple(original.rgb.shape[:1])}, got "
                f"{tuple(values.shape)}"
            )
        low, high = self.range
        outside = values[(values < low) | (values > high)]
        if len(outside):
            raise ValueError(
                f"the score {self.name!r} gave {float(outside[0])}, outside its range {low:g} to {high:g}"
            )
        return values.cpu().double()


_ZHANG = "Zhang, Isola and Efros 2016, arXiv:1603.08511"
_NAZERI = "Nazeri, Ng and Ebrahimi 2018, arXiv:1803.05400, code of May 2018"
_HASLER = "Hasler and Süsstrunk 2003, doi:10.1117/12.477378"
_DDCOLOR = "Kang et al. (DDColor) 2023, arXiv:2212.11613, by image"
_SEED = "akbokha/image-colorization, eval-mse"

_BUILT_IN = (
    Score("mse", "MSE of a, b", "Lab²", "lower", 0, f"{_SEED}, in Lab units", mse),
    Score("mse_seed", "MSE of a/255, b/255", "", "lower", 0, _SEED, mse_seed),
    Score("mae", "MAE of a, b", "Lab", "lower", 0, "mean absolute error", mae),
    Score("psnr", "PSNR", "dB", "higher", float("inf"), "8-bit RGB, by image", psnr),
    Score("ssim", "SSIM", "", "higher", 1, "Wang et al. 2004, doi:10.1109/TIP.2003.819861, 11×11, RGB", ssim),
    Score("ciede2000", "CIEDE2000", "ΔE₀₀", "lower", 0, "Sharma et al. 2005, doi:10.1002/col.20070", ciede2000),
    Score("epsilon_2", "ε-accuracy 2 %", "%", "higher", 100, _NAZERI, epsilon_2),
    Score("epsilon_5", "ε-accuracy 5 %", "%", "higher", 100, _NAZERI, epsilon_5),
    Score("auc", "AuC", "%", "higher", 100, _ZHANG, auc),
    Score("auc_rebalanced", "AuC, rebalanced", "%", "higher", 100, _ZHANG, auc_rebalanced, ("auc_weight",)),
    Score("auc_weight", "weight in rebalanced AuC", "", "none", None, _ZHANG, auc_weight),
    Score("colorfulness", "colorfulness", "", "none", None, _HASLER, colorfulness),
    Score("colorfulness_gain", "colorfulness gain", "", "none", 0, _HASLER, colorfulness_gain),
    Score(
        "colorfulness_difference",
        "|Δ colorfulness|",
        "",
        "lower",
        0,
        _DDCOLOR,
        colorfulness_difference,
        ("colorfulness_gain",),
    ),
)

SCORES: Registry[Score] = Registry("score")
"""The scores by name, without perceptual distance and accuracy, which need a network."""

for _score in _BUILT_IN:
    SCORES.add(_score.name, _score, _score.measure)


def scores_at(side: int) -> list[str]:
    """Return the names of the scores that work at an image size of ``side`` pixels."""
    return [name for name in SCORES if name != "ssim" or side >= SSIM_WINDOW]


Measure = TypeVar("Measure", bound=Callable[[Seen, Seen], Tensor])


def register_score(
    name: str,
    *,
    unit: str = "",
    range: tuple[float, float] = (-math.inf, math.inf),
    direction: Direction = "none",
    best: float | None = None,
    title: str | None = None,
    source: str = "",
) -> Callable[[Measure], Measure]:
    """Register a score under a name, for ``evaluate`` and the command line.

    Use it as a decorator of a function of ``original`` and ``result``, two batches of images, that returns a value
    per image, ``(N,)``. A batch has ``rgb``, ``(N, 3, H, W)`` uint8, and ``lab``, the same in Lab units.

    Args:
        name: of the score, and of its column in tables.
        unit: of the values.
        range: the lowest and the highest possible value; others raise a ValueError.
        direction: which values are better: ``lower``, ``higher`` or ``none``.
        best: the value of a result that equals its original, if there is one.
        title: of the column in the leaderboard; by default the name.
        source: where it is defined.

    Raises:
        ValueError: another module uses the name, or the direction is unknown.
    """
    if direction not in get_args(Direction):
        raise ValueError(f"direction of a score must be {', '.join(get_args(Direction))}, got {direction!r}")

    def register(measure: Measure) -> Measure:
        score = Score(name, title or name, unit, direction, best, source, measure, range=range)
        SCORES.add(name, score, measure)
        return measure

    return register
