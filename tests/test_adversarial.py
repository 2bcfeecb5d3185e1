"""The adversarial game: what each network learns from, what it must not learn from, and what the history shows."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from colorlab import color
from colorlab.data import create_dataset
from colorlab.models import create_colorizer
from colorlab.training import CollapseWarning, TrainingOptions, train
from colorlab.training.adversarial import Adversarial, verdict_loss
from colorlab.training.distributed import Processes


def learner(**options):
    """A game about to begin, its generator already off gray."""
    torch.manual_seed(0)
    given = {"model_name": "nazerigan32", "precision": "float32", "device": "cpu", **options}
    game = Adversarial(TrainingOptions(**given), Processes(), steps=10)
    nn.init.normal_(game.generator.to_ab.weight, std=0.1)
    game.train()
    return game


@pytest.fixture(scope="module")
def batch():
    dataset = create_dataset("placeholder", "train")
    return dataset.rgb[::160], dataset.labels[::160]


def gradients(network):
    return torch.cat([parameter.grad.flatten() for parameter in network.parameters()])


def weights(network):
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def distance(ours, theirs):
    """Of two lists of gradients, relative to the second."""
    return ((ours - theirs).norm() / theirs.norm()).item()


def binary_cross_entropy(logits, label):
    """From its definition, in float64."""
    probability = 1 / (1 + np.exp(-np.asarray(logits, dtype=np.float64)))
    return float(np.mean(-label * np.log(probability) - (1 - label) * np.log(1 - probability)))


# The loss of a verdict


@pytest.mark.parametrize("label", [0.9, 0.0])
def test_the_loss_of_a_verdict_is_binary_cross_entropy_of_its_logits(label):
    logits = [-8.0, -1.5, 0.0, 0.3, 2.0, 8.0]
    loss = verdict_loss(torch.tensor(logits), label).item()
    assert loss == pytest.approx(binary_cross_entropy(logits, label), rel=1e-6)
    assert verdict_loss(torch.zeros(3, 1, 2, 2), label).item() == pytest.approx(math.log(2))


def test_a_perfect_discriminator_comes_to_the_least_possible_loss():
    # The entropy of the label 0.9. Sigmoid twice, and no answer leaves 0.5…0.73: 0.38 for real, 0.69 for painted.
    least = -0.9 * math.log(0.9) - 0.1 * math.log(0.1)
    assert verdict_loss(torch.full((4, 1), math.log(9)), 0.9).item() == pytest.approx(least, abs=1e-6)
    assert verdict_loss(torch.full((4, 1), -30.0), 0.0).item() == pytest.approx(0, abs=1e-6)


def test_a_discriminator_learns_to_be_all_but_sure(batch):
    # A generator that stands still, and a step for the discriminator again and again.
    game = learner(learning_rate=1e-3)
    game.optimizers[0].param_groups[0]["lr"] = 0.0
    for _ in range(15):
        statistics = game.train_step(*batch)
    assert statistics["d_real"] > 0.8
    assert statistics["d_fake"] < 0.1
    assert statistics["d_loss"] < 0.6  # of at least 0.325; with two sigmoids, at least 1.07


# What each network learns from


def test_l1_is_that_of_the_colors(batch):
    game = learner()
    rgb, _ = batch
    lightness, ab = color.split(color.rgb_to_lab(rgb))
    with torch.no_grad():
        expected = (game.generator(lightness) - ab).abs().mean()
    game = learner()  # batch norm has moved
    statistics = game.train_step(*batch)
    assert statistics["l1"].item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("l1_weight", [0.0, 100.0])
def test_the_generator_learns_from_its_own_loss_alone(batch, l1_weight):
    # By hand, on the same networks: −log D(G) with label 0.9, and λ times the L1 of a and b.
    twin = learner()
    lightness, ab = color.split(color.rgb_to_lab(batch[0]))
    fake = twin.generator(lightness)
    loss = nn.BCEWithLogitsLoss()(twin.discriminator(lightness, fake), torch.full((len(ab), 1, 1, 1), 0.9))
    loss = loss + l1_weight * (fake - ab).abs().mean()
    expected = torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(twin.generator.parameters()))])

    game = learner(l1_weight=l1_weight)
    statistics = game.train_step(*batch)
    assert statistics["loss"].item() == pytest.approx(loss.item(), rel=1e-5)
    assert distance(gradients(game.generator), expected) < 1e-4


def test_the_discriminator_learns_from_its_own_loss_alone(batch):
    twin = learner()
    lightness, ab = color.split(color.rgb_to_lab(batch[0]))
    with torch.no_grad():
        fake = twin.generator(lightness)
    real_logits, fake_logits = twin.discriminator(lightness, ab), twin.discriminator(lightness, fake)
    criterion = nn.BCEWithLogitsLoss()
    loss = criterion(real_logits, torch.full_like(real_logits, 0.9))
    loss = loss + criterion(fake_logits, torch.zeros_like(fake_logits))
    expected = torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(twin.discriminator.parameters()))])

    game = learner()
    statistics = game.train_step(*batch)
    assert statistics["d_loss"].item() == pytest.approx(loss.item(), rel=1e-5)
    assert statistics["d_real"].item() == pytest.approx(real_logits.sigmoid().mean().item(), rel=1e-5)
    assert statistics["d_fake"].item() == pytest.approx(fake_logits.sigmoid().mean().item(), rel=1e-5)
    assert distance(gradients(game.discriminator), expected) < 1e-4


def test_no_gradient_is_left_over_for_the_next_batch(batch):
    game = learner()
    for optimizer in game.optimizers:
        optimizer.param_groups[0]["lr"] = 0.0
    game.eval()  # so that a second step is the first one again
    game.train_step(*batch)
    first = [gradients(game.generator), gradients(game.discriminator)]
    game.train_step(*batch)
    assert torch.equal(gradients(game.generator), first[0])
    assert torch.equal(gradients(game.discriminator), first[1])
    assert all(parameter.requires_grad for parameter in game.discriminator.parameters())


@pytest.mark.parametrize("accumulation_steps", [1, 3])
def test_both_networks_take_one_step_a_batch(batch, accumulation_steps):
    game = learner(accumulation_steps=accumulation_steps)
    before = [weights(game.generator), weights(game.discriminator)]
    for steps in (1, 2):
        game.train_step(*batch)
        for optimizer in game.optimizers:
            assert {int(state["step"]) for state in optimizer.state.values()} == {steps}
    # Adam's first steps are of the learning rate each, or little more.
    for network, old in zip((game.generator, game.discriminator), before, strict=True):
        moved = (weights(network) - old).abs().max().item()
        assert 2e-4 < moved < 2.2 * 2e-4


def test_the_two_learn_from_the_same_state_of_each_other(batch):
    # Neither is updated before the other one has its gradient.
    game, twin = learner(), learner()
    game.train_step(*batch)
    twin.optimizers[1].param_groups[0]["lr"] = 0.0
    twin.train_step(*batch)
    assert torch.equal(weights(game.generator), weights(twin.generator))
    game, twin = learner(), learner()
    game.train_step(*batch)
    twin.optimizers[0].param_groups[0]["lr"] = 0.0
    twin.train_step(*batch)
    assert torch.equal(weights(game.discriminator), weights(twin.discriminator))


def test_accumulated_gradients_are_those_of_the_whole_batch(batch):
    whole, cut = learner(), learner(accumulation_steps=2)
    statistics = []
    for game in (whole, cut):
        game.eval()  # batch norm would look at each part by itself
        statistics.append(game.train_step(*batch))
    assert distance(gradients(cut.generator), gradients(whole.generator)) < 1e-4
    assert distance(gradients(cut.discriminator), gradients(whole.discriminator)) < 1e-4
    for name, value in statistics[0].items():
        assert statistics[1][name].item() == pytest.approx(value.item(), rel=1e-4)


def test_parts_of_unequal_size_count_by_their_images(batch):
    rgb, labels = batch[0][:5], batch[1][:5]
    whole, cut = learner(), learner(accumulation_steps=2)
    for game in (whole, cut):
        game.eval()
        game.train_step(rgb, labels)
    assert distance(gradients(cut.generator), gradients(whole.generator)) < 1e-4
    assert distance(gradients(cut.discriminator), gradients(whole.discriminator)) < 1e-4


def test_both_optimizers_are_the_seeds():
    game = learner()
    for optimizer, network in zip(game.optimizers, (game.generator, game.discriminator), strict=True):
        assert isinstance(optimizer, torch.optim.Adam)
        (group,) = optimizer.param_groups
        assert (group["lr"], group["betas"], group["weight_decay"]) == (2e-4, (0.5, 0.999), 0)
        assert {id(parameter) for parameter in group["params"]} == {id(p) for p in network.parameters()}


# What the history shows


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Options of a run over 96 training and 20 validation images."""
    root = tmp_path_factory.mktemp("tiny")
    for split in ("train", "val"):
        (root / "images" / split).mkdir(parents=True)
        for number, image in enumerate(create_dataset("placeholder", split).rgb[::10]):
            Image.fromarray(image.movedim(0, -1).numpy()).save(root / "images" / split / f"{number:02d}.png")

    def options(name, **others):
        return TrainingOptions(
            **{
                "experiment_name": name,
                "output_root_path": root,
                "dataset_name": str(root / "images"),
                "model_name": "nazerigan32",
                "max_epochs": 1,
                "max_images": 0,
                "precision": "float32",
                "train_batch_size": 8,
                **others,
            }
        )

    return options


@pytest.fixture(scope="module")
def learned(tiny):
    """A run in which nothing may be warned of."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return train(tiny("learned", learning_rate=1e-3))


def test_the_history_of_a_game_shows_both_sides(learned):
    row = learned.history.table().loc[1]
    expected = {"loss", "l1", "d_loss", "d_real", "d_fake"}
    assert {f"train_{name}" for name in expected} <= set(row.index)
    assert {"val_loss", "val_mae", "val_colorfulness", "val_true_colorfulness"} <= set(row.index)
    assert 0 < row["train_d_fake"] < row["train_d_real"] < 1
    # The generator's loss: cross entropy above its least, and λ = 100 times L1.
    assert row["train_loss"] > 100 * row["train_l1"] + 0.325
    assert row["val_mae"] == pytest.approx(110 * row["val_loss"], rel=1e-4)


def test_colorfulness_in_the_history_is_that_of_the_images(learned, tiny):
    row = learned.history.table().loc[1]
    valset = tiny("learned").dataset("val")
    assert len(valset) == 20
    assert row["val_true_colorfulness"] == pytest.approx(color.colorfulness(valset.rgb).mean().item(), rel=1e-4)
    lightness, _ = color.split(color.rgb_to_lab(valset.rgb))
    with torch.no_grad():
        lab = color.fit_to_gamut(color.join(lightness, learned.model(lightness)))
    painted = color.colorfulness(color.lab_to_rgb(lab)).mean().item()
    assert row["val_colorfulness"] == pytest.approx(painted, rel=1e-3)


def test_the_best_epoch_is_not_the_dullest():
    """Gray comes to 2 by its error and its want of color; less error or more color is better, too much is not."""

    def epoch_score(mae, colorfulness):
        row = {"val_mae": mae, "val_gray_mae": 10.0, "val_colorfulness": colorfulness, "val_true_colorfulness": 40.0}
        return learner().epoch_score(row)

    assert epoch_score(10, 0) == -2
    assert epoch_score(0, 40) == 0
    assert epoch_score(9, 12) < epoch_score(9.5, 24)  # the error alone has it the other way round
    assert epoch_score(9, 80) < epoch_score(9, 40)


def test_the_history_of_a_game_knows_the_error_of_gray(learned, tiny):
    _, ab = color.split(color.rgb_to_lab(tiny("learned").dataset("val").rgb))
    assert learned.history.table().loc[1, "val_gray_mae"] == pytest.approx(110 * ab.abs().mean().item(), rel=1e-4)


def test_outputs_that_collapsed_to_gray_are_warned_of(tiny):
    # A learning rate of nearly nothing: the generator stays at gray, where it starts.
    with pytest.warns(CollapseWarning, match=r"after epoch 1 .* nearly gray: colorfulness 0\.\d, while") as seen:
        run = train(tiny("collapsed", learning_rate=1e-12, train_batch_size=48))
    assert len(seen) == 1
    row = run.history.table().loc[1]
    assert row["val_colorfulness"] < 0.1 * row["val_true_colorfulness"]
    assert f"real images have {row['val_true_colorfulness']:.1f}" in str(seen[0].message)


def test_regression_is_not_warned_of(tiny):
    # Gray after an epoch of nothing, as it should: there is no game to collapse.
    run = train(tiny("regression", model_name="resnet", image_size=8, learning_rate=1e-12))
    assert "val_colorfulness" not in run.history.table()


# Colorfulness, after Hasler and Süsstrunk


def image(*halves):
    """8 × 8 pixels, left and right half of one color each."""
    rgb = torch.zeros(3, 8, 8, dtype=torch.uint8)
    for number, half in enumerate(halves):
        rgb[:, :, number * 8 // len(halves) :] = torch.tensor(half, dtype=torch.uint8).view(3, 1, 1)
    return rgb


RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


@pytest.mark.parametrize(
    ("halves", "expected"),
    [
        # By hand from the paper's formula, rg = R - G and yb = (R + G)/2 - B.
        ([(0, 0, 0)], 0),
        ([(128, 128, 128)], 0),
        ([(255, 255, 255), (7, 7, 7)], 0),
        ([RED], 0.3 * math.hypot(255, 127.5)),
        ([RED], 85.5296),
        ([RED, GREEN], 293.25),
        ([RED, BLUE], 272.6187),
    ],
)
def test_colorfulness_of_plain_images(halves, expected):
    assert color.colorfulness(image(*halves)).item() == pytest.approx(expected, abs=1e-3)


def test_colorfulness_agrees_with_numpy_image_by_image():
    rgb = create_dataset("placeholder", "val").rgb[::20]
    expected = []
    for one in rgb.numpy().astype(np.float64):
        rg, yb = one[0] - one[1], (one[0] + one[1]) / 2 - one[2]
        expected.append(np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean()))
    assert color.colorfulness(rgb).tolist() == pytest.approx(expected, rel=1e-4)
    assert color.colorfulness(rgb.double() / 255).tolist() == pytest.approx(expected, rel=1e-9)
    assert color.colorfulness(rgb[0]).shape == ()
    assert color.colorfulness(rgb.view(5, 2, 3, 32, 32)).shape == (5, 2)


def test_colorfulness_rises_with_chroma():
    rgb = create_dataset("placeholder", "val").rgb[100]
    lab = color.rgb_to_lab(rgb)
    by_chroma = [
        color.colorfulness(color.lab_to_rgb(lab * torch.tensor([1, factor, factor]).view(3, 1, 1))).item()
        for factor in (0, 0.25, 0.5, 0.75, 1)
    ]
    assert by_chroma[0] == 0
    assert by_chroma == sorted(by_chroma)


def test_an_untrained_generator_is_gray():
    # What the warning above builds on.
    ab = create_colorizer("nazerigan32").eval()(torch.zeros(1, 1, 32, 32))
    assert (ab == 0).all()
