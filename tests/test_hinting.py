"""Hints that the network takes: without effect where there are none, and felt where there are some."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from colorlab import pretrained
from colorlab.data.placeholder import photograph
from colorlab.hints import Hint, reduce_hints
from colorlab.image import read_image
from colorlab.inference import full_lightness, hint_planes, predict_ab
from colorlab.models import create_colorizer
from colorlab.models.hinting import HintBranch, random_hints
from colorlab.training import TrainingOptions, train


@pytest.fixture(scope="module")
def shipped():
    return pretrained.load("distribution")


def learned(branch):
    """A branch that is no longer at its beginning."""
    for number, parameter in enumerate(branch.parameters()):
        torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(number))
    return branch


def test_images_without_hints_are_answered_as_if_there_were_no_branch():
    branch, x = learned(HintBranch({2: 16, 1: 8}, attended=2)), torch.randn(2, 16, 5, 7)
    none = torch.zeros(2, 3, 10, 14)
    one = none.clone()
    one[1, :, 3, 4] = torch.tensor([30.0, -20.0, 1.0])
    assert torch.equal(branch(x, none, 2), x)
    with_one = branch(x, one, 2)
    assert torch.equal(with_one[0], x[0])  # one image's hints are no other's
    assert not torch.equal(with_one[1], x[1])


def test_a_hint_reaches_places_that_look_alike_and_not_others():
    branch = HintBranch({1: 8}, attended=1)
    for parameter in branch.parameters():
        torch.nn.init.zeros_(parameter)
    # Queries and keys see the first channel; half of the image has it high.
    with torch.no_grad():
        branch.nearness.fill_(-9)  # distance does not matter
        branch.asks.weight[0::32, 0] = 6.0
        branch.threshold.fill_(20)
        branch.tells.weight[0, 0] = 1.0
        branch.takes.weight[1, 0] = 1.0
    x = torch.zeros(1, 8, 1, 8)
    x[:, 0, :, ::2] = 3.0
    hints = torch.zeros(1, 3, 1, 8)
    hints[0, :, 0, 2] = torch.tensor([30.0, 0.0, 1.0])
    reached = branch(x, hints, 1)[0, 1, 0]
    assert reached[::2].min() > 0.9
    assert reached[1::2].abs().max() < 1e-3


@pytest.mark.parametrize("size", [(32, 32), (36, 52), (100, 44)])
def test_any_size_that_the_network_takes(shipped, size):
    lightness = torch.zeros(1, 1, *size)
    planes = hint_planes([Hint.of(size[1] - 1, size[0] - 1, 20, 30)], [size[0] // 4, size[1] // 4])
    with torch.inference_mode():
        assert shipped(lightness, None, planes).shape == (1, 2, *size)


def test_random_hints_are_true_few_and_often_none():
    ab = torch.randn(3000, 2, 32, 32) * 20
    hints = random_hints(ab, torch.Generator().manual_seed(0))
    count = hints[:, 2].sum(dim=(1, 2))
    torch.testing.assert_close(hints[:, :2], ab * hints[:, 2:])
    # 3000 draws: three standard errors of a share of 0.2 are 0.022, of 0.1 (some of which come to 20 by themselves) 0.017.
    assert 0.178 < (count == 0).float().mean() < 0.222
    assert 0.08 < (count > 40).float().mean() < 0.12
    assert count.max() <= 300


def test_hints_are_reduced_to_means_and_planes():
    hints = [Hint.of(0, 0, 10, 0), Hint.of(1, 1, 20, 0), Hint.of(9, 9, 5, 6)]
    assert reduce_hints(hints, (10, 10), (5, 5)) == [Hint.of(0, 0, 15, 0), Hint.of(4, 4, 5, 6)]
    planes = hint_planes(reduce_hints(hints, (10, 10), (5, 5)), (2, 2))
    assert planes[0, :, 0, 0].tolist() == [15, 0, 1]
    assert planes[0, :, 1, 1].tolist() == [5, 6, 1]
    assert planes[0, 2].sum() == 2


@pytest.mark.parametrize("name", ["distribution", "unet32"])
def test_a_hinted_pixel_has_the_color_of_the_hint(name):
    lightness = full_lightness(read_image(photograph("coffee")))
    model = pretrained.load(name)
    height, width = lightness.shape
    given = Hint.of(width // 2, height // 2, 25.0, -30.0)
    without, ab = predict_ab(lightness, model), predict_ab(lightness, model, hints=[given])
    place = reduce_hints([given], lightness.shape, ab.shape[-2:])[0]
    torch.testing.assert_close(ab[:, place.y, place.x], torch.tensor([25.0, -30.0]), atol=1e-3, rtol=0)
    assert not torch.equal(ab, without)


def test_weights_from_before_there_were_hints_load_and_answer_as_before(shipped):
    old = {
        key: tensor
        for key, tensor in load_file(pretrained.path("distribution")).items()
        if not key.startswith("hinting.")
    }
    model = create_colorizer("distribution")
    model.load_state_dict(old)
    lightness = torch.linspace(-1, 1, 64 * 64).view(1, 1, 64, 64)
    planes = hint_planes([Hint.of(3, 3, 20, 30)], (16, 16))
    with torch.inference_mode():
        expected = shipped(lightness, shipped.style)
        torch.testing.assert_close(model.eval()(lightness, shipped.style), expected)
        torch.testing.assert_close(model(lightness, shipped.style, planes), expected)


def test_hints_and_recognition_are_learned_by_options(tmp_path):
    options = {
        "model_name": "distribution",
        "image_size": 32,
        "max_epochs": 1,
        "train_batch_size": 60,
        "val_batch_size": 60,
        "max_images": 1,
        "learn_hints": True,
        "recognition_weight": 0.2,
        "output_root_path": tmp_path,
    }
    branch = train(TrainingOptions(**options)).model.hinting
    assert branch.takes.weight.abs().max() > 0
    assert all(parameter.isfinite().all() for parameter in branch.parameters())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("resnet", "learn_hints makes no difference to resnet, which takes no hints"),
        ("unet32", "learn_hints needs a model that takes hints, such as distribution; unet32 does not"),
        ("nazerigan32", "learn_hints makes no difference to nazerigan32, which is trained against a discriminator"),
    ],
)
def test_a_model_without_hints_cannot_learn_them(tmp_path, name, said):
    with pytest.raises(ValueError, match=said):
        train(TrainingOptions(model_name=name, learn_hints=True, output_root_path=tmp_path))
