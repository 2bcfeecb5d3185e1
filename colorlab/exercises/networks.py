"""Check exercises on networks and their training: notebooks 3, 4, 5, 6 and 13."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from colorlab import color, evaluation
from colorlab.data import create_dataset
from colorlab.data.loading import BatchOrder
from colorlab.evaluation import rebalancing
from colorlab.exercises.checking import WrongAnswer, compare, exercise, function, number, require, tensor
from colorlab.models import create_discriminator
from colorlab.models.unet import UNET32, UNET224, Layer, UNet, UNetDescription
from colorlab.training import OBJECTIVES
from colorlab.training.adversarial import FAKE, REAL, verdict_loss


@exercise("03.1")
def best_answers(answer: object) -> str:
    """Compute the colors that minimize the squared and the absolute error."""
    best = function(answer, "(N, 2) colors to two colors of shape (2,), for the squared and the absolute error")
    # Two outliers, so that mean and median differ much.
    colors = torch.tensor([[0.5, 0.3], [0.6, 0.1], [0.55, 0.2], [0.4, 0.4], [-0.6, -0.5], [-0.7, 0.1], [0.5, 0.25]])
    right = {"mse": colors.mean(dim=0), "l1": colors.median(dim=0).values}
    names = {"mse": "squared error", "l1": "absolute error"}
    found = best(colors.clone())
    require(isinstance(found, tuple | list) and len(found) == 2, "your function must give two colors, as a pair.")
    for (name, target), given in zip(right.items(), found, strict=True):
        point = tensor(given, (2,), f"your answer for the {names[name]}")
        loss, least = (float(OBJECTIVES[name](c.float().expand(7, 2), colors)) for c in (point, target))
        says = f"for the {names[name]} your color has a loss of {loss:.4f}, and {least:.4f} can be had"
        other = "l1" if name == "mse" else "mse"
        mistakes = {
            f"yours is the one for the {names[other]}; which of the two minds far outliers?": right[other],
            "yours is halfway between the extremes": (colors.amax(dim=0) + colors.amin(dim=0)) / 2,
        }
        compare(point, target, says, mistakes, "set the derivative of the sum of losses to 0")
    return (
        "squared error is least at the mean, absolute error at the median of a and of b, which outliers do not move."
    )


@exercise("03.2")
def paired(answer: object) -> str:
    """Compute the mean of per-image differences and its standard error."""
    from scipy.stats import ttest_rel

    difference = function(answer, "two tensors of errors by image to (mean of first minus second, standard error)")
    trainset, testset = create_dataset("placeholder", "train"), create_dataset("placeholder", "test")
    models = {"gray": evaluation.gray(), "mean color": evaluation.mean_color(trainset)}
    scores = evaluation.compare(models, testset, scores=["mae"])
    a, b = (torch.tensor(rows["mae"].to_numpy()[::10]) for _, rows in scores.groupby("model", sort=False))
    found = difference(a.clone(), b.clone())
    require(isinstance(found, tuple | list) and len(found) == 2, "your function must give two numbers, as a pair.")
    mean, error = number(found[0], "the mean difference"), number(found[1], "its standard error")
    n, right = len(a), float((a - b).mean())
    says = f"the mean of first minus second is {right:.3f}, and you say {mean:.3f}"
    compare(mean, right, says, {"yours is second minus first": -right})

    truth = right / float(ttest_rel(a.numpy(), b.numpy()).statistic)
    spread = float((a - b).std())
    says = f"of {n} images the standard error is {truth:.4f}, and you say {error:.4f}"
    mistakes = {
        "yours is the standard deviation of the differences; the mean of n of them varies √n times less": spread,
        "yours is the standard deviation over n; it must be over √n": spread / n,
        "yours is for two *independent* samples; these are the same images, so take the differences first": float(
            (a.var() / n + b.var() / n).sqrt()
        ),
        "yours divides the squares by n, too much for a sample; it must be by n - 1": truth * math.sqrt((n - 1) / n),
    }
    compare(error, truth, says, mistakes)
    return f"mean over standard error is {right / truth:.2f}, which is the t of SciPy's paired test."


@exercise("04.1")
def one_more_floor(answer: object) -> str:
    """Describe a U-Net for 64 pixels: `UNET32` with one more layer each way."""
    if not isinstance(answer, UNetDescription):
        raise WrongAnswer(
            f"the answer must be a UNetDescription, but is a {type(answer).__name__}; `UNet` comes later."
        )
    floors, known = len(answer.contracting), len(UNET32.contracting)
    require(
        answer.stride == 2 * UNET32.stride,
        f"your network takes multiples of {answer.stride} pixels and makes 64 into {64 / answer.stride:g} at the "
        "bottom; one more floor than unet32 makes it 2 again.",
    )
    require(floors == known + 1, f"a floor more than {known} are {known + 1}, all of stride 2; you have {floors}.")
    require(
        answer.contracting[:known] == UNET32.contracting,
        "the first floors on the way down are no longer those of unet32; the new one goes below them.",
    )
    require(
        answer.expanding[1:] == UNET32.expanding,
        "the last floors on the way up are no longer those of unet32; the new one comes first there, at the bottom.",
    )
    with torch.device("meta"):  # shapes without arithmetic
        x = torch.empty(2, 1, 64, 64)
        for down in UNet("yours", answer).down:
            x = down(x)
    return (
        f"64 pixels become {x.shape[-2]} × {x.shape[-1]} at the bottom, as 32 did, and every skip connection joins "
        "layers of equal size."
    )


@exercise("04.2")
def parameters(answer: object) -> str:
    """Write a function that counts a U-Net's parameters from its description."""
    count = function(answer, "a UNetDescription to a number of parameters")
    small = UNetDescription((Layer(8), Layer(16)), (Layer(8), Layer(8)))
    for name, description in {"tiny": small, "unet32": UNET32, "unet224": UNET224}.items():
        found = number(count(description), "what your function gives")
        with torch.device("meta"):  # weights without memory
            right = sum(p.numel() for p in UNet(name, description).parameters())
        says = f"{name} has {right:,} parameters, and you count {found:,.0f}"
        mistakes = {
            "after a skip connection a layer has more inputs, the skipped ones too": _count(description, skips=False),
            "each convolution has a bias a channel": _count(description, biases=False),
            "each batch norm has a scale and a shift a channel": _count(description, norms=False),
            "the 1 × 1 convolution to a and b is missing": _count(description, last=False),
        }
        hint = "a 4 × 4 convolution from m to n channels has 16·m·n + n"
        compare(found, float(right), says, {why: float(n) for why, n in mistakes.items()}, hint, rtol=0, atol=0.1)
    return "you know what every layer sees: on the way up the layer before it *and* that one's skip connection."


def _count(
    description: UNetDescription, *, skips: bool = True, biases: bool = True, norms: bool = True, last: bool = True
) -> int:
    """Count the parameters, with or without those that are easily forgotten."""
    down, up = description.contracting, description.expanding
    skip_channels = [*[0] * len(down), *[layer.channels for layer in down[-2::-1]], 0]
    total, channels = 0, 1
    for layer, skip in zip([*down, *up], skip_channels, strict=True):
        total += 16 * channels * layer.channels + (biases + 2 * norms) * layer.channels
        channels = layer.channels + skips * skip
    return total + last * (2 * channels + 2 * biases)


@exercise("05.1")
def best_logit(answer: object) -> str:
    """Find the logit for a photograph that minimizes the discriminator's loss at label 0.9."""
    logit = number(answer, "the logit")
    best = math.log(REAL / (1 - REAL))
    cost, least = (float(verdict_loss(torch.tensor(z), REAL)) for z in (logit, best))
    says = f"the logit {logit:.3g} costs {cost:.4f}, and {least:.4f} is possible"
    mistakes = {
        f"{REAL} is the *probability* that it should give; which logit has that sigmoid?": REAL,
        "yours is the sigmoid of the label; from a probability to its logit leads the inverse": float(
            torch.tensor(REAL).sigmoid()
        ),
        "you took the logarithm to base 10; the sigmoid has e": math.log10(REAL / (1 - REAL)),
        "the sign is wrong, which calls the photograph generated": -best,
    }
    hint = f"the discriminator is {'surer than the label asks' if logit > best else 'not sure enough'}"
    compare(logit, best, says, mistakes, hint, rtol=0, atol=0.02)
    return f"its sigmoid is {REAL}, and even there the loss is {least:.3f}, not 0: so much does the label leave open."


@exercise("05.2")
def discriminator_loss(answer: object) -> str:
    """Write a function that computes the discriminator's loss."""
    compute = function(answer, "(discriminator, lightness, ab, fake) to a loss")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        judge = create_discriminator("nazerigan32").eval()
        lightness, ab, painted = torch.rand(4, 1, 32, 32), torch.rand(4, 2, 32, 32) / 2, torch.rand(4, 2, 32, 32) / 4
    painted.requires_grad_()
    loss = compute(judge, lightness, ab, painted)
    if not (isinstance(loss, Tensor) and loss.requires_grad):
        raise WrongAnswer("your function must give a loss that has a gradient, a tensor of one number.")
    with torch.no_grad():
        real, fake = judge(lightness, ab), judge(lightness, painted)
        for_real, for_fake = verdict_loss(real, REAL), verdict_loss(fake, FAKE)
        right = for_real + for_fake
        twice = verdict_loss(real.sigmoid(), REAL) + verdict_loss(fake.sigmoid(), FAKE)
        mistakes = {
            f"photographs have the label {REAL}, not 1, so that being too sure never pays": verdict_loss(real, 1)
            + for_fake,
            "the labels are exchanged": verdict_loss(real, FAKE) + verdict_loss(fake, REAL),
            "your logits go through a sigmoid first, and the loss has its own": twice,
            "generated images are missing; a discriminator that sees only photographs calls everything one": for_real,
            "photographs are missing": for_fake,
            "the two parts are added, not averaged": right / 2,
            "yours is the *generator's* aim, that generated images be called real": verdict_loss(fake, REAL),
        }
    found = tensor(loss, (), "your loss")
    compare(found, right, f"your loss is {float(found):.4f}, the package's {float(right):.4f}", mistakes)
    loss.backward()  # type: ignore[no-untyped-call, unused-ignore]
    reached = painted.grad is not None and bool(painted.grad.any())
    require(
        not reached,
        "the value is right, but its gradient reaches the generator, which would learn to be recognized. "
        "`detach` it.",
    )
    taught = all(weight.grad is not None for weight in judge.parameters())
    require(taught, "the value is right, but no gradient reaches the discriminator, which has to learn.")
    return f"two cross entropies of logits, labels {REAL} and {FAKE:g}; no gradient of them reaches the generator."


@exercise("06.1")
def class_weights(answer: object) -> str:
    """Compute the class weights of Zhang et al. from the frequencies of the bins."""
    weigh = function(answer, "(frequency of each bin, λ) to a weight for each bin")
    prior = rebalancing.prior().flatten()
    prior = prior[prior > 2 * rebalancing.LEAST]
    prior = prior / prior.sum()
    for share in (0.2, 0.6):

        def inverse(uniform: float) -> Tensor:
            return 1 / ((1 - uniform) * prior + uniform / len(prior))

        raw, exchanged, mixture = inverse(share), inverse(1 - share), 1 / inverse(share)
        right = raw / (prior * raw).sum()
        found = tensor(weigh(prior.clone(), share), right.shape, "what your function gives")
        rare, common = int(prior.argmin()), int(prior.argmax())
        says = (
            f"for λ = {share:g} the rarest bin should weigh {right[rare]:.3g} and the most frequent "
            f"{right[common]:.3g}; yours weigh {found[rare]:.3g} and {found[common]:.3g}"
        )
        mistakes = {
            "your weights do not average 1 over the pixels; divide by Σ frequency · weight": raw,
            "yours average 1 over the bins; each bin counts as often as it occurs": raw / raw.mean(),
            "yours sum to 1; their mean over the pixels must be 1": raw / raw.sum(),
            "λ and 1 - λ are exchanged": exchanged / (prior * exchanged).sum(),
            "your weights favor frequent colors; take the inverse": mixture / (prior * mixture).sum(),
            "the uniform share is missing; λ mixes it with the frequencies": 1 / prior / len(prior),
        }
        compare(found, right, says, mistakes, "the weight is 1 / ((1 - λ) · frequency + λ / Q), then scaled")
    return "rare colors count more, but with λ above 0 not without limit, and the mean weight of a pixel stays 1."


@exercise("06.2")
def overtaking(answer: object) -> str:
    """Find the prior correction from which a rare color is more probable than gray."""
    from scipy.optimize import brentq

    beta = number(answer, "the prior correction")
    predicted, prior = torch.tensor([0.60, 0.05]).double(), torch.tensor([0.20, 0.002]).double()

    def lead(correction: float) -> float:
        """Return how far gray is ahead of red."""
        gray, red = (predicted.log() - correction * prior.log()).tolist()
        return float(gray - red)

    right = float(brentq(lead, 0, 1))
    odds, prior_odds = (float(p[0] / p[1]) for p in (predicted, prior))
    ahead = math.exp(lead(min(1.0, max(0.0, beta))))
    says = f"at {beta:.3g} gray is {ahead:.3g} times as probable as red" if 0 <= beta <= 1 else f"yours is {beta:.3g}"
    mistakes = {
        "the ratios enter as logarithms": odds / prior_odds,
        "turned round: the logarithm of the predicted ratio goes on top": 1 / right,
        "that is what remains; how much must be taken away?": 1 - right,
        "that is where red would need no correction at all": 0.0,
        "full correction divides by the prior; less is enough": 1.0,
    }
    compare(beta, right, says, mistakes, "solve log 0.60 - β log 0.20 = log 0.05 - β log 0.002", atol=0.01, rtol=0)
    return f"β = log {odds:g} / log {prior_odds:g} = {right:.2f}, at any temperature: T scales both sides."


@exercise("13.1")
def combined(answer: object) -> str:
    """Compute the gradient of a batch from those of two parts of any sizes."""
    combine = function(answer, "(gradient of the first part, of the second, images in the first, in the second)")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Conv2d(1, 2, 3, padding=1)
    lightness, ab = color.split(color.rgb_to_lab(create_dataset("placeholder", "train").rgb[::60]))

    def gradient(part: slice) -> Tensor:
        loss = (network(lightness[part]) - ab[part]).square().mean()
        return torch.autograd.grad(loss, network.weight)[0].double()

    whole = gradient(slice(16))
    for first in (10, 1, 8):
        one, other = gradient(slice(first)), gradient(slice(first, 16))
        given = combine(one.clone(), other.clone(), first, 16 - first)
        found = tensor(given, whole.shape, "what your function gives")
        off = float((found - whole).norm() / whole.norm())
        says = f"{first} and {16 - first} images: your gradient is {off:.0%} off that of the batch of 16"
        mistakes = {
            "it is the plain mean, which is right for equal parts only": (one + other) / 2,
            "it is the sum; a loss that is a mean has a gradient that is a mean": one + other,
            "the weights are exchanged": ((16 - first) * one + first * other) / 16,
            "the weights must add up to 1": first * one + (16 - first) * other,
        }
        compare(found, whole, says, mistakes, "how often does each image count?", rtol=1e-3, atol=1e-5)
    return "each part counts as many times as it has images; a plain mean is the case of equal parts."


@exercise("13.2")
def left_out(answer: object) -> str:
    """Count the images that no process sees in an epoch of training."""
    count = function(answer, "(images, batch size, processes) to a number of images")
    for images, batch_size, processes in ((960, 16, 3), (1000, 100, 4), (1001, 100, 4), (961, 16, 1), (90, 16, 4)):
        seen: set[int] = set()
        for rank in range(processes):
            order = BatchOrder(images, batch_size, seed=0, rank=rank, processes=processes)
            seen.update(index for batch in order for index in batch.indices)
        right = float(images - len(seen))
        found = number(count(images, batch_size, processes), "what your function gives")
        plural = "process" if processes == 1 else "processes"
        says = f"{images} images, batches of {batch_size}, {processes} {plural}: {right:g} left out, not {found:g}"
        mistakes = {
            "the last batch may be smaller; it is not dropped": float(images % batch_size),
            "one image alone makes no batch, as batch norm has nothing to compare it with": float(images % processes),
        }
        compare(found, right, says, mistakes, "print `batch.indices` of a small `BatchOrder`", rtol=0, atol=0)
    return "only what cannot be shared evenly is left out, and an image that would be a batch by itself."
