"""Find the device that a name means on this machine."""

from __future__ import annotations

import os

import torch


def find_device(name: str) -> torch.device:
    """Return the device that a name means here; under ``torchrun``, ``cuda`` is this process's GPU.

    Args:
        name: ``auto`` (a GPU if there is one), ``cpu``, ``cuda``, ``cuda:1``, ``mps``.

    Raises:
        ValueError: torch does not know the name, or this machine lacks the device.
    """
    if name == "auto":
        accelerator = torch.accelerator.current_accelerator(check_available=True)
        device = accelerator if accelerator is not None else torch.device("cpu")
    else:
        try:
            device = torch.device(name)
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError) as error:  # torch asserts that it was built with CUDA
            raise ValueError(f"device {name!r} cannot be used here: {error}") from error
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
    return device


def core_count() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
