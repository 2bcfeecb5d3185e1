"""Interactive demos, each usable in one line of a notebook. ``import colorlab`` does not import them."""

from __future__ import annotations

from colorlab.extras import extra

with extra("notebooks"):
    from colorlab.widgets.colorize_bench import ColorizeBench
    from colorlab.widgets.distribution_probe import DistributionProbe
    from colorlab.widgets.hint_painter import HintPainter
    from colorlab.widgets.lab_explorer import LabExplorer
    from colorlab.widgets.metric_trap import MetricTrap
    from colorlab.widgets.model_comparison import ModelComparison
    from colorlab.widgets.training_dashboard import TrainingDashboard
    from colorlab.widgets.turing_test import TuringTest

__all__ = [
    "ColorizeBench",
    "DistributionProbe",
    "HintPainter",
    "LabExplorer",
    "MetricTrap",
    "ModelComparison",
    "TrainingDashboard",
    "TuringTest",
]
