"""Take trained weights into the package: half precision, SHA-256 in ``shipped.json``.

    .venv/bin/python tools/ship_weights.py NAME output/EXPERIMENT/best.safetensors

The model card ``colorlab/pretrained/NAME.md`` is written by hand, from what the training and
``python -m colorlab`` printed. The order in ``shipped.json`` is the order of merit: the first is the default.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import torch

from colorlab.models import describe_weights, load_weights, save_weights

FOLDER = Path(__file__).parent.parent / "colorlab" / "pretrained"


def ship(name: str, source: Path) -> None:
    """Copy ``source`` as ``name``, keeping what its header says about the training."""
    target = FOLDER / f"{name}.safetensors"
    header = describe_weights(source)
    facts = {key: header[key] for key in ("options", "classes", "epoch")}
    save_weights(load_weights(source), target, facts, dtype=torch.float16)
    index = FOLDER / "shipped.json"
    shipped = json.loads(index.read_text(encoding="utf-8"))
    shipped[name] = hashlib.sha256(target.read_bytes()).hexdigest()
    index.write_text(json.dumps(shipped, indent=2) + "\n", encoding="utf-8")
    print(f"{target.name}: {target.stat().st_size / 1e6:.2f} MB, SHA-256 {shipped[name]}")


if __name__ == "__main__":
    ship(sys.argv[1], Path(sys.argv[2]))
