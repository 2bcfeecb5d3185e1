"""The metric trap without a browser: buttons are pressed as the browser would press them."""

import html
import itertools
import re

import IPython.display
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from colorlab import color
from colorlab.data.samples import photograph
from colorlab.evaluation import PerceptualDistance
from colorlab.models import ConstantColor
from colorlab.widgets import MetricTrap
from colorlab.widgets.metric_trap import LETTERS, PALE, TURN, agreement, six
from colorlab.widgets.scoring import FORMULAS
from colorlab.widgets.subject import as_tensor


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A photograph of 64×48 pixels in an otherwise empty folder."""
    monkeypatch.chdir(tmp_path)
    photograph("cat").resize((64, 48)).save("cat.png")
    return "cat.png"


@pytest.fixture
def trap(small):
    return MetricTrap(small, ConstantColor((5, 15)))


def said(trap):
    found = re.fullmatch(r'<p role="status" aria-live="polite"[^>]*>(.*)</p>', trap.status.value)
    assert found, trap.status.value
    return html.unescape(found[1])


def press(trap, letters):
    for letter in letters:
        trap.buttons[letter].click()


def test_ranking_taking_back_and_comparing(trap):
    assert said(trap).startswith("Which colors look best?")
    press(trap, "CAE")
    assert trap.ranking == ("C", "A", "E")
    assert trap.buttons["E"].description == "E: rank 3"
    assert said(trap).startswith("Which colors look fourth?")

    # Too early: a sentence, and nothing is given away.
    trap.compare.click()
    assert said(trap) == "First rank all six: B, D, F are missing."
    assert trap.agreement is None
    assert trap.answer.value == ""

    # Taken back, those behind move up.
    press(trap, "A")
    assert trap.ranking == ("C", "E")
    assert trap.buttons["A"].description == "A: choose"
    assert trap.buttons["E"].description == "E: rank 2"

    press(trap, "FBDA")
    assert said(trap) == "All six are ranked. Compare with the scores."
    trap.compare.click()
    assert said(trap).startswith("Nearest to you is ")
    assert set(trap.agreement.index) == set(FORMULAS)
    assert "original" in trap.original.value
    assert repr(trap) == "MetricTrap(image='cat.png', ranked=6 of 6)"

    # What is known cannot be unseen.
    press(trap, "C")
    assert trap.ranking == ("C", "E", "F", "B", "D", "A")
    assert "another seed or image" in said(trap)


def test_no_name_is_given_away_before_the_end(trap, small):
    names = list(six(as_tensor(photograph("cat").resize((64, 48))), ConstantColor((5, 15))))
    shown = " ".join(widget.value for widget in trap.images.values())
    assert not [name for name in names if html.escape(name) in shown]
    press(trap, LETTERS)
    trap.compare.click()
    shown = " ".join(widget.value for widget in trap.images.values())
    assert [name for name in names if html.escape(name) in shown] == names


def test_whoever_ranks_like_a_score_agrees_with_it_fully(small):
    perceptual = PerceptualDistance("colorlab")
    first = MetricTrap(small, ConstantColor((5, 15)), perceptual=perceptual)
    press(first, LETTERS)
    first.compare.click()
    for score in (*FORMULAS, perceptual.label):
        again = MetricTrap(small, ConstantColor((5, 15)), perceptual=perceptual)
        press(again, first.agreement.loc[score, list(LETTERS)].sort_values().index)
        again.compare.click()
        assert again.agreement.loc[score, "tau"] == pytest.approx(1)
        assert again.agreement["tau"].iloc[0] == pytest.approx(1)


def test_the_seed_decides_where_they_stand(small):
    def letters(seed):
        trap = MetricTrap(small, ConstantColor((5, 15)), seed=seed)
        return [trap.images[letter].value.partition("base64,")[2] for letter in LETTERS]

    assert letters(1) == letters(1)
    assert letters(1) != letters(2)
    assert sorted(letters(1)) != letters(1) or sorted(letters(2)) != letters(2)


def test_all_six_have_the_lightness_and_their_own_colors():
    original = as_tensor(photograph("coffee").resize((64, 48)))
    true = color.rgb_to_lab(original)
    found = {name: color.rgb_to_lab(rgb) for name, rgb in six(original, ConstantColor((5, 15))).items()}
    assert len(found) == 6
    for lab in found.values():
        assert float((lab[0] - true[0]).abs().mean()) < 0.3
    gray, one, network, pale, turned, displaced = (lab[1:] for lab in found.values())
    assert float(gray.abs().max()) < 1
    # Where the gamut has room, which is around middle lightness.
    room = (true[0] > 40) & (true[0] < 60)
    assert float((one[:, room] - true[1:].mean(dim=(1, 2))[:, None]).abs().median()) < 1
    assert float((network[:, room] - torch.tensor([5.0, 15.0])[:, None]).abs().median()) < 1
    assert float((pale - PALE * true[1:]).abs().median()) < 1
    angle = torch.atan2(turned[1], turned[0]) - torch.atan2(true[2], true[1])
    vivid = true[1:].norm(dim=0) > 20
    assert float((torch.rad2deg(angle[vivid]) % 360).median()) == pytest.approx(TURN, abs=1)
    assert float((displaced[:, :, 4:] - true[1:, :, :-4]).abs().median()) < 1


def tau_by_hand(one, other):
    """Kendall's τ-a: pairs in the same order minus pairs in the other, as a share."""
    pairs = list(itertools.combinations(range(len(one)), 2))
    return sum(np.sign((one[i] - one[j]) * (other[i] - other[j])) for i, j in pairs) / len(pairs)


@settings(max_examples=30, deadline=None)
@given(st.permutations(LETTERS), st.permutations(range(6)))
def test_tau_is_kendalls(ranking, values):
    table = pd.DataFrame({"mae": np.array(values, dtype=float), "psnr": np.array(values, dtype=float)}, list(LETTERS))
    found = agreement(ranking, table)
    expected = tau_by_hand([ranking.index(letter) for letter in LETTERS], values)
    assert found.loc["mae", "tau"] == pytest.approx(expected)
    assert found.loc["psnr", "tau"] == pytest.approx(-expected)  # here more is better
    assert found.loc["mae", list(LETTERS)].tolist() == [value + 1 for value in values]
    assert found["tau"].is_monotonic_decreasing


def test_how_seldom_chance_reaches_what_the_status_line_says():
    # "With six images, chance alone seldom exceeds ±0.8": over all 720 rankings.
    taus = [tau_by_hand(order, range(6)) for order in itertools.permutations(range(6))]
    assert np.mean(np.abs(taus) > 0.8) < 0.05


def test_a_score_that_finds_all_equal_has_no_tau():
    table = pd.DataFrame({"mae": np.ones(6), "psnr": np.arange(6.0)}, list(LETTERS))
    found = agreement(list(LETTERS), table)
    assert np.isnan(found.loc["mae", "tau"])
    assert found.index[-1] == "mae"
    assert found.loc["mae", list(LETTERS)].tolist() == [1] * 6


def test_mistakes_are_named(small):
    with pytest.raises(ValueError, match="ranking must hold each of A, B, C, D, E, F once"):
        agreement(list("AABCDE"), pd.DataFrame({"mae": np.ones(6)}, list(LETTERS)))
    with pytest.raises(ValueError, match=r"nothing\.png does not exist"):
        MetricTrap("nothing.png", ConstantColor())


def test_a_stored_notebook_keeps_a_image(trap, monkeypatch, capsys):
    outputs = []
    monkeypatch.setattr(IPython.display, "display", lambda data, metadata, raw: outputs.append(data))
    trap._ipython_display_()
    assert outputs[0]["text/plain"] == repr(trap)
    assert 5_000 < len(outputs[0]["image/jpeg"]) < 40_000
    assert capsys.readouterr().out.startswith("Six colorizations of one photograph.")


def test_on_its_own_image_and_with_the_network_that_ships_the_trap_closes():
    trap = MetricTrap()
    # Displaced colors, which nobody likes, are better than the network's by most scores: that is the trap.
    press(trap, LETTERS)
    trap.compare.click()
    captions = {letter: html.unescape(trap.images[letter].value) for letter in LETTERS}
    displaced = next(letter for letter, caption in captions.items() if "to the right" in caption)
    network = next(letter for letter, caption in captions.items() if "a network's colors" in caption)
    ranks = trap.agreement
    assert (ranks[displaced] < ranks[network]).mean() > 0.5
