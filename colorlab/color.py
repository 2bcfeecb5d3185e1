"""Convert between sRGB and CIE L\\*a\\*b\\*, and to the value ranges of the networks.

No other module contains these constants. Images are tensors whose last three axes are
channel, height, width; any axes may come before them, on any device.

* **RGB** is sRGB (IEC 61966-2-1): uint8 in 0…255, or float in 0…1.
* **Lab** is CIE 1976 L\\*a\\*b\\* for the white point D65: L in 0…100; inside the sRGB gamut a lies in
  -86.2…98.3 and b in -107.9…94.5.
* **Network units** are ``lightness = L/50 - 1`` in [-1, 1] and ``ab/110``, which keeps every sRGB
  color inside (-1, 1) and puts gray at 0.

Grays map to a = b = 0 *exactly*, and back to r = g = b exactly: the white point is the row sums of the
sRGB matrix itself, and every matrix product is written as a gray part plus differences that vanish on
the neutral axis. (Implementations with a separately rounded white point give white a = -0.0025,
b = 0.0047.)

Notebook ``01_lab_color_space`` derives this step by step.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

LIGHTNESS_CENTER = 50.0
"""L of network input 0; L = 50·(lightness + 1)."""

AB_SCALE = 110.0
"""a or b of network output 1. The gamut reaches 107.9, so a tanh can output every sRGB color."""

# Linear sRGB to XYZ under D65, from the primaries in IEC 61966-2-1, as scikit-image rounds it.
_RGB_TO_XYZ = torch.tensor(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]],
    dtype=torch.float64,
)
# Relative to white (row sums), each row adds up to 1, and so does each row of the inverse.
_TO_WHITE_RELATIVE = _RGB_TO_XYZ / _RGB_TO_XYZ.sum(dim=1, keepdim=True)
_FROM_WHITE_RELATIVE = torch.linalg.inv(_TO_WHITE_RELATIVE)
_FORWARD: list[list[float]] = _TO_WHITE_RELATIVE.tolist()
_BACKWARD: list[list[float]] = _FROM_WHITE_RELATIVE.tolist()

# Where the line and the power of the sRGB curve meet exactly; the standard rounds this to 0.04045.
_KNEE = 0.0404482362771082
_LINEAR_KNEE = _KNEE / 12.92
_DELTA = 6 / 29  # where CIE 1976 changes from a line to the cube root
_SLOPE = 1 / (3 * _DELTA**2)

# Pixels converted at once on one thread, so that intermediate results stay in the processor's cache.
_PIECE = 2**15

# How far outside [0, 1] linear light may lie and still count as inside the gamut: float32 rounding
# in the conversion to Lab and back, 1/25 of an 8-bit step at the dark end.
_GAMUT_TOLERANCE = 1e-5


def _piece_by_piece(convert: Callable[..., Tensor], images: Tensor) -> Tensor:
    """Convert some images at a time, which doubles the speed on one CPU thread; the result is the same to the bit.

    The batch is converted at once if gradients are needed, in compiled code (which fuses the steps anyway) and with
    several threads (which would wait for each other after every step of every piece).
    """
    needs_gradient = images.requires_grad and torch.is_grad_enabled()
    in_pieces = images.dim() > 3 and images.device.type == "cpu" and not needs_gradient
    if not in_pieces or torch.compiler.is_compiling() or torch.get_num_threads() > 1:
        return convert(images)
    result = torch.empty(images.shape, dtype=torch.promote_types(images.dtype, torch.float32))
    together = max(1, _PIECE // max(1, images.shape[-2:].numel()))
    pieces, places = (torch.split(batch.flatten(0, -4), together) for batch in (images, result))
    for piece, place in zip(pieces, places, strict=True):
        convert(piece, out=place)
    return result


def rgb_to_lab(rgb: Tensor) -> Tensor:
    r"""Convert sRGB to CIE L\*a\*b\* (D65).

    Args:
        rgb: ``(…, 3, H, W)``, uint8 in 0…255 or float in 0…1. Float values a little outside 0…1 are
            converted as they are, not clipped.

    Returns:
        ``(…, 3, H, W)``: L in 0…100, a, b; float64 for float64 input, else float32. Differentiable
        everywhere, with finite gradients at black.

    Raises:
        TypeError: ``rgb`` is neither uint8 nor floating point.
        ValueError: ``rgb`` has no channel axis of 3, or is a float image in 0…255.

    Convention: r = g = b gives a = b = 0 exactly; white gives L = 100 exactly.

    Reference: IEC 61966-2-1:1999 (sRGB); CIE 15:2018, section 8.2.1 (L\*a\*b\*).
    """
    _check_image(rgb, "rgb")
    return _piece_by_piece(_rgb_to_lab, rgb)


def _rgb_to_lab(rgb: Tensor, out: Tensor | None = None) -> Tensor:
    r, g, b = _linear_light(rgb).unbind(-3)
    # A gray has r - g = b - g = 0, so that X, Y and Z come out identical to the last bit. (`add` with `alpha`
    # passes through memory only once, unlike × and +.)
    red, blue = r - g, b - g
    x, y, z = (_lab_curve(g.add(red, alpha=row[0]).add_(blue, alpha=row[2])) for row in _FORWARD)
    return torch.stack([(y * 116).sub_(16), x.sub_(y).mul_(500), (y - z).mul_(200)], dim=-3, out=out)


def lab_to_rgb(lab: Tensor) -> Tensor:
    r"""Convert CIE L\*a\*b\* (D65) to sRGB, clipped to 0…1.

    Clipping changes hue and lightness; call :func:`fit_to_gamut` first to keep both.

    Args:
        lab: ``(…, 3, H, W)`` float: L in 0…100, a, b. Colors outside the gamut, real or not, are allowed.

    Returns:
        ``(…, 3, H, W)`` in 0…1; float64 for float64 input, else float32. Differentiable, with finite
        gradients; the gradient is 0 where a channel was clipped.

    Raises:
        TypeError: ``lab`` is not floating point.
        ValueError: ``lab`` has no channel axis of 3.

    Convention: a = b = 0 gives r = g = b exactly. A negative Z (no real light has one) counts as 0, as
    in scikit-image.

    Reference: as :func:`rgb_to_lab`.
    """
    _check_image(lab, "lab")
    return _piece_by_piece(_lab_to_rgb, lab)


def _lab_to_rgb(lab: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.stack([_srgb_curve(channel).clamp(0, 1) for channel in _lab_to_linear(lab)], dim=-3, out=out)


def to_uint8(rgb: Tensor) -> Tensor:
    """Round float RGB in 0…1 to the nearest of 256 levels; same shape, uint8."""
    return (rgb * 255).round().clamp(0, 255).to(torch.uint8)


def gray_level(lightness: Tensor) -> Tensor:
    r"""Return the sRGB value, 0…1, of the gray of lightness L\* (0…100); any shape, same shape."""
    return _srgb_curve(_inverse_lab_curve((lightness + 16) / 116))


def split(lab: Tensor) -> tuple[Tensor, Tensor]:
    r"""Lab, taken apart into what a network is given and what it shall answer.

    Args:
        lab: ``(…, 3, H, W)`` float.

    Returns:
        ``lightness``, ``(…, 1, H, W)`` in [-1, 1], and ``ab``, ``(…, 2, H, W)`` in (-1, 1) for every
        color of sRGB, gray being 0.
    """
    _check_image(lab, "lab")
    return lab[..., :1, :, :] / LIGHTNESS_CENTER - 1, lab[..., 1:, :, :] / AB_SCALE


def join(lightness: Tensor, ab: Tensor) -> Tensor:
    """The inverse of :func:`split`: network units to Lab, ``(…, 3, H, W)``. The gamut is not looked at."""
    return torch.cat([(lightness + 1) * LIGHTNESS_CENTER, ab * AB_SCALE], dim=-3)


def in_gamut(lab: Tensor) -> Tensor:
    """Return which colors lie inside the sRGB gamut: ``(…, H, W)`` bool for ``(…, 3, H, W)`` Lab."""
    linear = torch.stack(_lab_to_linear(lab), dim=-3)
    low, high = linear.amin(dim=-3), linear.amax(dim=-3)
    return (low >= -_GAMUT_TOLERANCE) & (high <= 1 + _GAMUT_TOLERANCE)


def fit_to_gamut(lab: Tensor) -> Tensor:
    """Move colors outside sRGB into the gamut by lowering their chroma at constant L and hue.

    a and b are scaled by the largest common factor that fits, found by bisection; colors inside the gamut
    are returned unchanged, to the bit. Unlike clipped RGB, the result keeps the lightness of the photograph.

    Args:
        lab: ``(…, 3, H, W)`` float, L in 0…100.

    Returns:
        Lab of the same shape, inside the gamut. The factor counts as a constant in gradients.
    """
    outside = ~in_gamut(lab)
    if not bool(outside.any()):
        return lab
    with torch.no_grad():
        # Only the colors outside, as an image of one row: (3, 1, n).
        colors = lab.movedim(-3, -1)[outside].T.unsqueeze(1)
        fits = torch.zeros_like(colors[0])
        too_much = torch.ones_like(fits)
        for _ in range(18):  # to 1/2^18 of the chroma, far below what 8 bits can tell apart
            middle = (fits + too_much) / 2
            inside = in_gamut(torch.stack([colors[0], middle * colors[1], middle * colors[2]]))
            fits = torch.where(inside, middle, fits)
            too_much = torch.where(inside, too_much, middle)
        factor = lab.new_ones(outside.shape)
        factor[outside] = fits[0]
    factor = factor.unsqueeze(-3)
    return torch.cat([lab[..., :1, :, :], lab[..., 1:, :, :] * factor], dim=-3)


def luma(rgb: Tensor) -> Tensor:
    """Return Rec. 709 luma of gamma-coded RGB, ``(…, 1, H, W)`` in 0…1: what most code calls "grayscale".

    It is *not* lightness: 100·luma differs from L\\* by up to 32. For comparison only.
    """
    _check_image(rgb, "rgb")
    values = rgb.to(torch.float32) / 255 if rgb.dtype == torch.uint8 else rgb
    weights = values.new_tensor([0.2125, 0.7154, 0.0721]).view(3, 1, 1)
    return (values * weights).sum(dim=-3, keepdim=True)


def colorfulness(rgb: Tensor) -> Tensor:
    r"""Return Hasler and Süsstrunk's colorfulness of images: σ + 0.3 μ of the opponent channels.

    With rg = R - G and yb = (R + G)/2 - B on 0…255 (signed, unlike some published code that takes their absolute
    values): σ = √(sd(rg)² + sd(yb)²), μ = √(mean(rg)² + mean(yb)²).

    Args:
        rgb: ``(…, 3, H, W)``, uint8 or float in 0…1.

    Returns:
        ``(…)``: 0 for gray, about 15 slightly, 45 averagely, 109 extremely colorful.

    Reference: Hasler and Süsstrunk, *Measuring colorfulness in natural images*, doi:10.1117/12.477378.
    """
    _check_image(rgb, "rgb")
    r, g, b = (rgb.float() if rgb.dtype == torch.uint8 else rgb * 255).unbind(-3)
    opponents = torch.stack([r - g, (r + g) / 2 - b], dim=-3).flatten(-2)
    spread = opponents.var(dim=-1, correction=0).sum(dim=-1).sqrt()
    return spread + 0.3 * opponents.mean(dim=-1).square().sum(dim=-1).sqrt()


def _check_image(image: Tensor, name: str) -> None:
    if image.dim() < 3 or image.shape[-3] != 3:
        raise ValueError(
            f"{name} must have shape (…, 3, height, width), got {tuple(image.shape)}; "
            "if channels are last, move them with .movedim(-1, -3)"
        )


# Each of these curves is a line up to a knee and a power beyond it. Each part is computed on values clamped to its
# side of the knee, and the two are added: beyond the knee the line adds 0. This is faster than `torch.where`, and
# keeps black away from the power, whose gradient is infinite there.


def _linear_light(rgb: Tensor) -> Tensor:
    """Convert sRGB to linear light: uint8 by a table of 256 values, float by formula."""
    if rgb.dtype == torch.uint8:
        table = _LINEAR_LIGHT_OF_LEVELS.to(rgb.device, non_blocking=True)
        return table.index_select(0, rgb.int().flatten()).view(rgb.shape)
    if not rgb.is_floating_point():
        raise TypeError(f"rgb must be uint8 (0…255) or floating point (0…1), got {rgb.dtype}")
    rgb = rgb if rgb.dtype == torch.float64 else rgb.float()
    if rgb.device.type == "cpu" and not torch.compiler.is_compiling() and rgb.numel() and rgb.max() > 2:
        raise ValueError(f"float rgb must lie in 0…1, but reaches {rgb.max():.0f}; divide by 255, or pass uint8")
    return _power((rgb.clamp(min=_KNEE) + 0.055) / 1.055, 2.4) + (rgb.clamp(max=_KNEE) - _KNEE) / 12.92


def _srgb_curve(linear: Tensor) -> Tensor:
    """Convert linear light to sRGB, unclipped."""
    curved = 1.055 * _power(linear.clamp(min=_LINEAR_KNEE), 1 / 2.4) - 0.055
    return curved.add(linear.clamp(max=_LINEAR_KNEE) - _LINEAR_KNEE, alpha=12.92)


def _lab_curve(relative: Tensor) -> Tensor:
    """Apply the nonlinearity of Lab to X, Y or Z relative to white."""
    curved = _power(relative.clamp(min=_DELTA**3), 1 / 3)
    return curved.add(relative.clamp(max=_DELTA**3).sub_(_DELTA**3), alpha=_SLOPE)


def _inverse_lab_curve(curved: Tensor) -> Tensor:
    cubed = curved.clamp(min=_DELTA) ** 3
    return cubed.add(curved.clamp(max=_DELTA) - _DELTA, alpha=1 / _SLOPE)


def _power(base: Tensor, exponent: float) -> Tensor:
    """Return ``base ** exponent`` of positive bases by the logarithm, several times faster on a CPU.

    Without gradients, ``base`` is overwritten. torch's own power also rounds a tensor's last few elements
    differently: grays would not stay gray, and an image would depend on its batch.
    """
    logarithm = base.log() if base.requires_grad else base.log_()
    return logarithm.mul_(exponent).exp_()


def _lab_to_linear(lab: Tensor) -> list[Tensor]:
    """Convert Lab to linear red, green and blue, unclipped; values outside 0…1 are outside the gamut."""
    _check_image(lab, "lab")
    if not lab.is_floating_point():
        raise TypeError(f"lab must be floating point, got {lab.dtype}")
    lab = lab if lab.dtype == torch.float64 else lab.float()
    lightness, a, b = lab.unbind(-3)
    fy = (lightness + 16) / 116
    x, y, z = (_inverse_lab_curve(curved) for curved in (fy + a / 500, fy, (fy - b / 200).clamp(min=0)))
    # As in the other direction: gray plus differences, so that grays stay gray to the last bit.
    towards_x, towards_z = x - y, z - y
    return [y.add(towards_x, alpha=row[0]).add(towards_z, alpha=row[2]) for row in _BACKWARD]


_LINEAR_LIGHT_OF_LEVELS = _linear_light(torch.arange(256, dtype=torch.float64) / 255).float()
