"""The color Turing test without a browser: buttons are pressed as the browser would press them, on a clock by hand."""

import base64
import html
import io
import json
import re

import IPython.display
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from colorlab import pretrained
from colorlab.data import ImageDataset
from colorlab.models import ConstantColor
from colorlab.widgets import TuringTest, turing_test
from colorlab.widgets.trials import CHECK, CHECK_EVERY, fooled, schedule
from colorlab.widgets.turing_test import BLANK, GRACE, stage_html

SIDES = ("left", "right")


class Timer:
    """A clock that strikes when told to."""

    last = None

    def __init__(self, seconds, act, arguments):
        self.seconds, self.act, self.arguments = seconds, act, arguments
        self.canceled = False

    def start(self):
        Timer.last = self

    def cancel(self):
        self.canceled = True

    def strike(self):
        if not self.canceled:
            self.act(*self.arguments)


class Clock:
    """Time that passes when told to."""

    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(turing_test, "monotonic", clock)
    monkeypatch.setattr(turing_test.threading, "Timer", Timer)
    return clock


@pytest.fixture
def dataset():
    """Thirty orange images, so that what is gray or blue is known by its color."""
    rgb = torch.tensor([220, 120, 40], dtype=torch.uint8).view(1, 3, 1, 1).repeat(30, 1, 16, 16)
    return ImageDataset(rgb, torch.arange(30) % 2, ("cup", "saucer"))


@pytest.fixture
def test(dataset, clock, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return TuringTest({"blue": ConstantColor((0, -50))}, dataset, pairs=10, seed=3)


def said(test):
    found = re.fullmatch(r'<p role="status" aria-live="polite"[^>]*>(.*)</p>', test.status.value)
    assert found, test.status.value
    return html.unescape(found[1])


def shown(test):
    """Mean red, green and blue of the two images on the stage."""
    found = re.findall(r'src="data:image/\w+;base64,([^"]+)"', test.stage.value)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))).mean(axis=(0, 1)) for data in found]


def orange_side(test):
    """Where somebody sees true colors who knows that these are orange."""
    left, right = shown(test)
    return "left" if left[0] - left[2] > right[0] - right[2] else "right"


def answer(test, side, clock, after=5.0):
    clock.now += after
    {"left": test.left, "right": test.right}[side].click()


def test_who_sees_it_is_never_fooled(test, clock):
    assert shown(test) == []
    test.start.click()
    for number in range(1, 11):
        assert said(test) == f"Pair {number} of 10: which one is real?"
        answer(test, orange_side(test), clock)
    assert said(test).startswith("All 10 pairs are answered.")
    assert test.stage.value == ""
    assert not test.answers["fooled"].any()
    assert (test.answers["real"] == test.answers["answer"]).all()
    assert test.answers["seconds"].tolist() == [5.0] * 10
    assert test.answers["label"].tolist() == [("cup", "saucer")[trial.image % 2] for trial in test.trials]
    assert sorted(test.answers["model"]) == ["blue"] * 9 + [CHECK]
    assert "0% … 30%" in test.result.value  # Wilson's interval for 0 of 9


def test_who_takes_the_false_ones_is_always_fooled(test, clock):
    test.start.click()
    for _ in range(10):
        answer(test, SIDES[1 - SIDES.index(orange_side(test))], clock)
    assert test.answers["fooled"].all()
    assert repr(test) == "TuringTest(pairs=10, answered=10)"


def test_no_word_about_right_or_wrong_before_the_end(test, clock):
    test.start.click()
    answer(test, orange_side(test), clock)
    right = test.status.value.replace("Pair 2", "")
    answer(test, SIDES[1 - SIDES.index(orange_side(test))], clock)
    assert test.status.value.replace("Pair 3", "") == right
    assert test.result.value == ""
    # Nor in what the page holds: neither names nor anything but the side.
    assert "blue" not in test.stage.value
    assert re.findall(r'alt="([^"]*)"', test.stage.value) == ["pair 3, left", "pair 3, right"]


def test_a_second_click_does_not_answer_a_pair_that_nobody_has_seen(test, clock):
    test.start.click()
    answer(test, "left", clock)
    answer(test, "left", clock, after=0.2)
    assert len(test.answers) == 1
    assert said(test) == "Pair 2 of 10: too soon, look at both first."
    stage = test.stage.value
    answer(test, "left", clock, after=test.look_seconds)
    assert len(test.answers) == 2
    assert test.stage.value != stage


def test_images_are_taken_away_once_they_were_seen(test, clock):
    # Else whoever leaves the page and comes back would see them again: the browser begins its animations anew.
    test.start.click()
    timer, full = Timer.last, test.stage.value
    assert timer.seconds == pytest.approx(test.look_seconds + GRACE)
    timer.strike()
    assert re.findall(r'alt="([^"]*)"', test.stage.value) == ["pair 1, left", "pair 1, right"]
    assert "animation:" not in test.stage.value
    assert all(not pixels.any() for pixels in shown(test))  # empty frames, of the same size
    assert re.findall(r'width="(\d+)"', test.stage.value) == re.findall(r'width="(\d+)"', full)
    # Answered before that, the next pair is not taken away in its place.
    answer(test, "left", clock)
    second, stage = Timer.last, test.stage.value
    timer.strike()
    answer(test, "left", clock)
    assert second.canceled
    assert test.stage.value != stage


def test_buttons_pressed_at_the_wrong_time(test, clock):
    answer(test, "right", clock)
    assert said(test) == "Press Start first."
    test.start.click()
    stage = test.stage.value
    test.start.click()
    assert test.stage.value == stage
    assert said(test) == "Pair 1 waits for your answer: left or right?"
    for _ in range(12):
        answer(test, "left", clock)
    test.start.click()
    assert len(test.answers) == 10
    assert said(test).startswith("All 10 pairs are answered.")


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 60), st.integers(1, 4), st.integers(0, 2**32))
def test_a_schedule_is_fair_and_follows_from_its_seed(pairs, models, seed):
    names = [f"model {i}" for i in range(models)]
    trials = schedule(60, names, pairs, seed)
    assert trials == schedule(60, names, pairs, seed)
    assert len(trials) == len({trial.image for trial in trials}) == pairs
    assert {trial.real for trial in trials} <= set(SIDES)
    count = pd.Series([trial.model for trial in trials]).value_counts()
    assert count.get(CHECK, 0) == pairs // CHECK_EVERY
    turns = [count.get(name, 0) for name in names]
    assert max(turns) - min(turns) <= 1


def test_schedules_of_other_seeds_are_others_and_both_sides_are_as_frequent():
    assert schedule(60, ["a"], 40, 1) != schedule(60, ["a"], 40, 2)
    left = np.mean([trial.real == "left" for seed in range(100) for trial in schedule(60, ["a"], 20, seed)])
    assert left == pytest.approx(0.5, abs=0.05)


def test_rates_and_intervals():
    # 32 of 100: Zhang et al. report 32 % (table 1). The interval by Wilson's formula, written out.
    answers = pd.DataFrame({"model": ["a"] * 100 + ["b"] * 4, "fooled": [True] * 32 + [False] * 68 + [False] * 4})
    found = fooled(answers)
    z, n, p = 1.959964, 100, 0.32
    middle, arm = p + z**2 / (2 * n), z * (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5
    low, high = (middle - arm) / (1 + z**2 / n), (middle + arm) / (1 + z**2 / n)
    assert found.loc["a"].tolist() == pytest.approx([32, 100, 0.32, low, high], abs=1e-6)
    assert found.loc["b", "low"] == pytest.approx(0, abs=1e-12)
    assert found.loc["b", "high"] == pytest.approx(z**2 / (4 + z**2), abs=1e-6)


def test_each_image_is_shown_as_long_as_asked_and_one_after_the_other():
    image = Image.new("RGB", (8, 8))
    text = stage_html([image, image], 1, 2.0)
    timed = re.findall(r"visibility:hidden;animation:colorlab-glance ([\d.]+)s linear ([\d.]+)s\"", text)
    assert [(float(lasts), float(begins)) for lasts, begins in timed] == [(2.0, BLANK), (2.0, BLANK + 2.0 + BLANK)]
    assert "@keyframes colorlab-glance{from,to{visibility:visible}}" in text


def test_answers_are_saved_as_csv_and_as_json(test, clock, tmp_path):
    test.start.click()
    for _ in range(3):
        answer(test, "left", clock)
    test.save.click()
    saved = tmp_path / "output" / "turing-test.csv"
    assert said(test) == f"Saved 3 of 10 answers as {saved}."
    pd.testing.assert_frame_equal(pd.read_csv(saved), test.answers)

    # Later again, over what was saved from here; and as JSON, which also holds what the order follows from.
    answer(test, "right", clock)
    test.save.click()
    assert len(pd.read_csv(saved)) == 4
    test.target.value = "answers.json"
    test.save.click()
    whole = json.loads((tmp_path / "answers.json").read_text(encoding="utf-8"))
    assert whole["seed"] == 3
    assert pd.DataFrame(whole["answers"]).equals(test.answers)
    rates = pd.DataFrame(whole["fooled"]).set_index("model")
    pd.testing.assert_frame_equal(rates, fooled(test.answers))
    assert schedule(30, ["blue"], whole["pairs"], whole["seed"]) == test.trials
    assert not list(tmp_path.rglob("*.part"))


def test_what_cannot_be_saved_is_a_sentence(test, clock, tmp_path):
    test.save.click()
    assert said(test) == "there are no answers yet; answer a pair first. Nothing was saved."
    test.start.click()
    answer(test, "left", clock)
    (tmp_path / "diary.csv").write_text("dear diary")
    for name, sentence in {
        "diary.csv": "diary.csv exists already and was not saved from here",
        "answers.xlsx": "the answers can be saved as CSV or JSON; name the file answers.csv",
        " ": "give the answers a file name",
        "diary.csv/answers": "diary.csv",
        str(tmp_path): f"{tmp_path} is a folder",
    }.items():
        test.target.value = name
        test.save.click()
        assert said(test).startswith(sentence)
        assert said(test).endswith("Nothing was saved.")
    assert (tmp_path / "diary.csv").read_text() == "dear diary"


def test_mistakes_are_named(dataset):
    with pytest.raises(ValueError, match=r"pairs must be in 1…30, the number of images, got 31"):
        TuringTest({"blue": ConstantColor()}, dataset, pairs=31)
    with pytest.raises(ValueError, match="pairs must be in 1…30"):
        TuringTest({"blue": ConstantColor()}, dataset, pairs=0)
    with pytest.raises(ValueError, match="models is empty"):
        TuringTest({}, dataset)
    with pytest.raises(ValueError, match="seconds must be more than 0"):
        TuringTest({"blue": ConstantColor()}, dataset, seconds=0)


def test_by_default_the_best_that_ships_on_the_images_that_ship(clock):
    test = TuringTest()
    assert {trial.model for trial in test.trials} == {pretrained.NAMES[0], CHECK}
    test.start.click()
    left, right = (pixels for pixels in shown(test))
    assert not np.allclose(left, right, atol=0.5)
    answer(test, "left", clock)
    assert set(test.answers["label"]) <= {"astronaut", "cat", "coffee", "motorcycle", "rocket"}
    assert len({trial.image // 25 for trial in test.trials}) > 3  # of several photographs


def test_a_stored_notebook_keeps_a_image_and_does_not_tell(test, monkeypatch, capsys):
    outputs = []
    monkeypatch.setattr(IPython.display, "display", lambda data, metadata, raw: outputs.append((data, metadata)))
    test._ipython_display_()
    ((data, metadata),) = outputs
    assert data["text/plain"] == "TuringTest(pairs=10, answered=0)"
    assert data["image/jpeg"]
    assert "blue" not in capsys.readouterr().out + str(metadata)
