"""Scores and baselines: against scikit-image, NumPy and SciPy, then against models whose errors are known."""

import numpy as np
import pytest
import scipy.stats
import skimage
import torch

from colorlab import color
from colorlab.data import ImageDataset, create_dataset
from colorlab.evaluation import baselines, compare, gray, mean_color, score, summary
from colorlab.models import Colorizer, ConstantColor, create_colorizer

ERRORS = ["mse", "mae"]


@pytest.fixture(scope="module")
def dataset():
    return create_dataset("placeholder", "test")


@pytest.fixture(scope="module")
def few():
    """Seven images of three classes, one of them gray."""
    rgb = create_dataset("placeholder", "val", size=16).rgb[::29].clone()
    rgb[3] = rgb[3, :1]
    return ImageDataset(rgb, torch.tensor([0, 2, 1, 1, 0, 2, 2]), ("a", "b", "c"))


@pytest.fixture(scope="module")
def muted():
    """Six images of muted colors, all of which may change by some units and stay inside the gamut."""
    torch.manual_seed(0)
    rgb = torch.randint(90, 150, (6, 3, 16, 16), dtype=torch.uint8)
    return ImageDataset(rgb, torch.zeros(6, dtype=torch.int64), ["any"])


class Oracle(Colorizer):
    """Answers with the true colors of a data set, moved by a constant in Lab units."""

    def __init__(self, dataset, shift=0.0):
        super().__init__()
        self.lightness, ab = color.split(color.rgb_to_lab(dataset.rgb))
        self.ab = ab + shift / color.AB_SCALE

    def predict(self, lightness):
        same = (self.lightness[None] == lightness[:, None]).flatten(2).all(dim=2)
        return self.ab[same.int().argmax(dim=1)]


def lab_by_skimage(rgb):
    return np.stack([skimage.color.rgb2lab(image) for image in rgb.movedim(1, -1).numpy()])


# Outside truth


@pytest.fixture(scope="module")
def colored_by_skimage(few):
    """The images in one color, outside the gamut wherever it is dark; 8-bit, channels last."""
    lab = lab_by_skimage(few.rgb)
    lab[..., 1:] = (30, 60)
    fitted = color.fit_to_gamut(torch.from_numpy(lab).movedim(-1, 1)).movedim(1, -1).numpy()
    return np.rint(np.stack([skimage.color.lab2rgb(image) for image in fitted]) * 255).astype(np.uint8)


def test_errors_agree_with_scikit_images_colors(few, colored_by_skimage):
    found = score(ConstantColor((30, 60)), few)
    seen = np.stack([skimage.color.rgb2lab(image) for image in colored_by_skimage])
    error = (seen - lab_by_skimage(few.rgb))[..., 1:]
    assert found["mse"].to_numpy() == pytest.approx((error**2).mean(axis=(1, 2, 3)), rel=1e-3)
    assert found["mae"].to_numpy() == pytest.approx(np.abs(error).mean(axis=(1, 2, 3)), rel=1e-3)


def test_psnr_agrees_with_scikit_image(few, colored_by_skimage):
    expected = [
        skimage.metrics.peak_signal_noise_ratio(true.movedim(0, -1).numpy(), image)
        for true, image in zip(few.rgb, colored_by_skimage, strict=True)
    ]
    assert score(ConstantColor((30, 60)), few)["psnr"].to_numpy() == pytest.approx(expected, abs=0.01)


def test_mean_color_of_many_images_looks_at_some_evenly_spaced(few, monkeypatch):
    monkeypatch.setattr(baselines, "ENOUGH", 3)
    n = len(few)
    chosen = ImageDataset(few.rgb[[0, n // 3, 2 * n // 3]], few.labels[:3], few.classes)
    torch.testing.assert_close(mean_color(few, batch_size=2).ab, mean_color(chosen).ab)


def test_mean_color_agrees_with_scikit_image(few):
    baseline = mean_color(few)(torch.zeros(1, 1, 1, 1)).flatten() * color.AB_SCALE
    assert baseline.tolist() == pytest.approx(lab_by_skimage(few.rgb)[..., 1:].mean(axis=(0, 1, 2)), abs=0.008)


def test_means_and_errors_agree_with_scipy(few):
    table = summary(compare({"gray": gray(), "shifted": Oracle(few, 5)}, few))
    for name, model in {"gray": gray(), "shifted": Oracle(few, 5)}.items():
        scores = score(model, few)
        for column in ERRORS:
            assert table.loc[name, column] == pytest.approx(scores[column].mean())
            assert table.loc[name, f"{column}_se"] == pytest.approx(scipy.stats.sem(scores[column]), abs=1e-6)


# Models whose errors are known


def test_the_true_colors_have_no_error(few):
    scores = score(Oracle(few), few)
    assert scores[ERRORS].to_numpy() == pytest.approx(0, abs=1e-6)
    assert np.isinf(scores["psnr"]).all()


def test_colors_that_are_all_off_by_five_have_that_error(muted):
    # All inside the gamut; but 8 bits round them.
    scores = score(Oracle(muted, shift=-5), muted)
    assert scores["mae"].to_numpy() == pytest.approx(5, abs=0.05)
    assert scores["mse"].to_numpy() == pytest.approx(25, abs=0.5)


def test_colors_outside_the_gamut_are_scored_as_they_are_seen(few):
    seen = score(ConstantColor((500, 500)), few)
    assert seen["mae"].max() < 110
    further = score(ConstantColor((1000, 1000)), few)
    assert seen["mae"].to_numpy() == pytest.approx(further["mae"].to_numpy(), rel=1e-3)


def test_gray_is_right_about_gray_images_alone(few):
    scores = score(gray(), few)
    assert (scores["mse"] == 0).tolist() == [False, False, False, True, False, False, False]
    assert np.isinf(scores["psnr"]).tolist() == (scores["mse"] == 0).tolist()


def test_no_constant_color_has_a_lower_squared_error_than_the_mean(muted):
    def mse(model):
        return score(model, muted)["mse"].mean()

    mean = mean_color(muted)
    a, b = (mean(torch.zeros(1, 1, 1, 1)).flatten() * color.AB_SCALE).tolist()
    for other in (gray(), ConstantColor((a + 2, b)), ConstantColor((a, b - 2))):
        assert mse(mean) < mse(other)


# Tables


def test_a_row_for_each_image_in_the_data_sets_order(few):
    scores = score(gray(), few)
    assert scores["label"].tolist() == ["a", "c", "b", "b", "a", "c", "c"]
    for i in range(len(few)):
        alone = score(gray(), ImageDataset(few.rgb[i : i + 1], few.labels[i : i + 1], few.classes))
        assert alone["mae"].item() == pytest.approx(scores["mae"][i])


@pytest.mark.parametrize("batch_size", [1, 3, 7, 100])
def test_scores_do_not_depend_on_the_batch_size(few, batch_size):
    torch.manual_seed(0)
    model = create_colorizer("resnet").train()
    torch.nn.init.normal_(model.head[-2].weight, std=0.01)
    whole = score(model, few)
    parts = score(model, few, batch_size=batch_size)
    assert parts[ERRORS].to_numpy() == pytest.approx(whole[ERRORS].to_numpy(), rel=1e-3)
    assert torch.allclose(mean_color(few, batch_size=batch_size).ab, mean_color(few).ab)


def test_comparing_puts_the_models_tables_under_each_other(dataset):
    models = {"mean color": mean_color(dataset), "gray": gray()}
    table = compare(models, dataset)
    assert table["model"].tolist() == ["mean color"] * len(dataset) + ["gray"] * len(dataset)
    assert table["mse"].to_numpy()[-len(dataset) :].tolist() == score(gray(), dataset)["mse"].tolist()
    assert summary(table).index.tolist() == list(models)
    assert summary(table)["n"].tolist() == [len(dataset)] * 2


def test_infinite_psnr_is_left_out_of_its_mean_and_nothing_else(few):
    scores = compare({"gray": gray()}, few)
    row = summary(scores).loc["gray"]
    finite = scores["psnr"][np.isfinite(scores["psnr"])]
    assert len(finite) == len(few) - 1
    assert row["psnr"] == pytest.approx(finite.mean())
    assert row["psnr_se"] == pytest.approx(scipy.stats.sem(finite))
    assert row["mse"] == pytest.approx(scores["mse"].mean())
    assert row["n"] == len(few)


@pytest.mark.parametrize("training", [True, False])
def test_a_model_is_left_in_the_mode_it_came_in(few, training):
    model = create_colorizer("resnet").train(training)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    score(model, few)
    assert model.training == training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
