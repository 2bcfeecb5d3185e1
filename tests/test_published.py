"""The shipped table of LPIPS: whose it is, and that the genuine weights still give it."""

import os
from pathlib import Path

import pytest
import torch

from colorlab import pretrained
from colorlab.data import create_dataset
from colorlab.evaluation import colored, gray, interpretability
from colorlab.evaluation.perceptual import PerceptualDistance
from colorlab.evaluation.published import (
    HINTS,
    HUES,
    LABEL,
    ZHANG_2017,
    altered,
    hint_curve,
    hue_and_chroma,
    judged_photos,
    lpips_provenance,
    lpips_table,
    photo_provenance,
    photo_scores,
    pretraining,
    training_run,
)


def test_the_table_holds_the_baselines_and_all_weights_that_ship():
    table = lpips_table()
    assert set(table["model"]) >= {"gray", "mean color", *pretrained.NAMES, "blurred", "noisy"}
    assert (table.groupby("model").size() == len(create_dataset("placeholder", "test"))).all()
    assert (table[LABEL] >= 0).all()
    for name in pretrained.NAMES:
        assert f"Weights {name}: SHA-256 {pretrained.FILES[name][:12]}" in lpips_provenance()
    with pytest.raises(ValueError, match="size must be 32 or 64 pixels, as in the stored table, got 48"):
        lpips_table(48)


def test_the_scores_of_photographs_are_of_the_weights_that_ship():
    table = photo_scores()
    shipped = [name for name in pretrained.NAMES[1:] if name != "resnet-placeholder"]
    styles = pretrained.load(pretrained.NAMES[0]).styles
    assert list(table["model"].unique()) == ["original", "gray", "mean color", *styles, *shipped]
    for name in (pretrained.NAMES[0], *shipped):
        assert f"Weights {name}: SHA-256 {pretrained.FILES[name][:12]}" in photo_provenance()
    means = table.groupby("model").mean(numeric_only=True)
    assert means["lpips"].idxmin() == "original"
    assert means["colorfulness"].idxmin() == "gray"
    # What the card says of the default: better than gray in every style.
    assert (means.loc[["careful", "balanced", "vivid"], "psnr"] > means.loc["gray", "psnr"]).all()
    found = interpretability(judged_photos())
    assert set(found["n"]) == {192}
    assert found["log_probability"].idxmax() == "original"


def test_the_table_of_hues_is_of_the_default_that_ships_and_shows_that_hue_matters():
    default = pretrained.NAMES[0]
    assert f"Weights {default}: SHA-256 {pretrained.FILES[default][:12]}" in HUES.read_text(encoding="utf-8")
    found = interpretability(judged_photos() | hue_and_chroma())
    assert set(found["n"]) == {192}
    log_p = found["log_probability"]
    assert log_p["true hue, a quarter of the true chroma"] > log_p["the default's hue, true chroma"]


def test_the_table_of_pretraining_has_the_baselines_and_the_same_minutes():
    table = pretraining().set_index("network")
    assert list(table.index[:2]) == ["gray", "mean color"]
    assert table["minutes"].iloc[2:].nunique() == 1
    assert table["psnr_gain"]["gray"] == 0
    # What the lesson says: features of recognition are worth more than the rest.
    assert table["mae"].idxmin() == table["lpips"].idxmin() == "pretrained encoder, frozen"


def test_a_training_run_is_stored_for_the_lesson_on_gans():
    run = training_run("nazerigan32")
    assert run["images"].is_monotonic_increasing
    assert run["minutes"].is_monotonic_increasing
    assert run[["d_real", "d_fake"]].stack().between(0, 1).all()
    with pytest.raises(ValueError, match="no run of 'cgan' is stored; there are nazerigan32"):
        training_run("cgan")


def test_the_genuine_weights_give_the_table():
    if "COLORLAB_REAL_DATA" not in os.environ:
        pytest.skip("COLORLAB_REAL_DATA is not set; no ImageNet weights here")
    weights = Path(os.environ["COLORLAB_REAL_DATA"]).parent / "weights" / "squeezenet1_1-features.pth"
    lpips = PerceptualDistance("squeeze", weights)
    assert lpips.label == LABEL
    rgb = create_dataset("placeholder", "test").rgb
    table = lpips_table().pivot(index="image", columns="model", values=LABEL)
    for name, changed in {"gray": colored(gray(), rgb), **altered(rgb)}.items():
        expected = torch.tensor(table[name].to_numpy())
        torch.testing.assert_close(lpips(rgb, changed).double(), expected, rtol=0, atol=2e-4)


def test_the_curve_of_hints_is_that_of_the_weights_that_ship():
    curve = hint_curve().pivot(index="hints", columns="way", values="psnr")
    assert f"Weights distribution: SHA-256 {pretrained.FILES['distribution'][:12]}" in HINTS.read_text()
    assert set(curve.index) == set(ZHANG_2017)
    # Without hints nothing is spread; more hints never harm; the two together are at least as good as either.
    assert curve.loc[0, "both"] == curve.loc[0, "network"] == curve.loc[0, "propagation on the network's answer"]
    assert (curve.diff().dropna() > 0).all(axis=None)
    # The claim of the card, in dB.
    hinted = curve["both"]
    assert hinted[10] >= hinted[0] + 3.5
    assert hinted[10] >= curve.loc[10, "propagation on gray"] + 0.7
    assert hinted[100] >= max(30.0, curve.loc[100, "propagation on gray"] + 0.4)
