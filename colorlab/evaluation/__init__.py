"""How good colours are: a value per picture, what it is sure of, and the baselines that every table holds."""

from __future__ import annotations

from colorlab.evaluation.baselines import grey, mean_colour
from colorlab.evaluation.interpretability import classify, interpretability, mcnemar_table
from colorlab.evaluation.leaderboard import leaderboard, to_markdown
from colorlab.evaluation.perceptual import PerceptualDistance
from colorlab.evaluation.scores import SCORES, Score, compare, score, score_pictures, summary
from colorlab.evaluation.statistics import differences, gap_recovered, mcnemar, paired_bootstrap, wilson
from colorlab.models import coloured

__all__ = [
    "SCORES",
    "PerceptualDistance",
    "Score",
    "classify",
    "coloured",
    "compare",
    "differences",
    "gap_recovered",
    "grey",
    "interpretability",
    "leaderboard",
    "mcnemar",
    "mcnemar_table",
    "mean_colour",
    "paired_bootstrap",
    "score",
    "score_pictures",
    "summary",
    "to_markdown",
    "wilson",
]
