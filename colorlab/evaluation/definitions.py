r"""What each score is: its formula, range, direction, unit and source, and the code that computes it.

Every score compares what a viewer would see, 8-bit sRGB images, original and result, and is one value per image.
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
"""By how much the seed divided a and b."""

CMF_END = 150
"""Up to which distance in (a, b) the cumulative error curve is integrated, Lab units."""

SSIM_WINDOW = formulas.WINDOW
"""Side in pixels of the smallest image that SSIM takes."""

_SSIM_CONSTANTS = (0.01 * 255) ** 2, (0.03 * 255) ** 2


class Seen:
    """A batch of images, and what several scores need of them, each computed once, when first asked for.

    Args:
        rgb: ``(N, 3, H, W)`` uint8.
        lab: their Lab, where it is known already.
    """

    def __init__(self, rgb: Tensor, lab: Tensor | None = None) -> None:
        if rgb.dtype != torch.uint8 or rgb.dim() != 4 or rgb.shape[1] != 3:
            raise ValueError(
                f"images are scored as uint8 RGB (N, 3, H, W), got {rgb.dtype} {tuple(rgb.shape)}; "
                "colorlab.color.to_uint8 makes it from floats in 0…1"
            )
        self.rgb = rgb
        if lab is not None:
            self.lab = lab

    def split(self, size: int) -> list[Seen]:
        """Return the images ``size`` at a time, each part with its Lab if that is known already."""
        labs = torch.split(self.lab, size) if "lab" in vars(self) else [None] * -(-len(self.rgb) // size)
        return [Seen(rgb, lab) for rgb, lab in zip(torch.split(self.rgb, size), labs, strict=True)]

    @cached_property
    def lab(self) -> Tensor:
        """``(N, 3, H, W)`` float32."""
        return color.rgb_to_lab(self.rgb)

    @cached_property
    def colorfulness(self) -> Tensor:
        """``(N,)``, :func:`colorlab.color.colorfulness`."""
        return color.colorfulness(self.rgb)

    @cached_property
    def values(self) -> Tensor:
        """:attr:`rgb` minus :attr:`middle`, as float32: so small that local sums of squares are hardly rounded."""
        return self.rgb - self.middle

    @cached_property
    def middle(self) -> Tensor:
        """``(N, 3, 1, 1)``, the mean of each channel as a whole number, so that squares are exact."""
        return self.rgb.float().mean(dim=(2, 3), keepdim=True).round_()

    @cached_property
    def local_mean(self) -> Tensor:
        """Of :attr:`values`, :func:`colorlab.evaluation.formulas.local_mean`."""
        return formulas.local_mean(self.values)

    @cached_property
    def local_variance(self) -> Tensor:
        """The same of the squares, minus the square of the mean."""
        return formulas.local_mean(self.values.square()).sub_(self.local_mean.square())

    @cached_property
    def rarity(self) -> Tensor:
        """``(N, H, W)``, :func:`colorlab.evaluation.rebalancing.weights`."""
        return rebalancing.weights(self.lab)


def mse(original: Seen, result: Seen) -> Tensor:
    """Mean squared error of a and b: mean over pixels of (Δa² + Δb²)/2.

    From 0, lower is better; squared Lab units. The seed's score (``eval-mse``) in the unit of Lab; in the seed's own,
    a and b divided by 255, it is :func:`mse_seed`.
    """
    return (result.lab - original.lab)[:, 1:].square().mean(dim=(1, 2, 3))


def mse_seed(original: Seen, result: Seen) -> Tensor:
    """:func:`mse` as the seed counts it: mean over pixels of ((Δa/255)² + (Δb/255)²)/2.

    From 0, lower is better; no unit. Source: github.com/akbokha/image-colorization, ``eval-mse``.
    """
    return mse(original, result) / SEED_RANGE**2


def mae(original: Seen, result: Seen) -> Tensor:
    r"""Mean absolute error of a and b: mean over pixels of (\|Δa\| + \|Δb\|)/2.

    From 0, lower is better; Lab units.
    """
    return (result.lab - original.lab)[:, 1:].abs().mean(dim=(1, 2, 3))


def psnr(original: Seen, result: Seen) -> Tensor:
    """Peak signal-to-noise ratio of 8-bit RGB: 10 log₁₀(255² / mean squared error over pixels and channels).

    Higher is better, infinite for equal images; decibels. By image, so its mean is a mean of decibels; of the
    error pooled over all images they are fewer (3.6 dB less for gray on CIFAR-10). Ranks dull colors first.

    Source: as in scikit-image's ``peak_signal_noise_ratio``.
    """
    squared = (result.rgb.float() - original.rgb.float()).square().mean(dim=(1, 2, 3))
    return 10 * (255**2 / squared).log10()


def ssim(original: Seen, result: Seen) -> Tensor:
    """Structural similarity: mean of R, G and B, each with a Gaussian window of σ 1.5 (11 × 11), K = 0.01, 0.03.

    In -1…1, higher is better, 1 for equal images; no unit. Gray with the true lightness has 0.95 on CIFAR-10: where
    L is kept, it says little about color.

    Raises:
        ValueError: images smaller than the window.

    Source: Wang et al., *Image quality assessment*, doi:10.1109/TIP.2003.819861, equation 13; the values are those of
    scikit-image with ``gaussian_weights=True, use_sample_covariance=False``, up to the rounding of float32.
    """
    if min(original.rgb.shape[-2:]) < SSIM_WINDOW:
        raise ValueError(
            f"SSIM needs images of at least {SSIM_WINDOW}×{SSIM_WINDOW} pixels, these have "
            f"{'×'.join(map(str, original.rgb.shape[-2:]))}; leave the score `ssim` out"
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
    """Mean over pixels of the color difference CIEDE2000, kL = kC = kH = 1.

    From 0, lower is better; ΔE₀₀ units, 1 about the least difference that is seen. Made for differences below 5:
    larger ones are in the right order, not to scale.

    Source: Sharma, Wu and Dalal, *The CIEDE2000 color-difference formula*, doi:10.1002/col.20070.
    """
    return formulas.delta_e_2000(original.lab, result.lab).double().mean(dim=(1, 2))


def epsilon_accuracy(original: Seen, result: Seen, percent: float) -> Tensor:
    r"""ε-accuracy: percentage of pixels whose L, a and b are all within ``percent`` of their range.

    L, a and b are rounded to integers; a pixel counts if \|ΔL\| ≤ 1.0·percent, \|Δa\| ≤ 2.2·percent and
    \|Δb\| ≤ 2.2·percent (ranges 100, 220, 220). In 0…100, higher is better; percent.

    Source: Nazeri, Ng and Ebrahimi, *Image colorization using GANs*, arXiv:1803.05400, in the form of their published
    code since May 2018 (before, that counted equal RGB).
    """
    error = (result.lab.round() - original.lab.round()).abs()
    # 2.2·5 as floating point is 11.000000000000002, which does no harm; 2.2·2 = 4.4 is far from any integer.
    allowed = error.new_tensor([1.0, 2.2, 2.2]).view(3, 1, 1) * percent
    return 100 * (error <= allowed).all(dim=1).float().mean(dim=(1, 2))


def epsilon_2(original: Seen, result: Seen) -> Tensor:
    """:func:`epsilon_accuracy` at 2 %. In 0…100, higher is better; percent."""
    return epsilon_accuracy(original, result, 2)


def epsilon_5(original: Seen, result: Seen) -> Tensor:
    """:func:`epsilon_accuracy` at 5 %. In 0…100, higher is better; percent."""
    return epsilon_accuracy(original, result, 5)


def auc(original: Seen, result: Seen) -> Tensor:
    """Area under the cumulative error curve, as a percentage of the whole.

    F(t) is the share of pixels whose distance √(Δa² + Δb²) is at most t; the area is integrated over t = 0, 1, …, 150
    by trapezoids and divided by 150. In 0…100, higher is better; percent. For images of one size the mean over
    images is exactly the published value, which pools all pixels.

    Source: Zhang, Isola and Efros, *Colorful image colorization*, arXiv:1603.08511, section 3.1 (gray on ImageNet:
    89.1).
    """
    return 100 * _area(original, result).mean(dim=(1, 2))


def auc_rebalanced(original: Seen, result: Seen) -> Tensor:
    """:func:`auc` with pixels weighted by how rare their true color is, so that skies and walls do not decide.

    The weight is 1/p̃, p̃ being how often the original's color occurs in photographs, on a grid of 10 units in (a, b),
    smoothed (:mod:`colorlab.evaluation.rebalancing`). In 0…100, higher is better; percent.

    The published value pools the weights of all images. It is the mean over images *weighted by*
    :func:`auc_weight`, not the plain mean; :func:`colorlab.evaluation.summary` gives the former.

    Source: as :func:`auc`; their prior is of ImageNet's training images, so values are close to theirs, not equal
    (gray: 58.0 there).
    """
    weights = original.rarity
    return 100 * (weights * _area(original, result)).sum(dim=(1, 2)) / weights.sum(dim=(1, 2))


def auc_weight(original: Seen, result: Seen) -> Tensor:
    """Mean weight of an image's pixels in :func:`auc_rebalanced`: how rare the *original's* colors are. Above 0."""
    return original.rarity.mean(dim=(1, 2))


def colorfulness(original: Seen, result: Seen) -> Tensor:
    """How colorful the result looks (:func:`colorlab.color.colorfulness`), whatever the original.

    From 0 (gray); 15 slightly, 45 averagely, 109 extremely colorful. Neither direction is better: false colors are
    colorful as well. Never to rank by.

    Source: Hasler and Süsstrunk, doi:10.1117/12.477378.
    """
    return result.colorfulness


def colorfulness_gain(original: Seen, result: Seen) -> Tensor:
    """Colorfulness of the result minus that of the original. Below 0: duller, above: more vivid; best is 0."""
    return result.colorfulness - original.colorfulness


def colorfulness_difference(original: Seen, result: Seen) -> Tensor:
    r"""By how much the result's colorfulness misses the original's: \|difference\|, image by image.

    From 0, lower is better. Papers after DDColor (arXiv:2212.11613) give the \|difference of the means\| instead, in
    which too dull and too vivid images cancel, so that it is never larger; :func:`colorlab.evaluation.summary` has
    it as ``colorfulness_difference_of_means``.
    """
    return colorfulness_gain(original, result).abs()


def _area(original: Seen, result: Seen) -> Tensor:
    """What each pixel adds to the area under the curve, ``(N, H, W)`` in 0…1.

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
        title: of the column in what people read.
        unit: of the values, empty if they have none.
        direction: which values are better; ``none`` where neither are.
        best: the value of a result that equals its original, ``None`` where that depends on the original.
        source: where it is defined.
        measure: originals and results to ``(N,)``; its docstring is the definition.
        needs: scores that a summary of this one needs beside it.
        range: the lowest and the highest value that there can be.
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
        """Values of a batch, ``(N,)`` float64 on the CPU.

        Raises:
            ValueError: the function of the score gives something else, or values out of its range.
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
"""The scores that are formulas, by name. Perceptual distance and accuracy need a network and are not among them."""

for _score in _BUILT_IN:
    SCORES.add(_score.name, _score, _score.measure)


def scores_at(side: int) -> list[str]:
    """Return the names of the scores that images of this many pixels a side can have."""
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

    To be written above a function of ``original`` and ``result``, a batch of images each, that gives a value per
    image, ``(N,)``. A batch has ``rgb``, ``(N, 3, H, W)`` uint8, and ``lab``, the same in Lab units.

    Args:
        name: of the score, and of its column in tables.
        unit: of the values.
        range: the lowest and the highest value that there can be; others are refused.
        direction: which values are better: ``lower``, ``higher`` or ``none``.
        best: the value of a result that equals its original, if there is one.
        title: of the column in what people read; by default the name.
        source: where it is defined.

    Raises:
        ValueError: another module has taken the name, or an unknown direction.
    """
    if direction not in get_args(Direction):
        raise ValueError(f"direction of a score must be {', '.join(get_args(Direction))}, got {direction!r}")

    def register(measure: Measure) -> Measure:
        score = Score(name, title or name, unit, direction, best, source, measure, range=range)
        SCORES.add(name, score, measure)
        return measure

    return register
