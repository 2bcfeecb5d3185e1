"""Every score against values that others computed or published, then against its definition and its bounds."""

import math
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import skimage
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from colorlab.data import ImageDataset, create_dataset
from colorlab.evaluation import (
    SCORES,
    PerceptualDistance,
    colored,
    compare,
    gray,
    leaderboard,
    mean_color,
    rebalancing,
    score,
    score_images,
    summary,
    to_markdown,
)
from colorlab.evaluation import definitions as d
from colorlab.evaluation.leaderboard import BASELINES, heading, plus_minus
from colorlab.models import ConstantColor, create_colorizer

# Table 1 of Sharma, Wu and Dalal, doi:10.1002/col.20070: L, a, b; L, a, b; ΔE₀₀.
SHARMA = [
    (50.0000, 2.6772, -79.7751, 50.0000, 0.0000, -82.7485, 2.0425),
    (50.0000, 3.1571, -77.2803, 50.0000, 0.0000, -82.7485, 2.8615),
    (50.0000, 2.8361, -74.0200, 50.0000, 0.0000, -82.7485, 3.4412),
    (50.0000, -1.3802, -84.2814, 50.0000, 0.0000, -82.7485, 1.0000),
    (50.0000, -1.1848, -84.8006, 50.0000, 0.0000, -82.7485, 1.0000),
    (50.0000, -0.9009, -85.5211, 50.0000, 0.0000, -82.7485, 1.0000),
    (50.0000, 0.0000, 0.0000, 50.0000, -1.0000, 2.0000, 2.3669),
    (50.0000, -1.0000, 2.0000, 50.0000, 0.0000, 0.0000, 2.3669),
    (50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0009, 7.1792),
    (50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0010, 7.1792),
    (50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0011, 7.2195),
    (50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0012, 7.2195),
    (50.0000, -0.0010, 2.4900, 50.0000, 0.0009, -2.4900, 4.8045),
    (50.0000, -0.0010, 2.4900, 50.0000, 0.0010, -2.4900, 4.8045),
    (50.0000, -0.0010, 2.4900, 50.0000, 0.0011, -2.4900, 4.7461),
    (50.0000, 2.5000, 0.0000, 50.0000, 0.0000, -2.5000, 4.3065),
    (50.0000, 2.5000, 0.0000, 73.0000, 25.0000, -18.0000, 27.1492),
    (50.0000, 2.5000, 0.0000, 61.0000, -5.0000, 29.0000, 22.8977),
    (50.0000, 2.5000, 0.0000, 56.0000, -27.0000, -3.0000, 31.9030),
    (50.0000, 2.5000, 0.0000, 58.0000, 24.0000, 15.0000, 19.4535),
    (50.0000, 2.5000, 0.0000, 50.0000, 3.1736, 0.5854, 1.0000),
    (50.0000, 2.5000, 0.0000, 50.0000, 3.2972, 0.0000, 1.0000),
    (50.0000, 2.5000, 0.0000, 50.0000, 1.8634, 0.5757, 1.0000),
    (50.0000, 2.5000, 0.0000, 50.0000, 3.2592, 0.3350, 1.0000),
    (60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387, 1.2644),
    (63.0109, -31.0961, -5.8663, 62.8187, -29.7946, -4.0864, 1.2630),
    (61.2901, 3.7196, -5.3901, 61.4292, 2.2480, -4.9620, 1.8731),
    (35.0831, -44.1164, 3.7933, 35.0232, -40.0716, 1.5901, 1.8645),
    (22.7233, 20.0904, -46.6940, 23.0331, 14.9730, -42.5619, 2.0373),
    (36.4612, 47.8580, 18.3852, 36.2715, 50.5065, 21.2231, 1.4146),
    (90.8027, -2.0831, 1.4410, 91.1528, -1.6435, 0.0447, 1.4441),
    (90.9257, -0.5406, -0.9208, 88.6381, -0.8985, -0.7239, 1.5381),
    (6.7747, -0.2908, -2.4247, 5.8714, -0.0985, -2.2286, 0.6377),
    (2.0776, 0.0795, -1.1350, 0.9033, -0.0636, -0.5514, 0.9082),
]  # fmt: skip

RED, GREEN, BLUE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0)


def of_lab(*colors):
    """What scores see of images of one pixel each, given in Lab."""
    return SimpleNamespace(lab=torch.tensor(colors, dtype=torch.float64)[:, :, None, None])


def of_rgb(*colors, size=(2, 2)):
    """An image striped in these colors, ``(1, 3, H, W)`` uint8."""
    row = torch.tensor(colors, dtype=torch.uint8).T.repeat_interleave(size[1] // len(colors), dim=1)
    return row[None, :, None].expand(1, 3, size[0], -1).contiguous()


def one(name, original, result):
    return score_images(original, result, [name])[name].item()


@pytest.fixture(scope="module")
def pairs():
    """Five photographs and their recolorings, 24 × 20."""
    rgb = create_dataset("placeholder", "val", size=24).rgb[::45][:, :, :, :20].contiguous()
    return rgb, colored(ConstantColor((15, 20)), rgb)


def real(archive, split, size):
    folder = os.environ.get("COLORLAB_REAL_DATA")
    if not folder:
        pytest.skip("COLORLAB_REAL_DATA is not set: no folder with real data sets")
    return create_dataset(str(Path(folder) / archive), split, size=size)


# Outside truth


@pytest.mark.parametrize("pair", SHARMA, ids=range(1, 35))
def test_ciede2000_gives_the_published_differences(pair):
    assert len(SHARMA) == 34
    for first, second in ((pair[:3], pair[3:6]), (pair[3:6], pair[:3])):
        assert d.ciede2000(of_lab(first), of_lab(second)).item() == pytest.approx(pair[6], abs=5e-5)


@pytest.mark.parametrize(
    ("colors", "expected"), [([RED], 85.5296), ([RED, GREEN], 293.25), ([RED, BLUE], 272.6187), ([BLACK], 0)]
)
def test_colorfulness_is_hasler_and_suesstrunks(colors, expected):
    image = of_rgb(*colors)
    assert one("colorfulness", of_rgb(GREEN), image) == pytest.approx(expected, abs=1e-3)
    difference = one("colorfulness_difference", of_rgb(RED), image)
    assert difference == pytest.approx(abs(expected - 85.5296), abs=1e-3)


def test_errors_and_psnr_agree_with_scikit_image(pairs):
    found = score_images(*pairs, ["mse", "mse_seed", "mae", "psnr", "ciede2000"])
    true, seen = (rgb.movedim(1, -1).numpy() for rgb in pairs)
    lab = [np.stack([skimage.color.rgb2lab(image) for image in batch]) for batch in (true, seen)]
    error = (lab[1] - lab[0])[..., 1:]
    assert found["mse"].numpy() == pytest.approx((error**2).mean(axis=(1, 2, 3)), rel=1e-4)
    assert found["mse_seed"].numpy() == pytest.approx(((error / 255) ** 2).mean(axis=(1, 2, 3)), rel=1e-4)
    assert found["mae"].numpy() == pytest.approx(np.abs(error).mean(axis=(1, 2, 3)), rel=1e-4)
    expected = [skimage.metrics.peak_signal_noise_ratio(*pair) for pair in zip(true, seen, strict=True)]
    assert found["psnr"].numpy() == pytest.approx(expected, rel=1e-5)
    differences = skimage.color.deltaE_ciede2000(*lab).mean(axis=(1, 2))
    assert found["ciede2000"].numpy() == pytest.approx(differences, rel=1e-4)


def test_ssim_agrees_with_its_formula_and_the_published_window(pairs):
    """Wang et al. 2004, section III-B, by NumPy and SciPy's convolution."""
    found = score_images(*pairs, ["ssim"])["ssim"]
    side = np.arange(-5, 6)
    window = np.exp(-(side[:, None] ** 2 + side**2) / (2 * 1.5**2))
    window /= window.sum()

    def local(image):
        return scipy.signal.convolve2d(image, window, mode="valid")

    for i in range(len(found)):
        values = []
        for x, y in zip(pairs[0][i].double().numpy(), pairs[1][i].double().numpy(), strict=True):
            mx, my = local(x), local(y)
            sxx, syy, sxy = local(x * x) - mx**2, local(y * y) - my**2, local(x * y) - mx * my
            c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
            values.append((((2 * mx * my + c1) * (2 * sxy + c2)) / ((mx**2 + my**2 + c1) * (sxx + syy + c2))).mean())
        assert found[i].item() == pytest.approx(np.mean(values), abs=1e-6)


@pytest.mark.parametrize("size", [(11, 11), (11, 30), (47, 33)])
def test_ssim_is_scikit_images(size):
    """Squares of values minus their mean are 16384 at most in the mean and exact in float32; a local mean is rounded in
    some 22 steps of 2⁻²⁵ of it each, so by about √22·2⁻²⁵·16384 = 2e-3. It stands beside C2 = 58.5: 4e-5 in one place, less in the mean
    of an image. Four times that is allowed."""
    generator = torch.Generator().manual_seed(0)
    true = torch.randint(0, 256, (4, 3, *size), dtype=torch.uint8, generator=generator)
    true[1] = 255  # where variances are 0
    seen = (true.int() + torch.randint(-40, 41, true.shape, generator=generator)).clamp(0, 255).to(torch.uint8)
    seen[2] = true[2]
    expected = [
        skimage.metrics.structural_similarity(
            a, b, channel_axis=0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
        )
        for a, b in zip(true.numpy(), seen.numpy(), strict=True)
    ]
    found = score_images(true, seen, ["ssim"])["ssim"]
    assert found.numpy() == pytest.approx(expected, abs=1.6e-4)
    assert found[2].item() == pytest.approx(1, abs=1.6e-4)


def test_ciede2000_is_scikit_images_for_colors_of_all_kinds():
    """In float64 both are the same formula; what atan2, cos and the seventh power round is far below 1e-9."""
    generator = torch.Generator().manual_seed(0)
    lab = torch.rand(2, 3, 60, 60, dtype=torch.float64, generator=generator) * 200 - 100
    lab[:, :, :5, :5] = 0  # grays, which have no hue
    expected = skimage.color.deltaE_ciede2000(*lab.movedim(1, -1).numpy())
    found = d.ciede2000(SimpleNamespace(lab=lab[:1]), SimpleNamespace(lab=lab[1:])).item()
    assert found == pytest.approx(expected.mean(), rel=1e-9)


@pytest.mark.parametrize(
    ("error", "at_2", "at_5"),
    [
        ((0, 0, 0), 100, 100),
        ((2, 4, -4), 100, 100),  # 2.2·2 = 4.4, of rounded values
        ((2, 5, 0), 0, 100),
        ((-3, 0, 0), 0, 100),
        ((5, -11, 11), 0, 100),
        ((6, 0, 0), 0, 0),
        ((0, 0, -12), 0, 0),
    ],
)
def test_epsilon_accuracy_is_nazeris_count_of_near_pixels(error, at_2, at_5):
    true, seen = of_lab((50, 10, -20)), of_lab((50 + error[0], 10 + error[1], -20 + error[2]))
    assert (d.epsilon_2(true, seen).item(), d.epsilon_5(true, seen).item()) == (at_2, at_5)
    # Rounded first: 0.4 + 2 units off still count as 2.
    assert d.epsilon_2(of_lab((50.4, 0, 0)), of_lab((52.49, 0, 0))).item() == 100


def test_areas_are_those_of_trapezoids_under_the_pooled_curve(pairs):
    lab = [np.stack([skimage.color.rgb2lab(p) for p in batch.movedim(1, -1).numpy()]) for batch in pairs]
    distance = np.hypot(*np.moveaxis((lab[1] - lab[0])[..., 1:], -1, 0))
    within = [(distance <= t).mean() for t in range(151)]
    found = score_images(*pairs, ["auc"])["auc"]
    assert found.mean().item() == pytest.approx(np.trapezoid(within) / 150 * 100, abs=1e-3)


@pytest.mark.parametrize(
    ("distance", "expected"),
    [(0, 100), (0.01, 149.5 / 1.5), (1, 149.5 / 1.5), (1.01, 148.5 / 1.5), (150, 0.5 / 1.5), (150.01, 0), (400, 0)],
)
def test_area_of_one_pixel(distance, expected):
    within = [float(distance <= t) for t in range(151)]
    assert np.trapezoid(within) / 150 * 100 == pytest.approx(expected)
    assert d.auc(of_lab((50, 0, 0)), of_lab((50, distance, 0))).item() == pytest.approx(expected)


@pytest.mark.slow
def test_gray_on_cifar_has_the_scores_that_another_program_found():
    """scikit-image 0.26 and NumPy, float Lab, on the same 5,000 images."""
    rgb = real("cifar10.tar", "test", 32).rgb
    quick = ("epsilon_2", "epsilon_5", "psnr", "mae", "auc")
    found = score_images(rgb, colored(gray(), rgb), quick)
    expected = {"epsilon_2": 24.8, "epsilon_5": 56.3, "psnr": 25.48, "mae": 9.06, "auc": 90.40}
    for name, value in expected.items():
        # Where images are gray themselves, that program stopped at 100 dB.
        assert found[name].clamp(max=100).mean().item() == pytest.approx(value, rel=3e-3)
    assert score_images(rgb, rgb, ["colorfulness"])["colorfulness"].mean().item() == pytest.approx(30.70, abs=0.01)
    some = rgb[::10]
    slow = score_images(some, colored(gray(), some), ["ssim", "ciede2000"])
    assert slow["ssim"].mean().item() == pytest.approx(0.952, abs=0.004)
    assert slow["ciede2000"].mean().item() == pytest.approx(10.45, abs=0.4)


@pytest.mark.slow
def test_gray_on_imagenet_has_the_areas_that_zhang_published():
    """arXiv:1603.08511, table 1: 89.1 and, with another prior of the same photographs, 58.0."""
    tiny = compare({"gray": gray()}, real("tinyimagenet.tar", "val", 64), scores=["auc", "auc_rebalanced"])
    means = summary(tiny).loc["gray"]
    assert means["auc"] == pytest.approx(89.1, abs=0.6)
    assert means["auc_rebalanced"] == pytest.approx(58.0, abs=2 * means["auc_rebalanced_se"])
    assert means["auc_rebalanced_se"] < 2
    assert tiny["auc_rebalanced"].mean() > 75  # what a plain mean over images would make of it


# Definitions


def test_the_rebalanced_area_of_all_images_is_that_of_their_pooled_pixels(pairs):
    true, seen = (batch.movedim(1, 0).reshape(1, 3, 1, -1) for batch in pairs)
    table = pd.DataFrame(score_images(*pairs, ["auc_rebalanced"]))
    assert list(table) == ["auc_rebalanced", "auc_weight"]
    means = summary(table.assign(model="any")).loc["any"]
    assert means["auc_rebalanced"] == pytest.approx(one("auc_rebalanced", true, seen), rel=1e-5)
    assert means["auc_rebalanced"] != pytest.approx(table["auc_rebalanced"].mean(), abs=0.5)


def test_its_standard_error_is_that_of_resampled_images():
    rng = np.random.default_rng(0)
    weights = rng.lognormal(size=400)
    table = pd.DataFrame({"model": "any", "auc_rebalanced": rng.normal(60, 9, 400) - weights, "auc_weight": weights})
    drawn = table.loc[rng.integers(400, size=(2000, 400)).ravel()]
    values, weights = (drawn[name].to_numpy().reshape(2000, 400) for name in ("auc_rebalanced", "auc_weight"))
    resampled = ((values * weights).sum(axis=1) / weights.sum(axis=1)).std()
    assert summary(table)["auc_rebalanced_se"].item() == pytest.approx(resampled, rel=0.1)


def test_rare_colors_weigh_more_and_the_prior_is_one_of_photographs():
    grayish, vivid = of_rgb((128, 120, 110)), of_rgb((255, 0, 200))
    assert one("auc_weight", vivid, vivid) > 1000 * one("auc_weight", grayish, grayish)
    prior = rebalancing.prior()
    assert prior.sum().item() == pytest.approx(1, abs=1e-3)
    assert prior.argmax().item() == rebalancing.cells(torch.tensor([50.0, 0, 0]).view(1, 3, 1, 1)).item()
    counts = pd.read_csv(rebalancing.FILE, comment="#")["pixels"]
    assert counts.sum() == 40_000 * 64 * 64
    # Red has a = 80, b = 67; blue a = 79, b = -108.
    assert rebalancing.histogram(of_rgb(RED, BLUE)).nonzero().tolist() == [[19, 0], [19, 18]]


def test_too_dull_and_too_vivid_cancel_in_the_difference_of_means_alone():
    true = torch.cat([of_rgb(RED), of_rgb(RED)])
    seen = torch.cat([of_rgb(BLACK), of_rgb(RED, GREEN)])
    values = score_images(true, seen, ["colorfulness_difference"])
    means = summary(pd.DataFrame(values).assign(model="any")).loc["any"]
    # |0 - 85.53|, |293.25 - 85.53| and |146.625 - 85.53|
    assert means["colorfulness_difference"] == pytest.approx((85.5296 + 207.7204) / 2, abs=1e-3)
    assert means["colorfulness_difference_of_means"] == pytest.approx(61.0954, abs=1e-3)


@settings(max_examples=30)
@given(seed=st.integers(0, 2**16), spread=st.integers(1, 256))
def test_bounds_and_best_values(seed, spread):
    generator = torch.Generator().manual_seed(seed)
    rgb = torch.randint(0, spread, (2, 2, 3, 11, 12), dtype=torch.uint8, generator=generator)
    same, other = score_images(rgb[0], rgb[0], tuple(SCORES)), score_images(rgb[0], rgb[1], tuple(SCORES))
    for name, definition in SCORES.items():
        assert same[name].dtype == torch.float64
        assert same[name].shape == (2,)
        assert not other[name].isnan().any()
        if definition.best is not None:
            assert same[name].tolist() == pytest.approx([definition.best] * 2, abs=1e-5)
            sign = {"lower": 1, "higher": -1, "none": 0}[definition.direction]
            assert (sign * (other[name] - same[name]) >= -1e-5).all() or math.isinf(definition.best)


def test_a_images_scores_do_not_depend_on_the_others_in_its_batch(pairs):
    together = score_images(*pairs, tuple(SCORES))
    for i in range(len(pairs[0])):
        alone = score_images(pairs[0][i : i + 1], pairs[1][i : i + 1], tuple(SCORES))
        for name in SCORES:
            assert alone[name].item() == pytest.approx(together[name][i].item(), rel=1e-5)


@pytest.mark.parametrize("name", SCORES)
def test_every_score_is_defined_in_its_docstring(name):
    definition = SCORES[name]
    assert definition.name == name == definition.measure.__name__
    assert definition.source
    ways = ("lower is better", "igher is better", "Neither direction is better", "best is 0", "Above 0")
    assert any(way in definition.measure.__doc__ for way in ways)


# Mistakes


def test_what_cannot_be_scored_is_refused_with_the_way_out():
    rgb = of_rgb(RED)
    with pytest.raises(ValueError, match=r"no score 'lpips'; there are mse, .*ssim"):
        score_images(rgb, rgb, ["lpips"])
    with pytest.raises(ValueError, match=r"one shape, got \(1, 3, 2, 2\) and \(1, 3, 2, 4\)"):
        score_images(rgb, of_rgb(RED, size=(2, 4)))
    with pytest.raises(ValueError, match=r"uint8 RGB .* got torch.float32 .*to_uint8"):
        score_images(rgb, rgb / 255)
    with pytest.raises(ValueError, match=r"at least 11×11 pixels, these have 2×2; leave .*ssim"):
        score_images(rgb, rgb, ["ssim"])


# Tables of several models


@pytest.fixture(scope="module")
def few():
    rgb = create_dataset("placeholder", "val", size=32).rgb[::29].clone()
    return ImageDataset(rgb, torch.tensor([0, 2, 1, 1, 0, 2, 2]), ("a", "b", "c"))


@pytest.fixture(scope="module")
def everything(few):
    perceptual = PerceptualDistance("colorlab")
    models = {"warm": ConstantColor((15, 20)), "mean color": mean_color(few), "gray": gray()}
    return compare(models, few, scores=tuple(SCORES), perceptual=perceptual, original=True, batch_size=3)


def test_all_scores_of_all_models_in_one_table(few, everything):
    label = "perceptual distance (colorlab trunk)"
    assert set(everything) == {"model", "image", "label", *SCORES, label}
    assert list(everything)[:3] == ["model", "image", "label"]
    assert everything["model"].unique().tolist() == ["original", "warm", "mean color", "gray"]
    assert everything["image"].tolist() == list(range(7)) * 4
    assert everything["label"].tolist() == ["a", "c", "b", "b", "a", "c", "c"] * 4
    for name, model in {"warm": ConstantColor((15, 20)), "gray": gray()}.items():
        rows = everything[everything["model"] == name].reset_index(drop=True)
        shown = colored(model, few.rgb)
        expected = pd.DataFrame(score_images(few.rgb, shown, tuple(SCORES)))
        pd.testing.assert_frame_equal(rows[list(SCORES)], expected, check_like=True, rtol=1e-5)
        assert rows[label].to_numpy() == pytest.approx(
            PerceptualDistance("colorlab")(few.rgb, shown).numpy(), rel=1e-4
        )
    original = everything[everything["model"] == "original"]
    assert (original[label] == 0).all()
    assert np.isinf(original["psnr"]).all()


def test_the_originals_are_looked_at_once_for_all_models(few, monkeypatch):
    perceptual = PerceptualDistance("colorlab")
    looked, features = [], perceptual.features
    monkeypatch.setattr(perceptual, "features", lambda rgb: looked.append(rgb.clone()) or features(rgb))
    compare({"gray": gray(), "warm": ConstantColor((15, 20))}, few, perceptual=perceptual)
    assert sum(len(rgb) for rgb in looked) == 3 * len(few)
    assert sum(torch.equal(rgb, few.rgb) for rgb in looked) == 1


def test_models_keep_their_modes_and_are_scored_in_eval_mode(few):
    training, ready = create_colorizer("resnet").train(), create_colorizer("resnet").eval()
    torch.manual_seed(0)
    torch.nn.init.normal_(training.head[-2].weight, std=0.01)  # else it would be gray in either mode
    ready.load_state_dict(training.state_dict())
    assert not torch.equal(colored(training, few.rgb), colored(ready, few.rgb))
    ready.load_state_dict(training.state_dict())
    table = compare({"training": training, "ready": ready}, few)
    assert training.training
    assert not ready.training
    values = [rows["mse"].to_numpy() for _, rows in table.groupby("model")]
    assert values[0].tolist() == values[1].tolist() != score(gray(), few)["mse"].tolist()


def test_means_of_columns_that_are_no_formulas(few):
    table = score(gray(), few).assign(model="gray", top1=[True] * 3 + [False] * 4)
    table["top5"] = pd.array([pd.NA] * 7, dtype="boolean")
    means = summary(table).loc["gray"]
    assert means["top1"] == pytest.approx(3 / 7)
    assert means["top1_se"] == pytest.approx(scipy.stats.sem([1, 1, 1, 0, 0, 0, 0]))
    assert math.isnan(means["top5"])
    assert "image" not in means


def test_all_means_of_psnr_are_about_the_same_images(few):
    rgb = few.rgb.clone()
    rgb[3] = rgb[3, :1]  # which gray alone meets exactly
    table = compare({"gray": gray(), "warm": ConstantColor((15, 20))}, ImageDataset(rgb, few.labels, few.classes))
    means = summary(table)
    for name, rows in table.groupby("model"):
        assert means["psnr"][name] == pytest.approx(rows["psnr"][rows["image"] != 3].mean())
        assert means["psnr_se"][name] == pytest.approx(scipy.stats.sem(rows["psnr"][rows["image"] != 3]))
        assert means["mse"][name] == pytest.approx(rows["mse"].mean())
    assert means["n"].tolist() == [7, 7]
    shuffled = summary(table.sample(frac=1, random_state=0)).loc[means.index]
    pd.testing.assert_frame_equal(shuffled, means)


def test_images_met_exactly_have_an_infinite_psnr_on_the_mean(everything):
    assert summary(everything)["psnr"]["original"] == math.inf


# The leaderboard


def test_the_leaderboard_is_best_first_and_says_what_it_shows(everything):
    board = leaderboard(everything, ["mae", "psnr", "colorfulness"])
    assert list(board) == ["MAE of a, b (Lab, ↓)", "PSNR (dB, ↑)", "colorfulness", "n"]
    assert set(BASELINES) < set(board.index)
    means = summary(everything)
    assert board.index.tolist() == means["mae"].sort_values().index.tolist()
    assert board.index[0] == "original"
    assert (
        leaderboard(everything, ["psnr"]).index.tolist() == means["psnr"].sort_values(ascending=False).index.tolist()
    )
    assert board["MAE of a, b (Lab, ↓)"]["gray"] == plus_minus(*means.loc["gray", ["mae", "mae_se"]])
    assert board["PSNR (dB, ↑)"]["original"] == "∞"
    assert set(board["n"]) == {"7"}


def test_the_originals_meet_themselves_without_any_error_of_rounding(everything):
    means = summary(everything).loc["original"]
    assert means["auc_rebalanced"] == pytest.approx(100)
    assert means["auc_rebalanced_se"] == 0
    assert leaderboard(everything, ["auc_rebalanced"]).loc["original"].iloc[0].startswith("100")
    assert "00000000" not in leaderboard(everything, ["auc_rebalanced"]).loc["original"].iloc[0]


def test_the_leaderboard_shows_all_scores_but_auxiliary_ones(everything):
    board = leaderboard(everything)
    assert "perceptual distance (colorlab trunk) (↓)" in board
    assert not {heading("auc_weight"), heading("colorfulness_gain")} & set(board)


@pytest.mark.parametrize("missing", BASELINES)
def test_a_leaderboard_without_a_baseline_is_refused(everything, missing):
    with pytest.raises(ValueError, match=f"and {missing} is not in the table"):
        leaderboard(everything[everything["model"] != missing])


def test_a_leaderboard_of_other_images_is_refused(everything):
    with pytest.raises(ValueError, match="the same images"):
        leaderboard(everything.drop(index=len(everything) - 1))
    with pytest.raises(ValueError, match="no score 'lpips'"):
        leaderboard(everything, ["lpips"])


@pytest.mark.parametrize(
    ("mean", "error", "text"),
    [
        (9.8123, 0.3812, "9.81 ± 0.38"),
        (298.2, 9.14, "298.2 ± 9.1"),
        (1234.5, 123.4, "1234 ± 123"),
        (0.00287, 0.000041, "0.002870 ± 0.000041"),
        (0, 0, "0"),
        (25.478, math.nan, "25.48"),
        (math.inf, math.nan, "∞"),
        (math.nan, math.nan, "–"),
    ],
)
def test_two_digits_of_the_error(mean, error, text):
    assert plus_minus(mean, error) == text


def test_markdown(everything):
    lines = to_markdown(leaderboard(everything, ["mae", "colorfulness_difference"])).splitlines()
    assert lines[0] == "| model | MAE of a, b (Lab, ↓) | \\|Δ colorfulness\\| (↓) | n |"
    assert lines[1] == "| --- | ---: | ---: | ---: |"
    assert lines[2] == "| original | 0 | 0 | 7 |"
    assert len(lines) == 6
