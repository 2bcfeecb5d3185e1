"""Datasets by name. Each yields ``(rgb, label)``: a uint8 image ``3×H×W`` and a class index."""

from __future__ import annotations

from colorlab.data.crops import MIN_AREA
from colorlab.data.dataset import Batch, ImageDataset, Split
from colorlab.data.loading import BatchOrder, create_loader
from colorlab.data.mixture import Mixture
from colorlab.data.names import DATASETS, Data, create_dataset, register_dataset
from colorlab.data.stored import Unreadable

__all__ = [
    "DATASETS",
    "MIN_AREA",
    "Batch",
    "BatchOrder",
    "Data",
    "ImageDataset",
    "Mixture",
    "Split",
    "Unreadable",
    "create_dataset",
    "create_loader",
    "register_dataset",
]
