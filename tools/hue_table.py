"""Compute ``colorlab/evaluation/hue_and_chroma.csv``: does the judge ``imagenet`` miss hue or chroma?

    COLORLAB_REAL_DATA=<folder with the tars> make photo-scores

The photographs of tools/score_styles.py with colors that no model predicts: true hues with less chroma, hues of the
default with the true chroma, and opposite hues. ``make photo-scores`` runs it after tools/photo_scores.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from benchmark_page import BATCH
from photo_scores import digest
from score_styles import colorized, photographs
from score_weights import paint
from torch import Tensor

from colorlab import color, pretrained
from colorlab.evaluation import interpretability
from colorlab.evaluation.definitions import Seen
from colorlab.evaluation.judges import ImageNetJudge
from colorlab.evaluation.published import HUES, hue_and_chroma, judged_photos
from colorlab.evaluation.scores import Batch, Measures, measure_all


def versions(rgb: Tensor) -> dict[str, Tensor]:
    """Return the altered images, ``(N, 3, H, W)`` uint8, by what was done to them."""
    lab = color.rgb_to_lab(rgb)
    default = pretrained.loaded()
    predicted = color.rgb_to_lab(colorized(default, lab, default.working_size, None))[:, 1:]
    true = lab[:, 1:]
    chroma, predicted_chroma = (ab.norm(dim=1, keepdim=True) for ab in (true, predicted))
    colors = {
        "true hue, a quarter of the true chroma": true / 4,
        "true hue, the default's chroma": true / (chroma + 1e-6) * predicted_chroma,
        "the default's hue, a quarter of its chroma": predicted / 4,
        "the default's hue, true chroma": predicted / (predicted_chroma + 1e-6) * chroma,
        "opposite hue, true chroma": -true,
    }
    return {name: paint(lab, ab) for name, ab in colors.items()}


def main() -> None:
    """Write the table into the package."""
    judge = ImageNetJudge()
    rgb, ids = photographs()

    def batches() -> Iterator[Batch]:
        for start in range(0, len(rgb), BATCH):
            some, labels = rgb[start : start + BATCH], ids[start : start + BATCH]
            yield Batch(range(start, start + len(labels)), labels, [""] * len(labels), Seen(some), versions(some))

    with torch.inference_mode():
        table = measure_all(Measures((), classifier=judge), batches(), len(rgb), "photographs")
    table["top1"], table["top5"] = table["top1"].astype(int), table["top5"].astype(int)
    default = pretrained.NAMES[0]
    lines = (
        f"What the judge {judge.label}, says of {len(rgb)} photographs of 256 px with other colors;",
        "they are the val images of photos.tar that are not gray.",
        f"SHA-256 of the photographs' pixels {digest(rgb)}.",
        f"Weights {default}: SHA-256 {pretrained.FILES[default][:12]}.",
        "Made by tools/hue_table.py, CPU, float32.",
    )
    text = table.to_csv(index=False, float_format="%.5g")
    HUES.write_text("".join(f"# {line}\n" for line in lines) + text, encoding="utf-8")
    found = interpretability(judged_photos() | hue_and_chroma())
    print(found[["n", "top1", "log_probability"]].round(4).to_string())


if __name__ == "__main__":
    main()
