"""The leaderboard: all models by all scores, never without the rows that show what a number is worth."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from colorlab.evaluation.definitions import SCORES, Direction
from colorlab.evaluation.perceptual import is_perceptual
from colorlab.evaluation.scores import scores_of, summary

BASELINES = ("original", "gray", "mean color")
"""The rows that every leaderboard has: what is at most to be had, and what is to be had for nothing."""

_ACCURACIES = {
    "top1": "top-1 accuracy",
    "top5": "top-5 accuracy",
    "probability": "probability of the true class",
}
_ARROWS: dict[Direction, str] = {"lower": "↓", "higher": "↑", "none": ""}


def leaderboard(table: pd.DataFrame, scores: Sequence[str] | None = None) -> pd.DataFrame:
    """All models by all scores, best first.

    Args:
        table: scores by image, with a column ``model`` among whose values are :data:`BASELINES`.
        scores: columns to show; the models are ordered by the first of them that has a better direction. By default
            all but those that serve others.

    Returns:
        Text, indexed by ``model``: ``mean ± standard error``, with two digits of the error; columns are titles with
        unit and arrow (↓ lower is better, ↑ higher is better), the last one ``n``, the number of images.

    Raises:
        ValueError: a baseline or a score is missing, or models are not scored on the same images.
    """
    missing = [name for name in BASELINES if name not in set(table["model"])]
    if missing:
        raise ValueError(
            f"a leaderboard needs the rows {', '.join(BASELINES)}, and {', '.join(missing)} is not in the table; "
            "colorlab.evaluation.compare makes them from gray(), mean_color(trainset) and original=True"
        )
    available = scores_of(table)
    if scores is None:
        scores = [name for name in available if name not in ("auc_weight", "colorfulness_gain")]
    unknown = [name for name in scores if name not in available]
    if unknown:
        raise ValueError(f"no score {unknown[0]!r} in the table; there are {', '.join(available)}")
    means = summary(table)
    if means["n"].nunique() > 1:
        raise ValueError(f"models must be scored on the same images, got {means['n'].to_dict()} of them")
    directions = {name: reading(name)[2] for name in scores}
    decisive = next((name for name, direction in directions.items() if direction != "none"), None)
    if decisive is not None:
        means = means.sort_values(decisive, ascending=directions[decisive] == "lower", kind="stable")
    board = pd.DataFrame(index=means.index)
    for name in scores:
        board[heading(name)] = [
            plus_minus(mean, error) for mean, error in zip(means[name], means[f"{name}_se"], strict=True)
        ]
    board["n"] = means["n"].astype(str)
    return board


def to_markdown(board: pd.DataFrame) -> str:
    """A table of text, such as :func:`leaderboard` gives, as Markdown; its numbers are set to the right."""
    index = str(board.index.name or "")
    lines = [[index, *map(str, board.columns)], ["---", *["---:"] * board.shape[1]]]
    lines += [[str(name), *map(str, row)] for name, row in zip(board.index, board.to_numpy(), strict=True)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def heading(column: str) -> str:
    """A column's title for people, with its unit and an arrow in the direction of better values."""
    title, unit, direction = reading(column)
    notes = ", ".join(filter(None, [unit, _ARROWS[direction]]))
    return f"{title} ({notes})" if notes else title


def reading(column: str) -> tuple[str, str, Direction]:
    """Title, unit and direction of a column of scores; a column unknown here is called by its name."""
    if column in SCORES:
        score = SCORES[column]
        return score.title, score.unit, score.direction
    if column in _ACCURACIES:
        return _ACCURACIES[column], "", "higher"
    return column, "", "lower" if is_perceptual(column) else "none"


def plus_minus(mean: float, error: float) -> str:
    """``mean ± standard error``, with two digits of the error, or four of the mean where there is no error."""
    if math.isinf(mean):
        return "∞" if mean > 0 else "-∞"
    if math.isnan(mean):
        return "–"
    size = error / 10 if error > 0 else abs(mean) / 1000
    decimals = min(8, max(0, -math.floor(math.log10(size)))) if size > 0 else 0
    return f"{mean:.{decimals}f} ± {error:.{decimals}f}" if error > 0 else f"{mean:.{decimals}f}"
