"""Hints: the shape of a plate, Levin's sum written down pixel by pixel, edges, and files."""

import itertools
import json
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import kei

from colorlab import color
from colorlab.data.samples import photograph
from colorlab.hints import SIGMA, Hint, Propagation, from_json, to_json


def gray(height, width):
    return torch.zeros(2, height, width, dtype=torch.float64)


def random_image(seed, height, width):
    generator = torch.Generator().manual_seed(seed)
    lightness = 100 * torch.rand(height, width, generator=generator, dtype=torch.float64)
    ab = 60 * torch.rand(2, height, width, generator=generator, dtype=torch.float64) - 30
    return lightness, ab


# ---- outside truth


def test_without_edges_a_hint_has_the_shape_of_a_plate_under_a_point_load():
    # An infinite plate on an elastic bed bends as -4/π kei(r/l) (Timoshenko and Woinowsky-Krieger, Theory of Plates and
    # Shells, section 58); at 12 pixels a unit, squares and circles are nearly the same.
    reach, middle = 12.0, 80
    bent = Propagation(torch.full((161, 161), 50.0), reach=reach).spread(
        gray(161, 161), [Hint.of(middle, middle, 30, -20)]
    )
    for down, right in [(0, 3), (0, 6), (6, 6), (0, 12), (12, 5), (18, 0), (20, 20), (0, 36)]:
        expected = -4 / np.pi * kei(np.hypot(down, right) / reach)
        for channel, height in [(0, 30), (1, -20)]:
            assert float(bent[channel, middle + down, middle + right]) / height == pytest.approx(expected, abs=0.012)


def written_down(lightness, ab, hints, reach):
    """The sum of the module's text, pixel by pixel, and its minimum under constraints by a dense solver."""
    height, width = lightness.shape
    rows = np.zeros((height * width, height * width))
    for y, x in itertools.product(range(height), range(width)):
        around = {
            (y + dy, x + dx): np.exp(-(float(lightness[y, x] - lightness[y + dy, x + dx]) ** 2) / (2 * SIGMA**2))
            for dy, dx in itertools.product((-1, 0, 1), repeat=2)
            if (dy, dx) != (0, 0) and 0 <= y + dy < height and 0 <= x + dx < width
        }
        rows[y * width + x, y * width + x] = 1
        for (v, u), weight in around.items():
            rows[y * width + x, v * width + u] -= weight / sum(around.values())
    pull = (0.375 / reach**2) ** 2
    chosen = np.zeros((len(hints), height * width))
    chosen[range(len(hints)), [h.y * width + h.x for h in hints]] = 1
    # Lagrange: 2 M c + chosenᵀ μ = 0, chosen c = wanted.
    top = np.hstack([2 * (rows.T @ rows + pull * np.eye(height * width)), chosen.T])
    whole = np.vstack([top, np.hstack([chosen, np.zeros((len(hints), len(hints)))])])
    flat = ab.reshape(2, -1).numpy()
    wanted = np.array([(h.a, h.b) for h in hints]) - (chosen @ flat.T)
    solution = np.linalg.solve(whole, np.vstack([np.zeros((height * width, 2)), wanted]))[: height * width]
    limited = np.clip(solution, np.minimum(wanted.min(axis=0), 0), np.maximum(wanted.max(axis=0), 0))
    return (flat + limited.T).reshape(2, height, width)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_equals_the_sum_written_down_and_solved_densely(count):
    lightness, ab = random_image(count, 7, 6)
    lightness = lightness / 8  # so that most weights count
    hints = [
        Hint.of(2, 1, 20, -10),
        Hint.of(4, 5, -30, 5),
        Hint.of(0, 0, 1, 2),
        Hint.of(0, 6, 9, 9),
        Hint.of(3, 3, 25, -20),
    ][:count]
    result = Propagation(lightness, reach=3).spread(ab, hints)
    np.testing.assert_allclose(result.numpy(), written_down(lightness, ab, hints, 3), atol=1e-8)


def test_true_hints_bring_a_photograph_nearer_to_its_colors():
    rgb = torch.from_numpy(np.array(photograph("coffee").resize((96, 64)))).movedim(-1, 0)
    lab = color.rgb_to_lab(rgb)
    places = [(int(y), int(x)) for y, x in np.random.default_rng(0).integers((64, 96), size=(20, 2))]
    hints = [Hint.of(x, y, *lab[1:, y, x].tolist()) for y, x in places]
    propagation = Propagation(lab[0])

    def error(count):
        return float((propagation.spread(torch.zeros(2, 64, 96), hints[:count]) - lab[1:]).norm(dim=0).mean())

    assert error(20) < 0.85 * error(5) < 0.6 * error(0)


# ---- edges


def test_a_hint_fills_its_region_and_does_not_pass_the_edge():
    lightness = torch.full((20, 24), 30.0)
    lightness[:, 10:] = 70
    ab = gray(20, 24)
    ab[0], ab[1] = 5, -5
    result = Propagation(lightness, reach=200).spread(ab, [Hint.of(4, 3, 40, 20)])
    assert float((result[:, :, :10] - torch.tensor([40.0, 20.0]).view(2, 1, 1)).abs().max()) < 0.01
    assert float((result[:, :, 10:] - ab[:, :, 10:]).abs().max()) < 1e-9


def test_two_hints_on_two_sides_of_an_edge():
    lightness = torch.full((12, 12), 20.0)
    lightness[4:9, 4:9] = 60  # an island
    result = Propagation(lightness, reach=200).spread(gray(12, 12), [Hint.of(0, 0, 30, 0), Hint.of(6, 6, 0, -30)])
    island = lightness == 60
    assert float((result[0, ~island] - 30).abs().max()) < 0.01
    assert float(result[1, ~island].abs().max()) < 1e-6
    assert float((result[1, island] + 30).abs().max()) < 0.01


def test_a_weak_edge_holds_back_less_than_a_strong_one():
    passed = []
    for step in (0, 6, 12, 18, 40):
        lightness = torch.full((15, 30), 40.0)
        lightness[:, 15:] += step
        passed.append(float(Propagation(lightness, reach=10).spread(gray(15, 30), [Hint.of(10, 7, 50, 0)])[0, 7, 18]))
    assert passed == sorted(passed, reverse=True)
    assert passed[0] > 10
    assert passed[-1] < 1e-6


def test_without_edges_the_spread_is_as_symmetric_as_the_image():
    bent = Propagation(torch.full((21, 21), 60.0)).spread(gray(21, 21), [Hint.of(10, 10, 40, 20)])
    for other in (bent.flip(1), bent.flip(2), bent.transpose(1, 2)):
        torch.testing.assert_close(other, bent, rtol=0, atol=1e-7)


def test_reach_is_felt_further():
    near, far = (
        Propagation(torch.full((41, 41), 50.0), reach=reach).spread(gray(41, 41), [Hint.of(20, 20, 50, 0)])[0, 20, 32]
        for reach in (5, 20)
    )
    assert float(near) < 0.2 * float(far)


# ---- properties


@st.composite
def images_and_hints(draw):
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    lightness, ab = random_image(draw(st.integers(0, 99)), height, width)
    lightness = draw(st.sampled_from([0.0, 0.05, 1.0])) * lightness
    places = draw(
        st.lists(
            st.tuples(st.integers(0, height - 1), st.integers(0, width - 1)), unique=True, min_size=1, max_size=4
        )
    )
    colors = st.floats(-80, 80, width=32)
    return lightness, ab, [Hint.of(*place[::-1], draw(colors), draw(colors)) for place in places]


@settings(deadline=None, max_examples=60)
@given(images_and_hints())
def test_a_hint_is_kept_and_nothing_is_pushed_further_than_a_hint_asks(drawn):
    lightness, ab, hints = drawn
    result = Propagation(lightness).spread(ab, hints)
    asked = torch.stack([torch.tensor([h.a, h.b], dtype=ab.dtype) - ab[:, h.y, h.x] for h in hints], dim=1)
    for hint in hints:
        assert result[:, hint.y, hint.x].tolist() == pytest.approx([hint.a, hint.b], abs=1e-4)
    correction = (result - ab).flatten(1)
    assert (correction >= asked.amin(dim=1, keepdim=True).clamp(max=0) - 1e-4).all()
    assert (correction <= asked.amax(dim=1, keepdim=True).clamp(min=0) + 1e-4).all()


@settings(deadline=None, max_examples=30)
@given(images_and_hints(), st.randoms(use_true_random=False))
def test_neither_the_order_of_hints_nor_those_of_before_matter(drawn, random):
    lightness, ab, hints = drawn
    propagation = Propagation(lightness)
    expected = propagation.spread(ab, hints)
    propagation.spread(ab, [Hint.of(0, 0, 70, 70)])
    shuffled = random.sample(hints, len(hints))
    torch.testing.assert_close(propagation.spread(ab, shuffled), expected, rtol=0, atol=1e-4)
    # a and b do not know of each other.
    turned = [Hint.of(h.x, h.y, h.b, h.a) for h in hints]
    torch.testing.assert_close(propagation.spread(ab.flip(0), turned), expected.flip(0), rtol=0, atol=1e-4)


@settings(deadline=None, max_examples=30)
@given(images_and_hints(), st.floats(-2, 2))
def test_the_correction_is_linear_in_what_a_hint_asks(drawn, factor):
    lightness, ab, hints = drawn
    hint = hints[0]
    propagation = Propagation(lightness)
    at_hint = ab[:, hint.y, hint.x]
    wanted = factor * (torch.tensor([hint.a, hint.b], dtype=ab.dtype) - at_hint) + at_hint
    once = propagation.spread(ab, [hint]) - ab
    scaled = propagation.spread(ab, [Hint.of(hint.x, hint.y, *wanted.tolist())]) - ab
    torch.testing.assert_close(scaled, factor * once, rtol=0, atol=1e-4)


@settings(deadline=None, max_examples=30)
@given(images_and_hints())
def test_hints_that_agree_with_the_network_change_nothing(drawn):
    lightness, ab, hints = drawn
    agreeing = [Hint.of(h.x, h.y, *ab[:, h.y, h.x].tolist()) for h in hints]
    torch.testing.assert_close(Propagation(lightness).spread(ab, agreeing), ab, rtol=0, atol=1e-9)
    assert Propagation(lightness).spread(ab, []).equal(ab)


def test_two_hints_that_contradict_each_other_do_not_swing_past_both():
    hints = [Hint.of(30, 30, 40, 0), Hint.of(31, 30, -40, 0)]
    result = Propagation(torch.full((61, 61), 50.0)).spread(gray(61, 61), hints)
    assert float(result.abs().max()) == pytest.approx(40)


def test_the_result_has_the_type_of_the_prediction_and_leaves_it_alone():
    ab = torch.zeros(2, 5, 5)
    result = Propagation(torch.full((5, 5), 50.0)).spread(ab, [Hint.of(2, 2, 10, 10)])
    assert result.dtype == torch.float32
    assert not ab.any()
    assert Propagation(torch.full((5, 5), 50.0)).spread(ab, []).data_ptr() != ab.data_ptr()


# ---- mistakes


@pytest.mark.parametrize(
    "lightness", [torch.zeros(3, 4, 4), torch.zeros(0, 4), torch.full((4, 4), float("nan")), torch.zeros(4)]
)
def test_what_is_no_image_is_refused(lightness):
    with pytest.raises(ValueError, match=r"lightness must be \(H, W\)"):
        Propagation(lightness)


@pytest.mark.parametrize("reach", [0, -1, 1001, float("inf"), float("nan")])
def test_a_reach_that_is_none_is_refused(reach):
    with pytest.raises(ValueError, match="reach must be"):
        Propagation(torch.zeros(4, 4), reach=reach)


@pytest.mark.parametrize(
    ("hints", "message"),
    [
        ([Hint.of(0, 4, 1, 1)], "hint 1 is at row 4, column 0, outside an image of 5×4 pixels"),
        ([Hint.of(0, 0, 1, 1), Hint.of(-1, 0, 1, 1)], "hint 2 is at row 0, column -1, outside"),
        ([Hint.of(0, 0, float("nan"), 1)], "hint 1 has a = nan"),
        ([Hint.of(1, 1, 1, 1), Hint.of(1, 1, 2, 2)], "hint 2 is on the same pixel as another: row 1, column 1"),
    ],
)
def test_hints_that_do_not_fit_are_refused(hints, message):
    with pytest.raises(ValueError, match=message):
        Propagation(torch.zeros(4, 5)).spread(gray(4, 5), hints)
    with pytest.raises(ValueError, match=message):
        to_json(hints, (4, 5))


def test_a_prediction_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"ab must have shape \(2, 4, 5\)"):
        Propagation(torch.zeros(4, 5)).spread(gray(5, 4), [])


# ---- files

hint_lists = st.lists(
    st.builds(
        Hint.of,
        st.integers(0, 39),
        st.integers(0, 29),
        st.floats(-110, 110),
        st.floats(-110, 110),
    ),
    unique_by=lambda hint: (hint.x, hint.y),
    max_size=6,
)


@given(hint_lists)
def test_hints_come_back_as_they_were_saved(hints):
    text = to_json(hints, (30, 40))
    assert from_json(text, (30, 40)) == hints
    assert from_json(text.encode(), (30, 40)) == hints


def test_hints_on_a_preview_are_hints_on_the_photograph():
    text = to_json([Hint.of(0, 0, 1, 2), Hint.of(255, 170, 3, 4)], (171, 256))
    assert from_json(text, (400, 600)) == [Hint.of(1, 1, 1, 2), Hint.of(598, 398, 3, 4)]
    text = to_json([Hint.of(599, 399, 1, 2), Hint.of(599, 398, 3, 6)], (400, 600))
    assert from_json(text, (171, 256)) == [Hint.of(255, 170, 2, 4)]


def test_the_file_can_be_read_by_anybody():
    text = to_json([Hint.of(4, 3, 10.5, -20), Hint.of(1, 0, 1, 2)], (30, 40))
    assert json.loads(text) == {
        "format": "colorlab hints 1",
        "height": 30,
        "width": 40,
        "hints": [{"row": 3, "column": 4, "a": 10.5, "b": -20}, {"row": 0, "column": 1, "a": 1, "b": 2}],
    }
    assert len(text.splitlines()) == 9
    assert text.endswith("\n")


def file(**changes):
    content = {"format": "colorlab hints 1", "height": 30, "width": 40, "hints": []} | changes
    return json.dumps(content)


def one(**changes):
    return file(hints=[{"row": 1, "column": 2, "a": 3.0, "b": 4.0} | changes])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is not JSON"),
        (b"\xff\xfe\x00\x99", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ("[]", 'does not say "format"'),
        ('{"hints": []}', 'does not say "format"'),
        (file(format="colorlab hints 2"), 'does not say "format"'),
        (file(height=80, width=80), "for an image of 80×80 pixels, but this one has 40×30"),
        (file(height=None), "its image has 40×None pixels"),
        (file(height=0), "its image has 40×0 pixels"),
        (file(hints=None), '"hints" is not a list'),
        (file(hints=[3]), "hint 1 must have row, column, a, b"),
        (file(hints=[{"row": 1, "column": 2, "a": 3}]), "hint 1 must have row, column, a, b"),
        (one(radius=3), "and nothing else"),
        (one(row=1.5), "row of hint 1 is 1.5"),
        (one(row=True), "row of hint 1 is True"),
        (one(a="3"), "a of hint 1 is '3'"),
        (one(b=None), "b of hint 1 is None"),
        (one(b=10**400), "is too large"),
        (one(a=float("inf")), "hint 1 has a = inf"),
        (one(row=30), "hint 1 is at row 30, column 2, outside"),
    ],
)
def test_a_file_that_holds_no_such_hints_is_refused_in_a_sentence(text, message):
    with pytest.raises(ValueError, match=message):
        from_json(text, (30, 40))


@settings(max_examples=40)
@given(st.binary() | st.text() | st.lists(st.none() | st.integers() | st.text()).map(json.dumps))
def test_no_file_raises_anything_else(content):
    with pytest.raises(ValueError, match="the file holds no hints"):
        from_json(content, (30, 40))


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ((1, 1, None), ValueError, "the color of a hint must be #rrggbb or three numbers in 0…255, got None"),
        ((1, 1, 255), ValueError, "three numbers in 0…255, got 255"),
        ((1, 1, "red"), ValueError, "got 'red'"),
        (("10", 3, "#ff0000"), TypeError, "x and y of a hint must be whole pixels, got '10' and 3"),
        ((10.5, 3, "#ff0000"), TypeError, "whole pixels, got 10.5 and 3"),
    ],
)
def test_what_is_no_hint_is_refused(arguments, error, said):
    with pytest.raises(error, match=re.escape(said)):
        Hint(*arguments)
