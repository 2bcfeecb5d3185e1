"""``python -m colorlab TASK``: the command line, a thin face of the package made from its own dataclasses."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tqdm import tqdm

from colorlab import pictures, pretrained
from colorlab.data import create_dataset
from colorlab.evaluation import compare, grey, mean_colour, summary
from colorlab.inference import WORKING_SIZE, colorize
from colorlab.models import Colorizer, load_weights
from colorlab.training import TrainingOptions, train


@dataclass(frozen=True, kw_only=True)
class ColorizeOptions:
    """Colour pictures. Each result is a PNG under its original's name; the lightness is kept."""

    pictures: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IN [IN …]")]
    """Files, or folders of files."""
    output: Path = Path("colorized")
    """Folder to write to; made if missing."""
    model_name: str | None = None
    """Weights that ship with colorlab; without it, the best of them."""
    model_path: Path | None = None
    """Weights of your own, such as output/experiment_name/best.safetensors."""
    size: int = WORKING_SIZE
    """Colour is predicted on size × size pixels, in the picture's own shape."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one task. The exit status is 0 if all was done, 1 if something failed, 2 for options that make no sense."""
    try:
        options = tyro.extras.subcommand_cli_from_dict(
            {"colorizer": TrainingOptions, "colorize": ColorizeOptions},
            prog="colorlab",
            description="Learn automatic image colorization, and do it.",
            args=arguments,
        )
        return run_colorize(options) if isinstance(options, ColorizeOptions) else run_colorizer(options)
    except (ValueError, OSError) as error:
        print(f"colorlab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("colorlab: interrupted; what was written so far is kept", file=sys.stderr)
        return 130


def run_colorizer(options: TrainingOptions) -> int:
    """Train, then compare with the baselines on the data set's test pictures."""
    training = train(options)
    testset = create_dataset(options.dataset_name, "test", size=options.image_size)
    trainset = create_dataset(options.dataset_name, "train", size=options.image_size)
    models = {"grey": grey(), "mean colour": mean_colour(trainset), options.model_name: training.model.cpu()}
    print(training.history.table().round(5).to_string())
    print(
        f"\nOn {len(testset)} test pictures (mse and mae of a and b in Lab units, PSNR in dB; _se: standard error):"
    )
    print(summary(compare(models, testset)).round(2).to_string())
    print(f"\nWritten to {training.folder}")
    return 0


def run_colorize(options: ColorizeOptions) -> int:
    """Colour every picture that can be read, and name each that cannot."""
    if options.model_name is not None and options.model_path is not None:
        raise ValueError("give either --model-name or --model-path, not both")
    model = load_weights(options.model_path) if options.model_path else pretrained.load(options.model_name)
    options.output.mkdir(parents=True, exist_ok=True)
    sources = list(_files(options.pictures))
    written: set[Path] = set()
    failures = 0
    for source in tqdm(sources, unit="picture", desc="colorize", disable=None):
        target = options.output / f"{source.stem}.png"
        try:
            if target in written:
                raise ValueError(f"{source} is left out: {target} was already written for a picture of the same name")
            if target.exists() and target.samefile(source):
                raise ValueError(f"{source} is left out: its result would overwrite it; give another --output")
            _colorize_file(source, target, model, options.size)
        except (ValueError, OSError, MemoryError) as error:
            failures += 1
            tqdm.write(f"colorlab: {error}", file=sys.stderr)
        else:
            written.add(target)
    print(f"{len(written)} of {len(sources)} pictures colorized, in {options.output}")
    return 1 if failures else 0


def _files(given: Sequence[Path]) -> Iterator[Path]:
    """The files given, and the pictures directly inside the folders given."""
    for path in given:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in pictures.SUFFIXES)
            if not inside:
                raise ValueError(f"there are no pictures in the folder {path}")
            yield from inside
        else:
            yield path


def _colorize_file(source: Path, target: Path, model: Colorizer, size: int) -> None:
    # Under its final name a picture is always whole.
    unfinished = target.with_name(target.name + ".part")
    try:
        colorize(source, model, size=size).save(unfinished, format="PNG")
        os.replace(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)
