"""Hints that the network takes: without effect where there are none, and felt where there are some."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from colorlab import pretrained
from colorlab.data.samples import photograph
from colorlab.hints import Hint, reduce_hints
from colorlab.image import read_image
from colorlab.inference import cell_hints, full_lightness, predict_ab
from colorlab.models import create_colorizer
from colorlab.models.hinting import CellHints, HintAttention, random_hints
from colorlab.training import TrainingOptions, train


@pytest.fixture(scope="module")
def shipped():
    return pretrained.load("distribution")


def learned(attention: HintAttention) -> HintAttention:
    """Attention that is no longer at its beginning."""
    for number, parameter in enumerate(attention.parameters()):
        torch.nn.init.normal_(parameter, std=0.3, generator=torch.Generator().manual_seed(number))
    attention.learned.fill_(1)
    return attention


def by_hand(attention: HintAttention, features, ab, hints):
    """The formulas of the module, cell by cell and hint by hint, for one image."""
    seen = attention.likeness(features)[0]
    height, width = seen.shape[-2:]
    queries, keys = attention.asks(seen), attention.tells(seen)
    result = ab[0].clone()
    for row in range(height):
        for column in range(width):
            scores = [[] for _ in range(4)]
            for place in hints.places[0].tolist():
                there = divmod(place, width)
                distance = ((row - there[0]) ** 2 + (column - there[1]) ** 2) / max(height, width) ** 2
                for head in range(4):
                    part = slice(32 * head, 32 * head + 32)
                    alike = queries[part, row, column] @ keys[part, there[0], there[1]] / 32**0.5
                    scores[head].append(alike - attention.nearness[head].exp() * distance)
            flat = [score for head in scores for score in head] + [attention.nothing(seen)[0, row, column]]
            weights = torch.stack(flat).softmax(dim=0)
            for number, weight in enumerate(weights[:-1]):
                head, hint = divmod(number, hints.places.shape[1])
                there = divmod(hints.places[0, hint].item(), width)
                # Two heads take the color of the hint, two its correction.
                before = ab[0, :, row, column] if head < 2 else ab[0, :, there[0], there[1]]
                result[:, row, column] += weight * (hints.ab[0, hint] - before)
    return result[None]


def test_attention_is_what_its_text_says():
    attention = learned(HintAttention(6)).double()
    features, ab = torch.randn(1, 6, 3, 5).double(), 20 * torch.randn(1, 2, 3, 5).double()
    hints = CellHints(torch.tensor([[7, 0, 14]]), 20 * torch.randn(1, 3, 2).double())
    found = attention(features, ab, hints)
    torch.testing.assert_close(found, by_hand(attention, features, ab, hints))
    some = torch.tensor([3, 7, 11])
    torch.testing.assert_close(attention(features, ab, hints, some), found.flatten(2)[..., some])


def test_hints_of_one_image_are_no_others_and_have_no_effect_before_they_are_learned():
    attention = learned(HintAttention(6))
    features, ab = torch.randn(2, 6, 4, 4), 20 * torch.randn(2, 2, 4, 4)
    hints = CellHints(torch.tensor([[3], [9]]), torch.tensor([[[40.0, 0.0]], [[0.0, 40.0]]]))
    other = CellHints(hints.places, torch.tensor([[[40.0, 0.0]], [[-40.0, 0.0]]]))
    first, second = attention(features, ab, hints), attention(features, ab, other)
    torch.testing.assert_close(first[0], second[0])
    assert not torch.allclose(first[1], second[1])
    attention.learned.fill_(0)
    assert torch.equal(attention(features, ab, hints), ab)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 12), st.integers(0, 10**6))
def test_colors_with_hints_never_leave_the_range_of_what_was_said_and_answered(count, seed):
    generator = torch.Generator().manual_seed(seed)
    attention = learned(HintAttention(6))
    features, ab = (torch.randn(1, c, 4, 4, generator=generator) for c in (6, 2))
    hints = random_hints(torch.randn(1, 2, 4, 4, generator=generator), count, generator)
    found = attention(features, ab, hints)
    # A mean of the answer, of the hints, and of the answer plus corrections.
    corrections = hints.ab - ab.flatten(2).gather(2, hints.places[:, None].expand(-1, 2, -1)).movedim(1, -1)
    reach = max(float(hints.ab.abs().max()), float(ab.abs().max() + corrections.abs().max()))
    assert found.abs().max() <= reach + 1e-4


@pytest.mark.parametrize("size", [(32, 32), (36, 52), (100, 44)])
def test_any_size_that_the_network_takes(shipped, size):
    lightness = torch.zeros(1, 1, *size)
    hints = cell_hints([Hint.of(size[1] - 1, size[0] - 1, 20, 30)], lightness)
    with torch.inference_mode():
        assert shipped(lightness, None, hints).shape == (1, 2, *size)


def test_random_hints_are_true_and_all_at_different_places():
    ab = torch.randn(5, 2, 6, 7)
    hints = random_hints(ab, 40, torch.Generator().manual_seed(0))
    for image, places, colors in zip(ab, *hints, strict=True):
        assert len(set(places.tolist())) == 40
        torch.testing.assert_close(image.flatten(1)[:, places].T, colors)


def test_hints_are_reduced_to_means_of_pixels_and_of_cells():
    hints = [Hint.of(0, 0, 10, 0), Hint.of(1, 1, 20, 0), Hint.of(9, 9, 5, 6)]
    assert reduce_hints(hints, (10, 10), (5, 5)) == [Hint.of(0, 0, 15, 0), Hint.of(4, 4, 5, 6)]
    cells = cell_hints([*reduce_hints(hints, (10, 10), (5, 5)), Hint.of(3, 0, 25, 2)], torch.zeros(1, 1, 8, 8))
    assert cells.places.tolist() == [[0, 3]]
    assert cells.ab.tolist() == [[[20, 1], [5, 6]]]
    assert cell_hints([], torch.zeros(1, 1, 8, 8)) is None


@pytest.mark.parametrize("name", ["distribution", "unet32"])
def test_a_hinted_pixel_has_the_color_of_the_hint(name):
    lightness = full_lightness(read_image(photograph("coffee")))
    model = pretrained.load(name)
    height, width = lightness.shape
    hint = Hint.of(width // 2, height // 2, 25.0, -30.0)
    without, ab = predict_ab(lightness, model), predict_ab(lightness, model, hints=[hint])
    place = reduce_hints([hint], lightness.shape, ab.shape[-2:])[0]
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
    hints = cell_hints([Hint.of(3, 3, 20, 30)], lightness)
    with torch.inference_mode():
        expected = shipped(lightness, shipped.style)
        torch.testing.assert_close(model.eval()(lightness, shipped.style), expected)
        torch.testing.assert_close(model(lightness, shipped.style, hints), expected)


def test_hints_are_learned_and_the_rest_of_the_network_stays_as_it_is(tmp_path, shipped):
    options = {
        "model_name": "distribution",
        "initial_weights": pretrained.path("distribution"),
        "image_size": 32,
        "max_epochs": 1,
        "train_batch_size": 60,
        "val_batch_size": 60,
        "max_images": 1,
        "output_root_path": tmp_path,
    }
    run = train(TrainingOptions(learn_hints=True, **options))
    before, after = shipped.state_dict(), run.model.state_dict()
    assert after["hinting.learned"] == 1
    for key, tensor in after.items():
        if not key.startswith("hinting."):
            assert torch.equal(tensor, before[key]), key
    assert all(tensor.isfinite().all() for tensor in after.values())
    lightness = torch.linspace(-1, 1, 32 * 32).view(1, 1, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(run.model(lightness, shipped.style), shipped(lightness, shipped.style))
    with pytest.raises(ValueError, match="recognition_weight makes no difference to learn_hints"):
        train(TrainingOptions(learn_hints=True, recognition_weight=0.2, **options | {"experiment_name": "other"}))


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
