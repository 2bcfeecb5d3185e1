"""Intervals and tests against published values, and what a classifier's verdicts are turned into."""

import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from colorlab.evaluation import (
    classify,
    differences,
    gap_recovered,
    interpretability,
    mcnemar,
    mcnemar_table,
    paired_bootstrap,
    wilson,
)
from colorlab.models import Classifier, create_classifier

LETTERS = tuple("abcdefgh")


class Fixed(Classifier):
    """Reads its logits from the images: the first row of the red channel, in 8-bit levels."""

    name = "fixed"
    smallest = 1

    def classify(self, values):
        return ((values * self.std + self.mean) * 255).round()[:, 0, 0, : len(self.classes)]


def showing(*logits):
    """Images that :class:`Fixed` gives these logits for."""
    rows = torch.tensor(logits, dtype=torch.uint8)
    return rows[:, None, None, :].expand(-1, 3, 1, -1).contiguous()


# Published values


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_newcombes_intervals(successes, n, low, high):
    """Newcombe 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E, table I, method 3."""
    assert wilson(successes, n) == pytest.approx((successes / n, low, high), abs=5e-5)
    assert wilson(n - successes, n) == pytest.approx((1 - successes / n, 1 - high, 1 - low), abs=5e-5)


def test_mcnemar_on_the_prime_ministers_approval():
    """Agresti, *Categorical data analysis*: 794 ratings, then and six months later, 150 and 86 of them changed; the
    exact p value is that of R's ``binom.test(86, 236)``.
    """
    then = np.repeat([True, True, False, False], [794, 150, 86, 570])
    later = np.repeat([True, False, True, False], [794, 150, 86, 570])
    assert mcnemar(then, later) == pytest.approx(3.716e-05, rel=1e-3) == mcnemar(later, then)


def test_zhangs_network_recovers_a_fifth_of_the_gap():
    """arXiv:1603.08511, table 1: accuracies on gray, recolored and original images."""
    assert gap_recovered(56.0, 52.7, 68.3) == pytest.approx(0.21, abs=0.005)
    assert (gap_recovered(0.3, 0.3, 0.8), gap_recovered(0.8, 0.3, 0.8)) == (0, 1)
    assert gap_recovered(0.2, 0.3, 0.8) < 0
    assert math.isnan(gap_recovered(0.5, 0.6, 0.6))


def test_the_bootstrap_of_well_behaved_differences_is_students_interval():
    values = np.random.default_rng(1).normal(0.3, 1, 400)
    found = paired_bootstrap(values)
    student = scipy.stats.t.interval(0.95, 399, values.mean(), scipy.stats.sem(values))
    assert found.estimate == values.mean()
    assert (found.low, found.high) == pytest.approx(student, abs=0.01)


# Properties


@given(successes=st.integers(0, 50), more=st.integers(0, 50))
def test_wilsons_interval_holds_the_share_and_stays_a_share(successes, more):
    n = successes + more
    if n == 0:
        with pytest.raises(ValueError, match="n at least 1"):
            wilson(successes, n)
        return
    share, low, high = wilson(successes, n)
    assert 0 <= low <= share + 1e-12
    assert share - 1e-12 <= high <= 1
    assert high - low < 1


def test_the_interval_of_differences_that_are_all_the_same_is_that_point():
    assert paired_bootstrap([2.5] * 9) == (2.5, 2.5, 2.5)


def test_images_met_exactly_are_left_out_of_differences():
    values = [1.0, 2.0, 4.0]
    assert paired_bootstrap([*values, math.inf, math.nan, -math.inf]) == paired_bootstrap(values)
    with pytest.raises(ValueError, match="at least 2 finite numbers, got 1"):
        paired_bootstrap([1.0, math.inf])


def test_many_differences_do_not_need_much_memory():
    found = paired_bootstrap(np.random.default_rng(0).normal(size=20_000))
    assert found.high - found.low == pytest.approx(2 * 1.96 / 20_000**0.5, rel=0.1)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_mcnemar_knows_only_images_on_which_one_is_right(verdicts):
    a, b = np.array(verdicts).T
    p = mcnemar(a, b)
    assert 0 < p <= 1
    assert p == pytest.approx(mcnemar(np.append(a, [True, False]), np.append(b, [True, False])))
    if (a == b).all():
        assert p == 1


def test_six_wins_to_none():
    assert mcnemar([True] * 6, [False] * 6) == pytest.approx(2 / 2**6)
    with pytest.raises(ValueError, match="same images, got 6 and 5"):
        mcnemar([True] * 6, [False] * 5)


def test_a_hard_image_for_all_does_not_widen_the_interval_of_the_difference():
    hard = np.random.default_rng(0).normal(0, 100, 50)
    gain = np.random.default_rng(1).normal(1, 0.5, 50)
    rows = {"gray": hard + 200, "model": hard + 200 - gain, "worse": hard + 300}
    table = pd.concat([pd.DataFrame({"model": m, "image": range(50), "mse": v}) for m, v in rows.items()])
    found = differences(table.sample(frac=1, random_state=0), "mse").loc[["model", "worse"]]
    assert found.loc["model"].tolist() == pytest.approx([*paired_bootstrap(-gain), 50])
    assert found["high"]["model"] < 0 < found["low"]["worse"] == pytest.approx(100)
    with pytest.raises(ValueError, match="no model 'grey' in the table; there are gray, model, worse"):
        differences(table, "mse", "grey")
    with pytest.raises(ValueError, match="same images"):
        differences(table[1:], "mse")


# A classifier's verdicts


def test_classify_against_topk():
    torch.manual_seed(0)
    logits = torch.stack([torch.randperm(len(LETTERS)) for _ in range(60)]) * 3
    labels = torch.randint(0, len(LETTERS), (60,))
    batches = [(showing(*logits[i : i + 25].tolist()), labels[i : i + 25]) for i in range(0, 60, 25)]
    found = classify(Fixed(LETTERS), batches)
    assert found["label"].tolist() == [LETTERS[i] for i in labels]
    assert found["top1"].tolist() == (logits.argmax(dim=1) == labels).tolist()
    assert found["top5"].tolist() == (logits.topk(5).indices == labels[:, None]).any(dim=1).tolist()
    expected = torch.softmax(logits.double(), dim=1)[range(60), labels]
    assert found["probability"].to_numpy() == pytest.approx(expected.numpy(), rel=1e-4)
    assert found["top1"].sum() < found["top5"].sum() < 60


def test_a_classifier_without_an_opinion_is_not_right():
    found = classify(Fixed(LETTERS), [(showing([7] * 8), torch.tensor([0]))])
    assert (found["top1"].item(), found["top5"].item()) == (False, False)
    assert found["probability"].item() == pytest.approx(1 / 8)


def test_a_classifier_of_five_classes_has_no_top5():
    found = classify(Fixed(LETTERS[:5]), [(showing([5, 4, 3, 2, 1]), torch.tensor([0]))])
    assert found["top5"].isna().all()
    table = interpretability({"original": found})
    assert table["top5"].isna().all()
    assert table["top1"].item() == 1


@pytest.mark.parametrize("training", [True, False])
def test_a_classifier_judges_in_eval_mode_and_is_left_as_it_came(training):
    torch.manual_seed(0)
    classifier = create_classifier("small", LETTERS)
    rgb = torch.randint(0, 256, (6, 3, 16, 16), dtype=torch.uint8)
    labels = torch.arange(6)
    with torch.no_grad():
        expected = classifier.eval()(rgb).softmax(dim=1)[range(6), labels]
        assert not torch.allclose(classifier.train()(rgb).softmax(dim=1)[range(6), labels], expected, atol=1e-4)
    classifier = create_classifier("small", LETTERS)
    torch.manual_seed(0)
    classifier = create_classifier("small", LETTERS).train(training)
    found = classify(classifier, [(rgb[:4], labels[:4]), (rgb[4:], labels[4:])])
    assert found["probability"].to_numpy() == pytest.approx(expected.numpy(), rel=1e-4)
    assert classifier.training == training


def test_what_cannot_be_classified_is_refused():
    with pytest.raises(ValueError, match="no images"):
        classify(Fixed(LETTERS), [])
    with pytest.raises(ValueError, match="indices of the classifier's 8 classes, got 8"):
        classify(Fixed(LETTERS), [(showing([0] * 8), torch.tensor([8]))])


def verdicts(right, n=100, top5=None):
    """``right`` of ``n`` images right, the first ones."""
    first = pd.array([i < (right if top5 is None else top5) for i in range(n)], dtype="boolean")
    return pd.DataFrame({"label": "a", "top1": [i < right for i in range(n)], "top5": first})


def test_accuracies_intervals_and_the_recovered_gap():
    table = interpretability({"original": verdicts(80, top5=95), "gray": verdicts(50), "model": verdicts(65)})
    assert table["gap_recovered"].tolist() == pytest.approx([1, 0, 0.5])
    assert table.loc["original", ["top1", "top1_low", "top1_high"]].tolist() == pytest.approx(list(wilson(80, 100)))
    assert table.loc["original", ["top5", "top5_low", "top5_high"]].tolist() == pytest.approx(list(wilson(95, 100)))
    assert table["n"].tolist() == [100] * 3
    # 15 images that only the model is right about
    assert table["p_gray"].tolist() == pytest.approx([2 / 2**30, 1, 2 / 2**15])


def test_without_gray_there_is_no_gap():
    table = interpretability({"original": verdicts(80), "model": verdicts(65)})
    assert table[["gap_recovered", "p_gray"]].isna().all(axis=None)


def test_mcnemar_between_every_two_models():
    tables = {"original": verdicts(80), "gray": verdicts(50), "model": verdicts(56)}
    found = mcnemar_table(tables)
    assert found.loc["gray", "model"] == found.loc["model", "gray"] == pytest.approx(2 / 2**6)
    assert np.diag(found).tolist() == [1, 1, 1]


def test_verdicts_on_other_images_are_refused():
    with pytest.raises(ValueError, match="original and gray are not about the same images"):
        interpretability({"original": verdicts(3, 10), "gray": verdicts(3, 9)})
    with pytest.raises(ValueError, match="no tables"):
        interpretability({})
