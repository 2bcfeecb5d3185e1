"""The interactive demos, each usable in one line of a notebook. ``import colorlab`` does not import them."""

from __future__ import annotations

from colorlab.widgets.colorize_bench import ColorizeBench

__all__ = ["ColorizeBench"]
