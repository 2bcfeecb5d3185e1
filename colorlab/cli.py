"""``python -m colorlab TASK``: the command line, a thin face of the package made from its own dataclasses."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import tyro
from tqdm import tqdm
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from colorlab import pictures, pretrained
from colorlab.evaluation import compare, grey, mean_colour, summary
from colorlab.inference import colorize
from colorlab.models import Colorizer, load_weights
from colorlab.training import (
    ClassifierOptions,
    TrainingDivergedError,
    TrainingOptions,
    train,
    train_classifier,
)


@dataclass(frozen=True, kw_only=True)
class ColorizeOptions:
    """Colour pictures. Each result is a PNG under its original's name; the lightness is kept."""

    pictures: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IN [IN …]")]
    """Files, or folders of files."""
    output: Path = Path("colorized")
    """Folder to write to; made if missing."""
    model_name: str | None = None
    """Weights that ship with colorlab; by default the first of them."""
    model_path: Path | None = None
    """Weights of your own, such as output/experiment_name/best.safetensors."""
    size: int | None = None
    """Predict colour on size × size pixels, in the picture's own shape; by default the model's own size."""

    def __post_init__(self) -> None:
        if self.model_name is not None and self.model_path is not None:
            raise ValueError("give either --model-name or --model-path, not both")
        if self.size is not None and self.size < 1:
            raise ValueError(f"--size must be at least 1 pixel, got {self.size}")


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """Not in this version yet; the names are taken for it."""


def _task(options: type, name: str) -> Any:  # noqa: ANN401  a type, made at run time
    return Annotated[options, tyro.conf.subcommand(name)]


_Task = (
    _task(TrainingOptions, "colorizer")
    | _task(ClassifierOptions, "classifier")
    | _task(ColorizeOptions, "colorize")
    | _task(EvaluationOptions, "eval-gen")
    | _task(EvaluationOptions, "eval-mse")
    | _task(EvaluationOptions, "eval-ps")
    | _task(EvaluationOptions, "eval-si")
)


def _choices_with_nearest() -> ConstructorRegistry:
    """tyro, taught to answer a wrong choice with the allowed ones and the nearest of them."""
    registry = ConstructorRegistry()

    @registry.primitive_rule
    def _(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
        literal: Any = Literal  # which mypy takes for no value to compare with
        if info.type_origin is not literal:
            return None
        choices = [str(choice) for choice in get_args(info.type)]

        def choose(given: list[str]) -> str:
            if given[0] in choices:
                return given[0]
            nearest = difflib.get_close_matches(given[0], choices, n=1)
            hint = f"; did you mean {nearest[0]}?" if nearest else ""
            raise ValueError(f"{given[0]!r} is none of {', '.join(choices)}{hint}")

        return PrimitiveConstructorSpec(
            nargs=1,
            metavar="{" + ",".join(choices) + "}",
            instance_from_str=choose,
            is_instance=lambda value: value in choices,
            str_from_instance=lambda value: [value],
        )

    return registry


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one task. The exit status is 0 if all was done, 1 if something failed, 2 for options that make no sense."""
    try:
        options = tyro.cli(
            _Task,
            prog="colorlab",
            description="Learn automatic image colorization, and do it.",
            args=arguments,
            compact_help=True,
            config=(tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes),
            registry=_choices_with_nearest(),
        )
        if isinstance(options, ColorizeOptions):
            return run_colorize(options)
        if isinstance(options, TrainingOptions):
            return run_colorizer(options)
        if isinstance(options, ClassifierOptions):
            return run_classifier(options)
        raise ValueError("the evaluation tasks are not in this version yet; training prints a comparison")
    except (ValueError, OSError, TrainingDivergedError) as error:
        print(f"colorlab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("colorlab: interrupted; what was written so far is kept", file=sys.stderr)
        return 130


def run_colorizer(options: TrainingOptions) -> int:
    """Train, then compare with the baselines on the data set's test pictures."""
    training = train(options)
    if not _is_first_process():
        return 0
    print(training.history.table().round(5).to_string())
    testset = options.dataset("test")
    models = {
        "grey": grey(),
        "mean colour": mean_colour(options.dataset("train")),
        options.model_name: training.model.cpu(),
    }
    print(
        f"\nOn {len(testset)} test pictures (mse and mae of a and b in Lab units, PSNR in dB; _se: standard error):"
    )
    print(summary(compare(models, testset)).round(2).to_string())
    return _end(training.folder, training.stopped)


def run_classifier(options: ClassifierOptions) -> int:
    """Train a classifier."""
    training = train_classifier(options)
    if not _is_first_process():
        return 0
    print(training.history.table().round(5).to_string())
    return _end(training.folder, training.stopped)


def _end(folder: Path, stopped: bool) -> int:
    print(f"\nWritten to {folder}" + ("; stopped early, --resume goes on" if stopped else ""))
    return 130 if stopped else 0


def _is_first_process() -> bool:
    return os.environ.get("RANK", "0") == "0"


def run_colorize(options: ColorizeOptions) -> int:
    """Colour every picture that can be read, and name each that cannot."""
    model = load_weights(options.model_path) if options.model_path else pretrained.load(options.model_name)
    if not options.pictures:
        raise ValueError("name at least one picture or folder to colorize")
    try:
        options.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"the folder --output {options.output} cannot be made: {error.strerror}") from error
    sources, complaints = _files(options.pictures)
    for complaint in complaints:
        print(f"colorlab: {complaint}", file=sys.stderr)
    originals = {_identity(source) for source in sources} - {None}
    written: set[Path] = set()
    failures = len(complaints)
    for source in tqdm(sources, unit="picture", desc="colorize", disable=None):
        target = options.output / f"{source.stem}.png"
        try:
            if target in written:
                raise ValueError(f"{source} is left out: {target} was already written for a picture of the same name")
            if _identity(target) in originals:
                raise ValueError(f"{source} is left out: its result would overwrite {target}; give another --output")
            if target.exists() and target.parent.resolve() == source.parent.resolve():
                raise ValueError(
                    f"{source} is left out: beside it lies another {target.name}, which its result would overwrite; "
                    "give another --output"
                )
            _colorize_file(source, target, model, options.size)
        except (ValueError, OSError) as error:
            failures += 1
            tqdm.write(f"colorlab: {error}", file=sys.stderr)
        else:
            written.add(target)
    print(f"{len(written)} of {len(sources)} pictures colorized, in {options.output}")
    return 1 if failures else 0


def _files(given: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """The files given, the pictures directly inside the folders given, and a sentence for each folder without."""
    files, complaints = [], []
    for path in given:
        if not os.path.isdir(path):  # unlike Path.is_dir, it never raises
            files.append(path)
            continue
        try:
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in pictures.SUFFIXES)
        except OSError as error:
            complaints.append(f"the folder {path} cannot be opened: {error.strerror}")
        else:
            files += inside
            if not inside:
                complaints.append(f"there are no pictures in the folder {path}")
    return files, complaints


def _identity(path: Path) -> tuple[int, int] | None:
    """What two paths to one file have in common; ``None`` where there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _colorize_file(source: Path, target: Path, model: Colorizer, size: int | None) -> None:
    # Under its final name a picture is always whole.
    unfinished = target.with_name(target.name + ".part")
    try:
        colorize(source, model, size=size).save(unfinished, format="PNG")
        os.replace(unfinished, target)
    except OSError as error:
        raise ValueError(f"{target} cannot be written: {error.strerror or error}") from error
    except (MemoryError, RuntimeError) as error:
        # torch has no exception of its own for it
        if isinstance(error, RuntimeError) and "can't allocate memory" not in str(error):
            raise
        raise ValueError(f"there is not enough memory to colorize {source}") from error
    finally:
        unfinished.unlink(missing_ok=True)
