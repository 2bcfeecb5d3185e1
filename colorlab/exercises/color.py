"""Check exercises on color and on whole photographs: notebooks 1, 2 and 12."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from skimage.color import rgb2xyz, xyz2rgb
from torch import Tensor
from torch.nn import functional as F

from colorlab import color
from colorlab.data import create_dataset
from colorlab.data.samples import photograph
from colorlab.evaluation import gray
from colorlab.exercises.checking import WrongAnswer, compare, exercise, function, number, require, tensor
from colorlab.hints import Hint, Propagation
from colorlab.inference import predict_ab

ENOUGH = 0.6
"""The share of the error that three good hints may leave (11.2); three random hints leave 0.8."""


@exercise("01.1")
def middle_gray(answer: object) -> str:
    """Find which of the 256 grays has the lightness nearest to 50."""
    level = number(answer, "the level")
    require(level == int(level) and 0 <= level <= 255, f"a level is a whole number from 0 to 255, not {level:g}.")
    lightness = color.rgb_to_lab(torch.arange(256, dtype=torch.uint8).expand(3, 1, 256))[0, 0]
    light = ((lightness + 16) / 116) ** 3
    right = int((lightness - 50).abs().argmin())
    mistakes = {
        "50 is the lightness that is asked for; which level has it?": 50.0,
        "it is the middle of the stored values, and these are not lightness": 127.5,
        "it sends half of white's light, but to the eye that is much more than half as bright": float(
            (light - 0.5).abs().argmin()
        ),
    }
    says = f"level {level:g} has L = {lightness[int(level)]:.1f}"
    compare(level, float(right), says, mistakes, "look for the one that comes nearest to 50", atol=0.5, rtol=0)
    return f"level {right} has L = {lightness[right]:.2f}; it sends only {light[right]:.0%} of white's light."


@exercise("01.2")
def halved(answer: object) -> str:
    """Write a function that halves an image by averaging the light of 2 × 2 pixels."""
    halve = function(answer, "(3, H, W) uint8 to (3, H/2, W/2) uint8")
    generator = torch.Generator().manual_seed(0)
    stripes = torch.tensor([60, 200], dtype=torch.uint8).repeat(3, 8, 4)
    noise = torch.randint(0, 256, (3, 8, 8), dtype=torch.uint8, generator=generator)
    for rgb, name in ((stripes, "stripes of levels 60 and 200"), (noise, "random pixels")):
        size = rgb.shape[1] // 2, rgb.shape[2] // 2
        given = halve(rgb.clone())
        found = tensor(given, (3, *size), "what your function gives")
        right = 255 * _light_averaged(rgb)
        linear = 255 * torch.from_numpy(xyz2rgb(_xyz_averaged(rgb), channel_axis=0)).clamp(0, 1)
        light = torch.where(linear > 255 * 0.04045, ((linear / 255 + 0.055) / 1.055) ** 2.4, linear / 255 / 12.92)
        stored = F.avg_pool2d(rgb.double(), 2)
        says = f"{name} become {found[0, 0, 0]:.4g} in the corner, where {right[0, 0, 0]:.0f} sends as much light"
        mistakes = {
            "you averaged the stored values; turn them into light first": stored,
            "your result is still light; put the sRGB curve back on at the end": 255 * light,
            "levels are 0…255, and yours are 0…1; `color.to_uint8` rounds them": right / 255,
        }
        compare(found, right, says, mistakes, "what adds up is light, so average that", rtol=0, atol=1.01)
        kind = getattr(given, "dtype", type(given).__name__)
        require(kind == torch.uint8, f"the values are right, but their type is {kind} in place of torch.uint8.")
    return "what is averaged is light, so the small image looks like the large one from afar."


def _xyz_averaged(rgb: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return scikit-image's XYZ, which is linear in light, averaged over 2 × 2 pixels."""
    xyz = torch.from_numpy(rgb2xyz(rgb.double().numpy() / 255, channel_axis=0))
    averaged: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = F.avg_pool2d(xyz, 2).numpy()
    return averaged


def _light_averaged(rgb: Tensor) -> Tensor:
    return torch.from_numpy(xyz2rgb(_xyz_averaged(rgb), channel_axis=0)).clamp(0, 1)


@exercise("02.1")
def odd_class(answer: object) -> str:
    """Find the class whose test and training images differ most in mean color."""
    trainset, testset = create_dataset("placeholder", "train"), create_dataset("placeholder", "test")
    classes = trainset.classes
    require(
        isinstance(answer, str) and answer in classes,
        f"the answer must be the name of a class: {', '.join(map(repr, classes))}.",
    )
    train, test = (
        torch.stack([color.rgb_to_lab(part.rgb[part.labels == i])[:, 1:].mean(dim=(0, 2, 3)) for i in range(8)])
        for part in (trainset, testset)
    )
    apart = dict(zip(classes, (train - test).norm(dim=1).tolist(), strict=True))
    most = max(apart, key=lambda name: apart[name])
    require(
        answer == most,
        f"the mean a and b of {answer} differ by {apart[str(answer)]:.1f} Lab units between training and test, and "
        "there is a class with more. Compare distances in (a, b), not in RGB.",
    )
    return f"the mean colors of {most} lie {apart[most]:.1f} Lab units apart: a split by place can change the task."


@exercise("02.2")
def chroma_left(answer: object) -> str:
    """Compute the share of chroma that remains if hues are rotated by normally distributed angles."""
    left = function(answer, "the angles' standard deviation in radians to a share of 1")
    for sigma in (0.5, 1.0, 2.0):
        found = number(left(sigma), f"what your function gives for {sigma:g}")
        angles = torch.linspace(-12 * sigma, 12 * sigma, 20_001, dtype=torch.float64)
        density = (-((angles / sigma) ** 2) / 2).exp()
        right = float((density * angles.cos()).sum() / density.sum())
        says = f"for σ = {sigma:g} you say {found:.3f}, but the mean of cos θ is {right:.3f}"
        mistakes = {
            "yours is sin σ/σ, the share for angles drawn evenly up to σ": math.sin(sigma) / sigma,
            "yours is cos σ, the share for angles that are all ±σ": math.cos(sigma),
            "the exponent lacks its half; the density has σ² twice under it": math.exp(-(sigma**2)),
            "you took σ for degrees": math.exp(-((sigma * math.pi / 180) ** 2) / 2),
        }
        compare(found, right, says, mistakes, "integrate cos θ over the normal density", atol=1e-3)
    return "the mean of cos θ is exp(-σ²/2): a normal distribution always leaves something, though soon very little."


@exercise("12.1")
def working_shape(answer: object) -> str:
    """Compute the height and width at which color is predicted, for an image of any shape."""
    shape = function(answer, "(height, width, size) to (height, width)")
    for height, width, size in ((400, 300, 64), (512, 512, 128), (90, 900, 64), (40, 30, 64)):
        right = tuple(predict_ab(torch.zeros(height, width), gray(), size=size).shape[1:])
        found = tensor(shape(height, width, size), (2,), "what your function gives")
        says = f"{height} × {width} at size {size} becomes {right[0]} × {right[1]}, not {found[0]:g} × {found[1]:g}"
        mistakes = {
            "the longer side is not `size`; the number of *pixels* is its square": _scaled(
                height, width, size / max(height, width)
            ),
            "the shorter side is not `size`; the number of *pixels* is its square": _scaled(
                height, width, size / min(height, width)
            ),
            "small images are not enlarged": _scaled(height, width, size / math.sqrt(height * width)),
            "it keeps the image's shape": torch.tensor([size, size]),
        }
        compare(found, torch.tensor(right), says, mistakes, "mind the rounding, to whole pixels", rtol=0, atol=0)
    return "the working size fixes how many pixels the network sees, size² at most, whatever the shape."


def _scaled(height: int, width: int, scale: float) -> Tensor:
    return torch.tensor([round(height * scale), round(width * scale)])


@exercise("12.2")
def three_hints(answer: object) -> str:
    """Choose three pixels of the gray portrait where true colors help most."""
    lab = color.rgb_to_lab(torch.from_numpy(np.array(photograph("astronaut").resize((64, 64)))).movedim(-1, 0))
    pixels = _pixels(answer, 64)
    propagation = Propagation(lab[0])
    unknown = torch.zeros_like(lab[1:])

    def left(places: Sequence[tuple[int, int]]) -> float:
        hints = [Hint.of(column, row, *lab[1:, row, column].tolist()) for row, column in places]
        spread = propagation.spread(unknown, hints)
        return float((spread - lab[1:]).norm(dim=0).mean() / lab[1:].norm(dim=0).mean())

    share = left(pixels)
    if share > ENOUGH:
        turned = [(column, row) for row, column in pixels]
        require(left(turned) > ENOUGH, "as (column, row) your pixels would do; rows come first here.")
        without = {pixel: left([p for p in pixels if p != pixel]) for pixel in pixels}
        idle = min(pixels, key=lambda pixel: without[pixel])
        raise WrongAnswer(
            f"your hints leave {share:.0%} of the error, and {ENOUGH:.0%} is possible. That at row {idle[0]}, "
            f"column {idle[1]} helps least: without it {without[idle]:.0%} is left. Large vivid things help most."
        )
    return f"{share:.0%} of the error is left: each hint colors a large thing that lightness sets apart."


def _pixels(answer: object, side: int) -> list[tuple[int, int]]:
    what = f"the answer must be three different pixels, [(row, column), …], each from 0 to {side - 1}"
    try:
        pixels = [(int(row), int(column)) for row, column in answer]  # type: ignore[attr-defined]
    except (TypeError, ValueError) as error:
        raise WrongAnswer(f"{what}.") from error
    require(len(pixels) == 3, f"{what}; you give {len(pixels)}.")
    require(len(set(pixels)) == 3, f"{what}; two of yours are the same.")
    outside = [pixel for pixel in pixels if not all(0 <= place < side for place in pixel)]
    require(not outside, f"{what}; {outside[:1]} lies outside the portrait of {side} × {side} pixels.")
    return pixels
