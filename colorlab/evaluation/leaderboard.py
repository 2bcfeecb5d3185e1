"""The leaderboard: all models and scores, beside the originals and the baselines."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from colorlab.evaluation.definitions import SCORES, Direction
from colorlab.evaluation.perceptual import is_perceptual
from colorlab.evaluation.scores import scores_of, summary

BASELINES = ("original", "gray", "mean color")
"""The rows that every leaderboard has: the upper bound and the trivial baselines."""

_ACCURACIES = {
    "top1": "top-1 accuracy",
    "top5": "top-5 accuracy",
    "probability": "probability of the true class",
}
_ARROWS: dict[Direction, str] = {"lower": "↓", "higher": "↑", "none": ""}


def leaderboard(table: pd.DataFrame, scores: Sequence[str] | None = None) -> pd.DataFrame:
    """Return a table of all models and scores, best model first.

    Args:
        table: scores by image; its column ``model`` must include :data:`BASELINES`.
        scores: columns to show; the first that has a direction orders the models. By default all but those that
            only serve others.

    Returns:
        Text, indexed by ``model``: ``mean ± standard error``, with two digits of the error; columns are titles with
        unit and arrow (↓ lower is better, ↑ higher is better), the last one ``n``, the number of images.

    Raises:
        ValueError: a baseline or a score is missing, or the models are not scored on the same images.
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
    sort_column = next((name for name, direction in directions.items() if direction != "none"), None)
    if sort_column is not None:
        means = means.sort_values(sort_column, ascending=directions[sort_column] == "lower", kind="stable")
    board = pd.DataFrame(index=means.index)
    for name in scores:
        board[heading(name)] = [
            plus_minus(mean, error) for mean, error in zip(means[name], means[f"{name}_se"], strict=True)
        ]
    board["n"] = means["n"].astype(str)
    return board


def to_markdown(board: pd.DataFrame) -> str:
    """Return a table of text, such as the :func:`leaderboard`, as Markdown; numbers are right-aligned."""
    index = str(board.index.name or "")
    lines = [[index, *map(str, board.columns)], ["---", *["---:"] * board.shape[1]]]
    lines += [[str(name), *map(str, row)] for name, row in zip(board.index, board.to_numpy(), strict=True)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def heading(column: str) -> str:
    """Return a column's title with its unit and an arrow in the direction of better values."""
    title, unit, direction = reading(column)
    notes = ", ".join(filter(None, [unit, _ARROWS[direction]]))
    return f"{title} ({notes})" if notes else title


def reading(column: str) -> tuple[str, str, Direction]:
    """Return title, unit and direction of a column of scores; an unknown column has its name as title."""
    if column in SCORES:
        score = SCORES[column]
        return score.title, score.unit, score.direction
    if column in _ACCURACIES:
        return _ACCURACIES[column], "", "higher"
    return column, "", "lower" if is_perceptual(column) else "none"


def plus_minus(mean: float, error: float) -> str:
    """Return ``mean ± standard error``, with two digits of the error, or four of the mean without an error."""
    if math.isinf(mean):
        return "∞" if mean > 0 else "-∞"
    if math.isnan(mean):
        return "–"
    size = error / 10 if error > 0 else abs(mean) / 1000
    decimals = min(8, max(0, -math.floor(math.log10(size)))) if size > 0 else 0
    return f"{mean:.{decimals}f} ± {error:.{decimals}f}" if error > 0 else f"{mean:.{decimals}f}"
