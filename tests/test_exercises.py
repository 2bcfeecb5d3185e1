"""The exercises' checks: right answers pass, wrong ones fail with a message that names the mistake."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
import torch
from torch.nn import functional as F

from colorlab import color, exercises
from colorlab.evaluation.leaderboard import reading
from colorlab.exercises import EXERCISES, check
from colorlab.models.unet import UNET32, Layer, UNetDescription
from colorlab.training.adversarial import verdict_loss

# ---- answers, right and wrong


def to_light(value):
    return torch.where(value > 0.04045, ((value + 0.055) / 1.055) ** 2.4, value / 12.92)


def to_stored(light):
    return torch.where(light > 0.0031308, 1.055 * light ** (1 / 2.4) - 0.055, 12.92 * light)


def halved(rgb):
    return color.to_uint8(to_stored(F.avg_pool2d(to_light(rgb.double() / 255), 2)))


def halved_as_light(rgb):
    return color.to_uint8(F.avg_pool2d(to_light(rgb.double() / 255), 2))


def working_shape(height, width, size, *, enlarge=False, side=None):
    scale = size / (side(height, width) if side else math.sqrt(height * width))
    scale = scale if enlarge else min(1, scale)
    return round(height * scale), round(width * scale)


def paired(a, b):
    return (a - b).mean(), (a - b).std() / len(a) ** 0.5


def unpaired(a, b):
    return (a - b).mean(), (a.var() / len(a) + b.var() / len(b)).sqrt()


def floors(down, up):
    return UNetDescription(tuple(map(Layer, down)), tuple(map(Layer, up)))


def parameters(description, *, skips=1, norm=2):
    total, channels = 0, 1
    for layer in description.contracting:
        total += 16 * channels * layer.channels + (1 + norm) * layer.channels
        channels = layer.channels
    for layer, skip in zip(
        description.expanding, [*(x.channels for x in description.contracting[-2::-1]), 0], strict=True
    ):
        total += 16 * channels * layer.channels + (1 + norm) * layer.channels
        channels = layer.channels + skips * skip
    return total + 2 * channels + 2


def judge_loss(judge, lightness, ab, painted, *, real=0.9, detach=True, end=lambda logits: logits):
    painted = painted.detach() if detach else painted
    return verdict_loss(end(judge(lightness, ab)), real) + verdict_loss(end(judge(lightness, painted)), 0.0)


def class_weights(prior, share, *, over_pixels=True, invert=True):
    mixture = (1 - share) * prior + share / len(prior)
    weights = 1 / mixture if invert else mixture
    return weights / ((prior * weights).sum() if over_pixels else weights.mean())


def agreement(first, second, people, tie=0.5):
    return ((first < second) * (1 - people) + (second < first) * people + tie * (first == second)).mean()


def turned(rgb, degrees, *, to_radians=math.radians, fit=color.fit_to_gamut):
    l_star, a, b = color.rgb_to_lab(rgb).unbind(1)
    cos, sin = math.cos(to_radians(degrees)), math.sin(to_radians(degrees))
    lab = torch.stack([l_star, cos * a - sin * b, sin * a + cos * b], dim=1)
    return color.to_uint8(color.lab_to_rgb(fit(lab)))


def lightness_of(rgb):
    return color.rgb_to_lab(rgb)[0]


def judged(low, high, direction):
    if low <= 0 <= high:
        return "unclear"
    return "better" if (low > 0) == (direction == "higher") else "worse"


def mean_ranks(table, scores, *, method="average", directed=True):
    parts = []
    for score in scores:
        lower = reading(score)[2] == "lower" or not directed
        by_image = table.pivot(index="image", columns="model", values=score)
        parts.append(by_image.rank(axis=1, ascending=lower, method=method).mean())
    return sum(parts) / len(parts)


def combined(first, second, n_first, n_second):
    return (n_first * first + n_second * second) / (n_first + n_second)


def left_out(images, batch_size, processes):
    batch_size -= batch_size % processes
    return images % processes + (processes if images % batch_size == processes else 0)


# Exercise → the right answer, and wrong ones with what their message must say.
ANSWERS = {
    "01.1": (119, {"middle of the stored values": 128, "half of white's light": 188, "which level has it": 50}),
    "01.2": (
        halved,
        {
            "averaged the stored values": lambda rgb: color.to_uint8(F.avg_pool2d(rgb.double(), 2) / 255),
            "still light": halved_as_light,
            "must have shape": lambda rgb: rgb,
            "their type is torch.float64": lambda rgb: halved(rgb).double(),
            "end in a return": lambda rgb: None,
        },
    ),
    "02.1": ("astronaut", {"there is a class with more": "cat", "the name of a class": "dog"}),
    "02.2": (
        lambda sigma: math.exp(-(sigma**2) / 2),
        {
            "sin σ/σ": lambda sigma: math.sin(sigma) / sigma,
            "lacks its half": lambda sigma: math.exp(-(sigma**2)),
            "must be a function": 0.6,
        },
    ),
    "03.1": (
        lambda colors: (colors.mean(dim=0), colors.median(dim=0).values),
        {
            "for the squared error your color has a loss of": lambda c: (c.median(dim=0).values, c.mean(dim=0)),
            "yours is the one for the squared error": lambda c: (c.mean(dim=0), c.mean(dim=0)),
            "must have shape (2,)": lambda c: (c.mean(), c.median()),
            "as a pair": lambda c: c.mean(dim=0),
        },
    ),
    "03.2": (
        paired,
        {
            "*independent* samples": unpaired,
            "second minus first": lambda a, b: paired(b, a),
            "√n times less": lambda a, b: ((a - b).mean(), (a - b).std()),
            "by n - 1": lambda a, b: ((a - b).mean(), (a - b).std(correction=0) / len(a) ** 0.5),
        },
    ),
    "04.1": (
        floors((64, 128, 256, 512, 512), (512, 256, 128, 64, 64)),
        {
            "makes 64 into 4": UNET32,
            "goes below them": floors((32, 64, 128, 256, 512), (512, 256, 128, 64, 64)),
            "comes first there": floors((64, 128, 256, 512, 512), (256, 128, 64, 64, 32)),
            "must be a UNetDescription": 5,
        },
    ),
    "04.2": (
        parameters,
        {
            "the skipped ones too": lambda description: parameters(description, skips=0),
            "each batch norm": lambda description: parameters(description, norm=0),
            "16·m·n + n": lambda description: 1,
        },
    ),
    "05.1": (
        math.log(9),
        {
            "*probability*": 0.9,
            "surer than the label": 10,
            "not sure enough": 1.5,
            "sigmoid of the label": 1 / (1 + math.exp(-0.9)),
        },
    ),
    "05.2": (
        judge_loss,
        {
            "`detach` it": lambda *given: judge_loss(*given, detach=False),
            "0.9, not 1": lambda *given: judge_loss(*given, real=1.0),
            "through a sigmoid first": lambda *given: judge_loss(*given, end=torch.sigmoid),
            "has a gradient": lambda *given: 0.7,
        },
    ),
    "06.1": (
        class_weights,
        {
            "do not average 1 over the pixels": lambda prior, share: 1 / ((1 - share) * prior + share / len(prior)),
            "average 1 over the bins": lambda *given: class_weights(*given, over_pixels=False),
            "are exchanged": lambda prior, share: class_weights(prior, 1 - share),
            "favor frequent colors": lambda *given: class_weights(*given, invert=False),
            "then scaled": lambda prior, share: torch.ones_like(prior),
            "must have shape": lambda prior, share: prior.sum(),
        },
    ),
    "06.2": (
        math.log(12) / math.log(100),
        {
            "enter as logarithms": 0.12,
            "turned round": math.log(100) / math.log(12),
            "how much must be taken away": 1 - math.log(12) / math.log(100),
            "less is enough": 1,
            "solve log 0.60": 0.3,
        },
    ),
    "07.1": (0.2131, {"`subsampling=0`": 5.323, "quality 75": 13.766, "PNG": 0.0, "its root": 0.4616}),
    "07.2": (
        lambda original, result: (lightness_of(original) - lightness_of(result)).abs().max() < 0.5,
        {
            "rejects an honest result": lambda original, result: torch.equal(
                lightness_of(original), lightness_of(result)
            ),
            "its luma is off": lambda original, result: (
                (color.luma(original) - color.luma(result)).abs().max() < 0.02
            ),
            "accepts the result of another image": lambda original, result: True,
            "L is 3 too high": lambda original, result: (
                (lightness_of(original) - lightness_of(result)).abs().max() < 3.5
            ),
        },
    ),
    "08.1": (12.75, {"root is missing": 162.5625, "take the root first": 0.6375, "that is with 110": 5.5}),
    "08.2": (
        lambda predicted, truth: (predicted * truth).sum() / predicted.square().sum(),
        {
            "maps the truth to the prediction": lambda p, t: (p * t).sum() / t.square().sum(),
            "same spread": lambda p, t: t.std() / p.std(),
            "derivative": lambda p, t: 1,
        },
    ),
    "09.1": (
        agreement,
        {
            "turned round": lambda first, second, people: agreement(second, first, people),
            "one half each": lambda *given: agreement(*given, tie=0),
            "as the distance does": lambda *given: 0.5,
        },
    ),
    "09.2": (
        turned,
        {
            "given in degrees": lambda *given: turned(*given, to_radians=float),
            "RGB be clipped": lambda *given: turned(*given, fit=lambda lab: lab),
            "the other way round": lambda rgb, degrees: turned(rgb, -degrees),
            "changes L by up to": lambda rgb, degrees: 255 - rgb,
        },
    ),
    "10.1": (9, {"one-sided": 8, "one fewer is too": 10, "so does the loser": 1, "can win 0 to 10": 11}),
    "10.2": (685, {"too wide": 200, "3 points *wide*": 2732, "so are fewer": 900, "are counted": 0.5}),
    "11.1": (
        judged,
        {
            "depends on the score": lambda low, high, direction: judged(low, high, "higher"),
            "holds 0": lambda low, high, direction: judged(high, high, direction),
            "must give one of": lambda *given: None,
        },
    ),
    "11.2": (
        mean_ranks,
        {
            "*highest* value has rank 1": lambda *given: mean_ranks(*given, directed=False),
            "share the mean": lambda *given: mean_ranks(*given, method="min"),
            "begins at 0": lambda *given: mean_ranks(*given) - 1,
            "a dict or a pandas Series": lambda *given: 3,
        },
    ),
    "12.1": (
        working_shape,
        {
            "longer side": lambda *given: working_shape(*given, side=max),
            "not enlarged": lambda *given: working_shape(*given, enlarge=True),
            "keeps the image's shape": lambda height, width, size: (size, size),
        },
    ),
    "12.2": (
        [(44, 28), (52, 4), (4, 28)],
        {
            "rows come first": [(28, 44), (4, 52), (28, 4)],
            "helps least": [(44, 28), (1, 1), (2, 2)],
            "two of yours are the same": [(1, 1), (1, 1), (2, 2)],
            "you give 2": [(1, 1), (2, 2)],
            "outside": [(1, 1), (2, 2), (64, 0)],
        },
    ),
    "13.1": (
        combined,
        {
            "plain mean": lambda first, second, n, m: (first + second) / 2,
            "weights are exchanged": lambda first, second, n, m: combined(first, second, m, n),
            "it is the sum": lambda first, second, n, m: first + second,
        },
    ),
    "13.2": (
        left_out,
        {
            "not dropped": lambda images, batch_size, processes: images % batch_size,
            "alone makes no batch": lambda images, batch_size, processes: images % processes,
        },
    ),
}


def test_all_exercises_are_tried_here():
    assert set(ANSWERS) == set(EXERCISES)
    assert all(len(wrong) >= 2 for _, wrong in ANSWERS.values())


def is_well_said(verdict, beginning):
    shown = repr(verdict).splitlines()
    assert shown[0].startswith(beginning)
    assert max(map(len, shown)) <= 110
    assert verdict.message[-1] in ".?", verdict
    assert verdict.message[-2] not in ".?:;", verdict


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_right_answers_pass(name):
    verdict = check(name, ANSWERS[name][0])
    assert verdict, verdict
    is_well_said(verdict, "Right: ")
    assert len(verdict.message) > 30, "it says why"


@pytest.mark.parametrize(
    ("name", "message", "answer"),
    [
        pytest.param(name, message, answer, id=f"{name} {message}")
        for name, (_, wrong) in sorted(ANSWERS.items())
        for message, answer in wrong.items()
    ],
)
def test_wrong_answers_fail_and_are_told_why(name, message, answer):
    verdict = check(name, answer)
    assert not verdict
    assert message in verdict.message
    is_well_said(verdict, "Not yet: ")


NONSENSE = {
    "None": None,
    "empty text": "",
    "empty list": [],
    "True": True,
    "nan": float("nan"),
    "zeros": torch.zeros(2, 2),
    "object": object(),
}


@pytest.mark.parametrize("name", sorted(ANSWERS))
@pytest.mark.parametrize("answer", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_answered_and_raises_nothing(name, answer):
    assert not check(name, answer)


@pytest.mark.parametrize("name", ["01.2", "02.2", "04.2", "06.1", "08.2", "09.2", "11.2", "12.1", "13.2"])
def test_functions_that_give_nothing_are_told_so(name):
    verdict = check(name, lambda *given: None)
    assert not verdict
    assert "None" in verdict.message


@pytest.mark.parametrize("level", [119.0, torch.tensor(119), torch.tensor([119.0], requires_grad=True)], ids=repr)
def test_a_number_may_be_of_any_type(level):
    assert check("01.1", level)
    assert check("01.1", level.detach().numpy() if isinstance(level, torch.Tensor) else level)


def test_errors_in_an_answer_come_through_as_they_are():
    with pytest.raises(ZeroDivisionError):
        check("02.2", lambda sigma: 1 / 0)


def test_unknown_exercises_are_refused_with_the_list():
    with pytest.raises(ValueError, match=r"no exercise '1\.1'.*01\.1, 01\.2.*12\.2"):
        check("1.1", 119)


def test_checks_leave_the_random_numbers_as_they_were():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    for name in ("05.2", "13.1"):
        check(name, ANSWERS[name][0])
    torch.testing.assert_close(torch.rand(4), expected)


def test_docstrings_are_the_tasks():
    assert all(task.__doc__ and task.__doc__.strip() for task in EXERCISES.values())


def test_importing_the_package_does_not_import_the_exercises():
    code = "import sys, colorlab; assert not any(name.startswith('colorlab.exercises') for name in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert exercises.check is check
