"""How good colours are: a value per picture, and the baselines that every table holds."""

from __future__ import annotations

from colorlab.evaluation.baselines import grey, mean_colour
from colorlab.evaluation.scores import compare, score, summary

__all__ = ["compare", "grey", "mean_colour", "score", "summary"]
