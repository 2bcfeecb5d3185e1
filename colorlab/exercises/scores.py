"""Check exercises on scores and their reliability: notebooks 7 to 11."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from typing import Literal, cast

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from colorlab import color, evaluation, pretrained
from colorlab.data import create_dataset
from colorlab.evaluation.definitions import SEED_RANGE
from colorlab.evaluation.leaderboard import reading
from colorlab.exercises.checking import WrongAnswer, compare, exercise, function, number, require, tensor


@exercise("07.1")
def jpeg_floor(answer: object) -> str:
    """Find the MSE of true colors saved as JPEG of quality 100 without chroma subsampling."""
    floor = number(answer, "the mean squared error")
    truth = create_dataset("placeholder", "test").rgb
    right = _mse_of_jpeg(truth, quality=100, subsampling=0)
    mistakes = {
        "that is 100 with subsampling, which Pillow does unless told `subsampling=0`": _mse_of_jpeg(
            truth, quality=100
        ),
        "that is what Pillow does by default, quality 75 with subsampling": _mse_of_jpeg(truth),
        "that is quality 75 without subsampling": _mse_of_jpeg(truth, subsampling=0),
        "that is its root": math.sqrt(right),
        "that is in the framework's unit; multiply by 255²": right / SEED_RANGE**2,
        "that is PNG; nothing is lost in it, and here something is": 0.0,
    }
    compare(
        floor,
        right,
        f"{floor:.4g} is not it",
        mistakes,
        "`score_images(truth, read_back, ['mse'])`, then the mean",
        rtol=0.01,
    )
    halved = _mse_of_jpeg(truth, quality=100)
    return f"{right:.2f} Lab²; with chroma at half the resolution it is {halved:.2f}, so that is what costs."


def _mse_of_jpeg(truth: Tensor, **how: int) -> float:
    """Return the MSE between images and their JPEGs."""
    back = []
    for image in truth:
        file = io.BytesIO()
        Image.fromarray(image.movedim(0, -1).numpy()).save(file, "JPEG", **how)
        back.append(torch.from_numpy(np.array(Image.open(file))).movedim(-1, 0))
    return float(evaluation.score_images(truth, torch.stack(back), ["mse"])["mse"].mean())


@exercise("07.2")
def same_lightness(answer: object) -> str:
    """Write a function that tells whether a result kept its original's lightness, to detect swapped files."""
    kept = function(answer, "(original, result), both (3, H, W) uint8, to True or False")
    rgb = create_dataset("placeholder", "test").rgb[::5]
    lightness = color.rgb_to_lab(rgb)[:, 0]
    for model in (evaluation.gray(), pretrained.load("resnet-placeholder")):
        results = evaluation.colored(model, rgb)
        off = (color.rgb_to_lab(results)[:, 0] - lightness).abs().amax(dim=(1, 2))
        luma = 255 * (color.luma(results) - color.luma(rgb)).abs().amax(dim=(1, 2, 3))
        for i, result in enumerate(results):
            given = kept(rgb[i].clone(), result.clone())
            require(given is not None, "your function gives None; does it end in a return?")
            require(
                bool(given),
                f"it rejects an honest result, whose L is off by {off[i]:.2f} at most. Rounding to 8 bits does that; "
                f"its stored values are other ones, and its luma is off by up to {luma[i]:.0f} of 255.",
            )
    impostors = {"the result of another image": rgb.roll(1, dims=0)}
    brighter = color.rgb_to_lab(rgb)
    brighter[:, 0] = (brighter[:, 0] + 3).clamp(max=100)
    impostors["a result whose L is 3 too high"] = color.to_uint8(color.lab_to_rgb(color.fit_to_gamut(brighter)))
    for name, images in impostors.items():
        off = (color.rgb_to_lab(images)[:, 0] - lightness).abs().amax(dim=(1, 2))
        for original, other, most in zip(rgb, images, off.tolist(), strict=True):
            wrongly = most > 2 and bool(kept(original.clone(), other.clone()))
            require(
                not wrongly, f"it accepts {name}, in which L is off by up to {most:.1f}; honest ones stay below 0.5."
            )
    return "a colorizer may choose a and b, never L; so L tells whose colors these are."


@exercise("08.1")
def lab_units(answer: object) -> str:
    """Convert the framework's error of 0.0025 to a root mean square in Lab units."""
    found = number(answer, "the number of Lab units")
    reported = 0.0025
    right = math.sqrt(reported) * SEED_RANGE
    mistakes = {
        "that is in squared Lab units; its root is missing": reported * SEED_RANGE**2,
        "that multiplies the *squared* error by 255; take the root first": reported * SEED_RANGE,
        f"that is with {color.AB_SCALE:g}, this package's unit; the framework divides by 255": math.sqrt(reported)
        * color.AB_SCALE,
        "that is with 128; the framework adds 128 and divides by 255": math.sqrt(reported) * 128,
        "that is still in units of 255": math.sqrt(reported),
    }
    compare(found, right, f"{found:.4g} is not it", mistakes, "undo the square, then the division by 255", rtol=0.01)
    return f"√{reported} · 255 = {right:.2f}: a small number in one unit is a color seen at once in another."


@exercise("08.2")
def best_factor(answer: object) -> str:
    """Find the factor on predicted a and b that minimizes their squared error."""
    best = function(answer, "(predicted, truth), both (N, 2, H, W), to one number")
    rgb = create_dataset("placeholder", "test").rgb[::8]
    lightness, truth = color.split(color.rgb_to_lab(rgb))
    with torch.inference_mode():
        predicted = pretrained.load("resnet-placeholder")(lightness).clone()
    p, t = predicted.double().flatten(), truth.double().flatten()
    for scale in (0.5, 1.0):  # so that 1 is clearly wrong
        given = best((scale * predicted).clone(), truth.clone())
        found = number(given, "what your function gives")
        right = float(np.linalg.lstsq(scale * p[:, None].numpy(), t.numpy())[0][0])
        errors = [float((factor * scale * p - t).square().mean()) * color.AB_SCALE**2 for factor in (found, right)]
        says = f"with your factor {found:.3f} the error is {errors[0]:.2f} Lab², and {errors[1]:.2f} is possible"
        mistakes = {
            "yours maps the truth to the prediction; the squares under the line must be the prediction's": float(
                scale * (p @ t) / (t @ t)
            ),
            "that gives both the same chroma, which is not the same as the least error": float(
                truth.norm(dim=1).mean() / predicted.norm(dim=1).mean() / scale
            ),
            "that gives both the same spread, which is not the same as the least error": float(
                t.std() / p.std() / scale
            ),
            "that is the correlation, which does not see the size of the prediction": float(
                torch.corrcoef(torch.stack([p, t]))[0, 1]
            ),
        }
        compare(found, right, says, mistakes, "set the derivative by the factor to 0", rtol=1e-3)
    return "it is Σ predicted · true / Σ predicted², a straight line through 0, as NumPy's least squares finds it."


@exercise("09.1")
def agreement(answer: object) -> str:
    """Compute the share of people that a distance agrees with, as in the test of LPIPS."""
    share = function(answer, "(distances of the first, of the second, share of people for the second) to one number")
    generator = torch.Generator().manual_seed(0)
    first, second = torch.rand(2, 50, generator=generator, dtype=torch.float64)
    second[:10] = first[:10]
    people = (0.6 + first - second).clamp(0, 1)
    found = number(share(first.clone(), second.clone(), people.clone()), "what your function gives")
    for_first, tie = (first < second).double(), (first == second).double()
    for_second = 1 - for_first - tie
    right = float((for_first * (1 - people) + for_second * people + 0.5 * tie).mean())
    majority = torch.where(for_first.bool(), (people < 0.5).double(), (people > 0.5).double())
    majority[tie.bool()] = 0.5
    mistakes = {
        "turned round: a *smaller* distance is a vote for that image": float(
            (for_first * people + for_second * (1 - people) + 0.5 * tie).mean()
        ),
        "equal distances are no vote for the second image; they count one half": float(
            (for_first * (1 - people) + (for_second + tie) * people).mean()
        ),
        "equal distances are no vote for the first image; they count one half": float(
            ((for_first + tie) * (1 - people) + for_second * people).mean()
        ),
        "pairs with equal distances count too, one half each": float(
            (for_first * (1 - people) + for_second * people).mean()
        ),
        "you count majorities; three people of five for an image are a share of 0.6, not 1": float(majority.mean()),
    }
    says = f"of 50 pairs, 10 of them with equal distances, the share is {right:.3f}, and you say {found:.3f}"
    compare(found, right, says, mistakes, "add up, for each pair, the people who chose as the distance does")
    return "even a person reaches no 1 here, as people disagree among themselves."


@exercise("09.2")
def turned(answer: object) -> str:
    """Write a function that rotates all hues of images and keeps their lightness."""
    turn = function(answer, "(rgb, degrees), (N, 3, H, W) uint8, to the same")
    rgb = create_dataset("placeholder", "test").rgb[4::25]
    lab = color.rgb_to_lab(rgb)

    def rotated(radians: float, *, fit: bool = True) -> Tensor:
        cos, sin = math.cos(radians), math.sin(radians)
        a, b = lab[:, 1], lab[:, 2]
        moved = torch.stack([lab[:, 0], cos * a - sin * b, sin * a + cos * b], dim=1)
        return color.to_uint8(color.lab_to_rgb(color.fit_to_gamut(moved) if fit else moved)).double()

    for degrees in (90, 200):
        radians = math.radians(degrees)
        given = turn(rgb.clone(), degrees)
        found = tensor(given, rgb.shape, "what your function gives")
        require(given.dtype == torch.uint8, "your images must be uint8 again; `color.to_uint8` rounds them.")
        right = rotated(radians)
        off = float((found - right).abs().mean())
        mistakes = {
            "you turn by radians; the angle is given in degrees": rotated(degrees),
            "you turn the other way round; from a (red) toward b (yellow) is positive": rotated(-radians),
            "you let RGB be clipped, which changes lightness; `fit_to_gamut` before": rotated(radians, fit=False),
        }
        change = float((color.rgb_to_lab(given)[:, 0] - lab[:, 0]).abs().max())
        hint = "a and b turn as (cos·a - sin·b, sin·a + cos·b)"
        if change > 1:
            hint = f"it changes L by up to {change:.0f}, which no turn of a and b does (HSV's hue does)"
        says = f"at {degrees}° your images differ from a turn in (a, b) by {off:.1f} levels in the mean"
        compare(found, right, says, mistakes, hint, rtol=0, atol=1.01)
    return "L is what it was, chroma too where a screen can show it: to a colorizer these are all the same image."


@exercise("10.1")
def wins_needed(answer: object) -> str:
    """Find how many of ten differing images one model must win for McNemar's p to fall below 0.05."""
    wins = number(answer, "the number of wins")
    require(wins == int(wins) and 0 <= wins <= 10, f"of ten images one can win 0 to 10, not {wins:g}.")
    p = [evaluation.mcnemar([True] * k + [False] * (10 - k), [False] * k + [True] * (10 - k)) for k in range(11)]
    right = min(k for k in range(5, 11) if p[k] < 0.05)
    says = f"with {wins:g} of ten p is {p[int(wins)]:.3f}"
    mistakes = {
        "so does the loser. Which number of *wins* is it?": float(10 - right),
        "half of that would be the one-sided p; the question has two sides": float(right - 1),
        "that is enough, and one fewer is too": float(right + 1),
    }
    compare(wins, float(right), says, mistakes, "too easily had by chance", rtol=0, atol=0)
    return f"{right} wins give p = {p[right]:.3f}, {right - 1} {p[right - 1]:.3f}: few differences prove little."


@exercise("10.2")
def images_needed(answer: object) -> str:
    """Find how many images make Wilson's interval around 80 % no wider than ±3 points."""
    n = number(answer, "the number of images")
    require(n == int(n) and n >= 1, f"images are counted, 1 or more; {n:g} is no such number.")
    wanted, share = 0.03, 0.8

    def half_width(images: int) -> float:
        interval = evaluation.wilson(round(share * images), images)
        return (interval.high - interval.low) / 2

    reached = half_width(int(n))
    says = f"with {n:g} images the interval reaches ±{100 * reached:.3f} points"
    require(reached <= wanted, f"{says}: too wide. Its width goes with 1/√n.")
    require(
        reached > wanted / 1.8,
        f"{says}, which is 3 points *wide*, or less. ±3 is twice as wide, and needs a fourth of the images.",
    )
    require(half_width(int(0.97 * n)) > wanted, f"{says}: enough, and so are fewer.")
    return f"{says}. Half of that would take four times as many images."


@exercise("11.1")
def judged(answer: object) -> str:
    """Write a function that interprets the interval of a paired difference."""
    read = function(answer, "(low, high, direction) to 'better', 'worse' or 'unclear'")
    words = ("better", "worse", "unclear")
    intervals = ((0.2, 1.3), (-2.0, -0.1), (-0.5, 3.0), (-3.0, 0.5))
    for name in ("mae", "psnr"):
        direction = reading(name)[2]
        for low, high in intervals:
            right = "unclear" if low <= 0 <= high else "better" if (low > 0) == (direction == "higher") else "worse"
            found = read(low, high, direction)
            require(found in words, f"your function must give one of {', '.join(map(repr, words))}, not {found!r}.")
            if found == right:
                continue
            says = f"{name}, where {direction} is better, differs by {low} … {high}: this is {right!r}, not {found!r}"
            if right == "unclear":
                raise WrongAnswer(f"{says}. The interval holds 0, so both may be equally good.")
            if found == "unclear":
                raise WrongAnswer(f"{says}. The interval does not hold 0, however near it comes.")
            raise WrongAnswer(f"{says}. Whether more is better depends on the score.")
    return "first whether 0 is inside, then which side, then which way the score counts."


@exercise("11.2")
def mean_ranks(answer: object) -> str:
    """Compute each model's mean rank over images and scores, where 1 is best."""
    rank = function(answer, "(table by image, names of scores) to model → mean rank")
    trainset, testset = create_dataset("placeholder", "train"), create_dataset("placeholder", "test")
    names = ["mae", "epsilon_5"]
    models = {
        "gray": evaluation.gray(),
        "mean color": evaluation.mean_color(trainset),
        "resnet-placeholder": pretrained.load("resnet-placeholder"),
    }
    table = evaluation.compare(models, testset, scores=names)
    given = rank(table.copy(), list(names))
    if not isinstance(given, Mapping | pd.Series):
        raise WrongAnswer(f"your function must give a dict or a pandas Series, not a {type(given).__name__}.")
    found = cast("Mapping[str, float]", given)
    require(
        set(given.keys()) == set(models),
        f"it must have the models {', '.join(models)}, not {', '.join(map(str, given.keys()))}.",
    )
    values = torch.tensor([float(found[name]) for name in models], dtype=torch.float64)

    def ranks(
        method: Literal["average", "min", "first"] = "average", *, upward: bool = False, of_means: bool = False
    ) -> Tensor:
        parts = []
        for name in names:
            scores = table.pivot(index="image", columns="model", values=name)[list(models)]
            scores = scores.mean().to_frame().T if of_means else scores
            lower = reading(name)[2] == "lower" or upward
            parts.append(scores.rank(axis=1, ascending=lower, method=method).mean())
        return torch.tensor((sum(parts[1:], parts[0]) / len(parts)).to_numpy())

    right = ranks()
    mistakes = {
        "of a score like ε-accuracy the *highest* value has rank 1; see `reading(name)[2]`": ranks(upward=True),
        "that ranks the means; first rank image by image, then average": ranks(of_means=True),
        "equal scores share the mean of their ranks, so that nobody gains by a tie": ranks("min"),
        "equal scores share the mean of their ranks, whoever comes first in the table": ranks("first"),
        "that begins at 0; the best has rank 1": right - 1,
        "that gives the best the last rank": len(models) + 1 - right,
    }
    says = "; ".join(
        f"{name} has {r:.3f}, not {v:.3f}" for name, r, v in zip(models, right.tolist(), values.tolist(), strict=True)
    )
    compare(values, right, says, mistakes, "rank the models of each image, score by score, then average all ranks")
    first = min(zip(right.tolist(), models, strict=True))[1]
    return f"{first} is first; ranks do not care by how much a model is better, and so need no common unit."
