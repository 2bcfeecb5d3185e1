"""Score colorizers: values per image, confidence intervals, and baselines."""

from __future__ import annotations

from colorlab.evaluation.baselines import gray, mean_color
from colorlab.evaluation.definitions import register_score
from colorlab.evaluation.interpretability import classify, interpretability, mcnemar_table
from colorlab.evaluation.judges import load_judge
from colorlab.evaluation.leaderboard import leaderboard, to_markdown
from colorlab.evaluation.perceptual import PerceptualDistance
from colorlab.evaluation.run import Evaluation, evaluate
from colorlab.evaluation.scores import SCORES, Score, compare, score, score_images, summary
from colorlab.evaluation.statistics import differences, gap_recovered, mcnemar, paired_bootstrap, wilson
from colorlab.models import colored

__all__ = [
    "SCORES",
    "Evaluation",
    "PerceptualDistance",
    "Score",
    "classify",
    "colored",
    "compare",
    "differences",
    "evaluate",
    "gap_recovered",
    "gray",
    "interpretability",
    "leaderboard",
    "load_judge",
    "mcnemar",
    "mcnemar_table",
    "mean_color",
    "paired_bootstrap",
    "register_score",
    "score",
    "score_images",
    "summary",
    "to_markdown",
    "wilson",
]
