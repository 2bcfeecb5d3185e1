"""Check answers to the exercises of the notebooks: ``exercises.check("01.1", answer)``.

An exercise's name consists of its notebook and its number there. The answer is a number, a function or whatever the
exercise asks for; the verdict says why it is right, or which mistake it resembles. Checks compare with the package's
functions or with other libraries (SciPy, scikit-image, Pillow), never with a stored result. Worked solutions are in
``notebooks/solutions``.
"""

from __future__ import annotations

# Importing these modules registers their checks.
from colorlab.exercises import color, networks, scores
from colorlab.exercises.checking import EXERCISES, Verdict, WrongAnswer

__all__ = ["EXERCISES", "Verdict", "check", "color", "networks", "scores"]


def check(exercise: str, answer: object) -> Verdict:
    """Return whether an answer is right, and why or why not.

    Args:
        exercise: its name in the notebook, such as ``"01.1"``; one of :data:`EXERCISES`.
        answer: what the exercise asks for. A function is called with small inputs; its errors are not caught.

    Returns:
        A verdict that prints as a few sentences and is true if the answer is right.

    Raises:
        ValueError: there is no such exercise.
    """
    if exercise not in EXERCISES:
        raise ValueError(f"no exercise {exercise!r} is checked; there are {', '.join(sorted(EXERCISES))}")
    try:
        return Verdict(True, EXERCISES[exercise](answer))
    except WrongAnswer as wrong:
        return Verdict(False, str(wrong))
