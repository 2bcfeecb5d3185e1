"""Every widget that shows a model takes any network, not only those of the package."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from colorlab.widgets import HintPainter, MetricTrap, ModelComparison, TuringTest


class Warm(nn.Module):
    """Everything is a little orange."""

    def forward(self, lightness: torch.Tensor) -> torch.Tensor:
        return torch.tensor([0.1, 0.2]).view(1, 2, 1, 1).expand(len(lightness), -1, *lightness.shape[2:])


@pytest.mark.parametrize(
    "widget",
    [
        lambda: HintPainter("coffee", Warm()),
        lambda: MetricTrap("coffee", Warm()),
        lambda: ModelComparison("coffee", {"warm": Warm(), "shipped": "resnet"}),
        lambda: TuringTest({"warm": Warm()}, pairs=1),
    ],
    ids=["HintPainter", "MetricTrap", "ModelComparison", "TuringTest"],
)
def test_a_plain_module_is_a_model(widget):
    assert "(" in repr(widget())
