"""The two longer formulas of scores: CIEDE2000 and the Gaussian window of SSIM."""

from __future__ import annotations

import math

import torch
from torch import Tensor

WINDOW = 11
"""Side in pixels of SSIM's window: a Gaussian of σ 1.5, cut off at 3.5 σ."""

_SIGMA = 1.5
_CIRCLE = 2 * math.pi
_TAPS = [math.exp(-((i - WINDOW // 2) ** 2) / (2 * _SIGMA**2)) for i in range(WINDOW)]
_WEIGHTS = [tap / math.fsum(_TAPS) for tap in _TAPS]


def local_mean(images: Tensor) -> Tensor:
    """Return the weighted mean in SSIM's window, at every position where the window lies inside the image.

    Args:
        images: ``(…, H, W)`` float, both at least :data:`WINDOW`.

    Returns:
        ``(…, H - 10, W - 10)``, the same positions as in scikit-image.
    """
    for axis in (-1, -2):
        length = images.shape[axis] - WINDOW + 1
        # The window is symmetric: one multiplication for two pixels. In-place operations stay in the cache.
        mean = images.narrow(axis, WINDOW // 2, length) * _WEIGHTS[WINDOW // 2]
        for i in range(WINDOW // 2):
            pair = images.narrow(axis, i, length) + images.narrow(axis, WINDOW - 1 - i, length)
            mean.add_(pair, alpha=_WEIGHTS[i])
        images = mean
    return images


def delta_e_2000(first: Tensor, second: Tensor) -> Tensor:
    """Return the color difference CIEDE2000 of every pixel, with kL = kC = kH = 1.

    Args:
        first: ``(…, 3, H, W)`` Lab.
        second: the same shape.

    Returns:
        ``(…, H, W)`` in ΔE₀₀ units, of the inputs' precision.

    Source: Sharma, Wu and Dalal, *The CIEDE2000 color-difference formula*, doi:10.1002/col.20070, equations 2-22.
    """
    (l1, a1, b1), (l2, a2, b2) = first.unbind(-3), second.unbind(-3)
    # Eq. 2-4: a' is a, stretched for dull colors.
    stretch = 1.5 - 0.5 * _saturation((torch.hypot(a1, b1) + torch.hypot(a2, b2)) / 2)
    a1, a2 = a1 * stretch, a2 * stretch
    # Eq. 5-7: chroma C' and hue h', here in radians.
    c1, c2 = torch.hypot(a1, b1), torch.hypot(a2, b2)
    h1, h2 = (_turned(torch.atan2(b, a)) for a, b in ((a1, b1), (a2, b2)))
    # Eq. 10: the hue difference, the short way around; half a turn, which rounds to 0, stays as it is.
    turn = h2 - h1
    turn.sub_((turn / _CIRCLE).round_(), alpha=_CIRCLE).div_(2)
    # Eq. 14: the mean hue is half way. (Grays have no hue, but nothing below depends on it, as ΔH' is 0.)
    hue = h1 + turn
    delta_hue = (c1 * c2).sqrt_().mul_(turn.sin_()).mul_(2)  # eq. 11
    lightness, chroma = (l1 + l2) / 2 - 50, (c1 + c2) / 2
    # Eq. 15: 1 - 0.17 cos(h - 30°) + 0.24 cos(2h) + 0.32 cos(3h + 6°) - 0.20 cos(4h - 63°)
    weight = (
        1
        - 0.17 * (hue - math.radians(30)).cos_()
        + 0.24 * (2 * hue).cos_()
        + 0.32 * (3 * hue + math.radians(6)).cos_()
        - 0.20 * (4 * hue - math.radians(63)).cos_()
    )
    degrees = torch.rad2deg(hue).remainder_(360)
    rotation = torch.deg2rad(60 * torch.exp(-((degrees - 275) / 25).square_()))  # eq. 16, 2 Δθ
    squared = lightness.square()
    term_l = (l2 - l1) / (1 + 0.015 * squared / (20 + squared).sqrt_())  # eq. 8, 18
    term_c = (c2 - c1) / (1 + 0.045 * chroma)  # eq. 9, 19
    term_h = delta_hue / (1 + 0.015 * chroma * weight)  # eq. 20
    crossed = -2 * _saturation(chroma) * rotation.sin_() * term_c * term_h  # eq. 17, 21
    return (term_l.square() + term_c.square() + term_h.square() + crossed).clamp_(min=0).sqrt_()  # eq. 22


def _turned(angle: Tensor) -> Tensor:
    """Convert angles from -π…π to 0…2π."""
    return torch.where(angle < 0, angle + _CIRCLE, angle)


def _saturation(chroma: Tensor) -> Tensor:
    """Return √(C⁷/(C⁷ + 25⁷)), from 0 for grays to 1 for vivid colors."""
    power = (chroma / 25).pow_(7)
    return (power / (power + 1)).sqrt_()
