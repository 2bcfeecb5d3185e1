"""Run ``python -m colorlab TASK``: the command line, generated from the dataclasses of options."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import io
import itertools
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import torch
import tyro
from tqdm import tqdm
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from colorlab import pretrained, results
from colorlab.data.check import CheckOptions, run_check
from colorlab.data.download import DownloadOptions, run_download
from colorlab.data.files import images_in
from colorlab.data.names import DATASETS, Data
from colorlab.evaluation import compare, gray, mean_color, summary, tasks
from colorlab.evaluation.options import (
    GenerationOptions,
    LeaderboardOptions,
    MSEOptions,
    PSOptions,
    SetOptions,
    SIOptions,
)
from colorlab.image import read_image
from colorlab.inference import choose_style, full_lightness, predict_ab, render_pixels
from colorlab.models import (
    CLASSIFIERS,
    COLORIZERS,
    DEFAULT_STYLE,
    SAMPLE,
    ClassifierName,
    Colorizer,
    ColorizerName,
    DistributionColorizer,
    Style,
    load_weights,
    name_of,
)
from colorlab.registry import did_you_mean
from colorlab.strokes import load_hints
from colorlab.training import (
    OBJECTIVES,
    ClassifierOptions,
    CollapseWarning,
    History,
    TrainingDivergedError,
    TrainingOptions,
    train,
    train_classifier,
)
from colorlab.training.objectives import Loss
from colorlab.training.options import FRAMEWORK2019

_MAY_BE_EMPTY = ("--model-suffix", "--model_suffix")
_SI = "(accuracies with their 95 % intervals after Wilson; p_gray: of McNemar's test against gray)"
_MAX_LISTED = 3  # file names in a message


@dataclass(frozen=True, kw_only=True)
class ColorizeOptions:
    """Color images. Each result keeps its original's name, lightness and metadata."""

    images: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IN [IN …]")]
    """Files, or folders of files."""
    output: Path = Path("colorized")
    """Folder for the results; created if missing. Only results of earlier runs are replaced."""
    model_name: str | None = None
    """Weights that ship with colorlab; by default the first."""
    model_path: Path | None = None
    """Your own weights, such as output/experiment_name/best.safetensors."""
    style: str | None = None
    """careful, balanced (default), vivid, or sample: how the default model chooses among its likely colors."""
    temperature: float | None = None
    """Override the style's: 1 gives the mean color, less favors the likeliest."""
    prior_correction: float | None = None
    """Override the style's: how much of the bias toward dull colors to remove, 0…1."""
    seed: int | None = None
    """Which plausible coloring --style sample draws."""
    hints: Path | None = None
    """Known colors of a single image: the hint painter's JSON, or a PNG of colored strokes."""
    size: int | None = None
    """Predict color on size² pixels, in the image's own shape; by default the model's size."""
    format: results.Format = "png"
    """File format."""
    quality: int = 92
    """Of JPEG and WebP, 1 to 100."""
    depth: Literal[8, 16] = 8
    """Bits per channel; 16 (PNG and TIFF) keeps the lightness of images with more than 8."""
    dry_run: bool = False
    """Only list what would be written."""
    jobs: int = 1
    """Images in parallel."""

    def __post_init__(self) -> None:
        if self.model_name is not None and self.model_path is not None:
            raise ValueError("give either --model-name or --model-path, not both")
        if self.size is not None and self.size < 1:
            raise ValueError(f"--size must be at least 1 pixel, got {self.size}")
        if not 1 <= self.quality <= 100:
            raise ValueError(f"--quality must be 1 to 100, got {self.quality}")
        if self.jobs < 1:
            raise ValueError(f"--jobs must be at least 1, got {self.jobs}")
        if self.depth == 16 and self.format not in ("png", "tiff"):
            raise ValueError(f"--depth 16 needs --format png or tiff; {self.format} has 8 bits")


def _task(options: Any, name: str, description: str | None = None) -> Any:  # noqa: ANN401  a type, made at run time
    return Annotated[options, tyro.conf.subcommand(name, description=description)]


_Task = (
    _task(TrainingOptions, "colorizer")
    | _task(ClassifierOptions, "classifier")
    | _task(ColorizeOptions, "colorize")
    | _task(GenerationOptions, "eval-gen")
    | _task(MSEOptions, "eval-mse")
    | _task(PSOptions, "eval-ps")
    | _task(SIOptions, "eval-si")
    | _task(LeaderboardOptions, "eval-all")
    | _task(_task(CheckOptions, "check") | _task(DownloadOptions, "download"), "data", "Check and download datasets.")
)
_NAMES = ("colorizer", "classifier", "colorize", "eval-gen", "eval-mse", "eval-ps", "eval-si", "eval-all", "data")

# The tasks of the original framework, where each task took every option.
_TASKS2019 = {
    "colorizer": TrainingOptions,
    "classifier": ClassifierOptions,
    "eval-gen": GenerationOptions,
    "eval-mse": MSEOptions,
    "eval-ps": PSOptions,
    "eval-si": SIOptions,
}


def _names_of(kind: object) -> list[str] | None:
    """Return the registered names that an option of this type accepts."""
    names: dict[object, list[str]] = {
        ColorizerName: list(COLORIZERS),
        ClassifierName: list(CLASSIFIERS),
        Data: list(DATASETS),
        Loss: ["auto", *OBJECTIVES, "cross_entropy"],
    }
    return names.get(kind)


def _choices_with_nearest() -> ConstructorRegistry:
    """Return tyro rules that accept the registered names and suggest the nearest one for a wrong choice."""
    registry = ConstructorRegistry()

    @registry.primitive_rule
    def _(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
        literal: Any = Literal  # mypy rejects a comparison with Literal itself
        names = _names_of(info.type)
        if names is not None:
            choices = {name: name for name in names}
        elif info.type_origin is literal:
            choices = {str(choice): choice for choice in get_args(info.type)}
        else:
            return None
        data: Any = Data
        paths = info.type is data  # a path is accepted in place of a name

        def choose(given: list[str]) -> Any:  # noqa: ANN401  a choice of any type
            if given[0] in choices or paths:
                return choices.get(given[0], given[0])
            raise ValueError(f"{given[0]!r} is not one of {', '.join(choices)}{did_you_mean(given[0], choices)}")

        return PrimitiveConstructorSpec(
            nargs=1,
            metavar="{" + ",".join([*choices, *(["PATH"] if paths else [])]) + "}",
            instance_from_str=choose,
            is_instance=lambda value: paths or value in choices.values(),
            str_from_instance=lambda value: [str(value)],
        )

    @registry.primitive_rule
    def _(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
        if info.type is not Path:
            return None
        return PrimitiveConstructorSpec(
            nargs=1,
            metavar="PATH",
            instance_from_str=_path,
            is_instance=lambda value: isinstance(value, Path),
            str_from_instance=lambda value: [str(value)],
        )

    return registry


def _path(given: list[str]) -> Path:
    # The shell does not expand ~ after other text, as in --output=~/images.
    return Path(given[0]).expanduser()


def _empty_argument(given: Sequence[str]) -> str | None:
    """Return the name of an empty argument, which as a path would mean the working directory."""
    for before, argument in itertools.pairwise(["", *given]):
        name = (
            before
            if argument == ""
            else argument[:-1]
            if argument.startswith("--") and argument.endswith("=")
            else None
        )
        if name is not None and name not in _MAY_BE_EMPTY:
            return name if name.startswith("--") else "one of the arguments"
    return None


def _import_modules(given: Sequence[str]) -> list[str]:
    """Import each ``--import MODULE``, also from the working directory, and return the other arguments.

    Such a module registers networks, datasets, losses and scores, so it is imported before the others are parsed.
    """
    rest: list[str] = []
    arguments = iter(given)
    for argument in arguments:
        name, equals, module = argument.partition("=")
        if name != "--import":
            rest.append(argument)
            continue
        module = module if equals else next(arguments, "")
        if not module:
            raise ImportError("the module's name is missing; write --import my_module for my_module.py")
        if "" not in sys.path and os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())
        importlib.import_module(module.removesuffix(".py"))
    return rest


def _without_unused_options(given: Sequence[str]) -> list[str]:
    """Drop and report the original framework's options that this task does not use; return the other arguments."""
    options = _TASKS2019.get(given[0]) if given else None
    if options is None:
        return list(given)
    unused = FRAMEWORK2019 - {field.name for field in dataclasses.fields(options)}
    rest: list[str] = []
    dropped: list[str] = []
    arguments = iter(given)
    for argument in arguments:
        name, equals, _ = argument.partition("=")
        if name.startswith("--") and name[2:].replace("-", "_") in unused:
            dropped.append(name)
            if not equals:
                next(arguments, None)
        else:
            rest.append(argument)
    if dropped:
        print(f"colorlab: {', '.join(dropped)} makes no difference to the task {given[0]}", file=sys.stderr)
    return rest


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one task and return its exit status: 0 for success, 1 for a failure, 2 for an unknown task or option."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        given = _import_modules(given)
    except ImportError as error:
        print(f"colorlab: --import: {error}", file=sys.stderr)
        return 1
    if given and not given[0].startswith("-") and given[0] not in _NAMES:
        hint = did_you_mean(given[0], _NAMES)
        print(f"colorlab: no task {given[0]!r}; there are {', '.join(_NAMES)}{hint}", file=sys.stderr)
        return 2
    if empty := _empty_argument(given):
        print(f"colorlab: {empty} is empty; check the shell variable that it comes from", file=sys.stderr)
        return 1
    given = _without_unused_options(given)
    warnings.showwarning = _show_warning
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # for file names that the terminal cannot show
    try:
        options = tyro.cli(
            _Task,
            prog="colorlab",
            description="Learn and use automatic image colorization. --import MODULE, anywhere, first imports "
            "your own module that registers networks, datasets, losses or scores.",
            args=given,
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
        if isinstance(options, CheckOptions):
            return run_check(options)
        if isinstance(options, DownloadOptions):
            return run_download(options)
        return run_evaluation(options)
    except (ValueError, OSError, TrainingDivergedError) as error:
        print(f"colorlab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("colorlab: interrupted; the files written so far are kept", file=sys.stderr)
        return 130


def _show_warning(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:  # noqa: ANN401
    """Print a warning on its own line, not at the end of a progress bar."""
    name = "colorlab" if category is CollapseWarning else category.__name__
    tqdm.write(f"{name}: {message}", file=sys.stderr)


def run_colorizer(options: TrainingOptions) -> int:
    """Train a colorizer, then compare it with the baselines on the dataset's test images."""
    training = train(options)
    if not _is_first_process():
        return 0
    _print_history(training.history)
    testset = options.dataset("test")
    models = {
        "gray": gray(),
        "mean color": mean_color(options.dataset("train")),
        name_of(options.model_name): training.model.cpu(),
    }
    print(f"\nOn {len(testset)} test images (mse and mae of a and b in Lab units, PSNR in dB; _se: standard error):")
    print(summary(compare(models, testset)).round(2).to_string())
    return _end(training.folder, training.stopped)


def run_classifier(options: ClassifierOptions) -> int:
    """Train a classifier."""
    training = train_classifier(options)
    if not _is_first_process():
        return 0
    _print_history(training.history)
    return _end(training.folder, training.stopped)


def _print_history(history: History) -> None:
    if history.rows:
        print(history.table().round(5).to_string())


def _end(folder: Path, stopped: bool) -> int:
    print(f"\nWritten to {folder}" + ("; stopped early, --resume continues" if stopped else ""))
    return 130 if stopped else 0


def _is_first_process() -> bool:
    return os.environ.get("RANK", "0") == "0"


def run_evaluation(options: GenerationOptions | MSEOptions | PSOptions | SIOptions | LeaderboardOptions) -> int:
    """Write the evaluation set, score it, or score models without it."""
    if isinstance(options, GenerationOptions):
        weights = _weights_of(options) if options.eval_type == "colorized" else None
        folders = tasks.generate(options, weights)
        print("Written to " + ", ".join(map(str, folders)) + (f", with the weights {weights}" if weights else ""))
        return _hint(options)
    if isinstance(options, LeaderboardOptions):
        names = [name for name in options.models or pretrained.NAMES if name not in ("gray", "mean color")]
        models = {name: _weights_named(name) for name in names}
        found = tasks.evaluate_all(options, models)
        _say_working_sizes(models, options.image_size)
        board, accuracies = found.board, found.accuracies
        # Transposed, since there are more scores than models.
        print(f"Means over images ± standard errors, the best first\n{board.T.to_string()}")
        if accuracies is not None:
            print(f"\nRecognized by {found.judge}\n{accuracies.drop(columns='judge').T.round(3).to_string()}\n{_SI}")
        if found.frechet is not None:
            print(f"\nFréchet distance to the originals, of features of {found.judge}")
            print(found.frechet.drop(columns="judge").round(2).to_string())
        try:
            from colorlab import plots  # matplotlib takes a second to import and no other task needs it
        except ImportError as error:
            print(f"leaderboard.png could not be drawn: {error}", file=sys.stderr)
        else:
            plots.leaderboard(board).savefig(options.folder / "leaderboard.png", dpi=150, bbox_inches="tight")
        return _end(options.folder, stopped=False)
    if isinstance(options, MSEOptions):
        print(tasks.evaluate_mse(options).to_string())
        print("(mse: of a and b in Lab units; mse_seed: of both divided by 255; _se: standard error)")
    elif isinstance(options, PSOptions):
        print(tasks.evaluate_ps(options).to_string())
        print("(mean distance to the originals; _se: standard error)")
    else:
        print(tasks.evaluate_si(options).to_string())
        print(_SI)
    _end(options.folder, stopped=False)
    return _hint(options)


def _say_working_sizes(models: Mapping[str, Colorizer], size: int) -> None:
    """Say which models are made for much larger images than they are scored at."""
    for name, model in models.items():
        if model.working_size > 2 * size:
            print(
                f"colorlab: {name} is made for images of {model.working_size} px, not of {size} px; "
                f"--image-size {model.working_size} scores it at its size",
                file=sys.stderr,
            )


def _hint(options: SetOptions) -> int:
    """Print what the default ``--eval-type``, the original framework's, leaves out."""
    if options.eval_type != "colorized":
        print(f"This was --eval-type {options.eval_type}; colorized also includes the gray and a model's images")
    return 0


def _weights_of(options: GenerationOptions) -> Path:
    """Return the given weights file, the model's file in the given folder, or else the one that ships."""
    if options.model_path.is_file():
        return options.model_path
    path = options.model_path / f"{options.model}.safetensors"
    if path.is_file():
        return path
    if options.model_path != GenerationOptions.model_path:
        raise ValueError(f"there are no weights at {path}")
    if options.model not in pretrained.NAMES:
        raise ValueError(f"there are no weights at {path}; colorlab ships {', '.join(pretrained.NAMES)}")
    return pretrained.path(options.model)


def _weights_named(name: str) -> Colorizer:
    """Load weights that ship, or those in a file."""
    if name in pretrained.NAMES:
        return pretrained.load(name)
    if name.endswith(".safetensors"):
        return load_weights(os.path.expanduser(name))
    raise ValueError(
        f"{name!r} in --models is neither a .safetensors file nor one of {', '.join(pretrained.NAMES)}"
        + did_you_mean(name, pretrained.NAMES)
    )


def run_colorize(options: ColorizeOptions) -> int:
    """Color every readable image and report each that failed; return the exit status."""
    if not options.images:
        raise ValueError("name at least one image or folder to colorize")
    model = style = None
    if not options.dry_run:
        model = load_weights(options.model_path) if options.model_path else pretrained.loaded(options.model_name)
        model.eval()
        style = choose_style(
            model,
            options.style,
            temperature=options.temperature,
            prior_correction=options.prior_correction,
            seed=options.seed,
        )
        try:
            options.output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f"the folder --output {options.output} cannot be created: {error.strerror}") from error
    sources, problems = _files(options.images, options.output)
    for problem in problems:
        print(f"colorlab: {problem}", file=sys.stderr)
    if options.hints is not None and len(sources) != 1:
        raise ValueError(f"--hints needs exactly one image, got {len(sources)}")
    originals = {results.identity(source) for source in sources} - {None}
    names = results.result_names(sources, results.ENDINGS[options.format])
    writer = results.Writer(options.format, options.quality, _label(options, model, style))

    def do(source: Path, target: Path) -> str | None:
        """Write one result; return the error message, or None on success."""
        try:
            results.refuse_to_overwrite(source, target, originals)
            if model is None:
                if not source.exists():
                    raise ValueError(f"{source} does not exist")
                print(f"{source} → {target}")
            else:
                _colorize_file(source, target, model, style, options, writer)
        except (ValueError, OSError) as error:
            return str(error)
        return None

    targets = [options.output / name for name in names]
    earlier = {target for target in targets if os.path.lexists(target)}
    written = replaced = 0
    with _shared_cores(options.jobs), ThreadPoolExecutor(options.jobs) as pool:
        outcomes = pool.map(do, sources, targets) if options.jobs > 1 else map(do, sources, targets)
        try:
            bar = tqdm(outcomes, total=len(sources), unit="image", desc="colorize", disable=None)
            for target, outcome in zip(targets, bar, strict=True):
                if outcome is None:
                    written += 1
                    replaced += target in earlier
                else:
                    tqdm.write(f"colorlab: {outcome}", file=sys.stderr)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    said = "would be colorized" if options.dry_run else "colorized"
    instead = f"; results of earlier runs replaced: {replaced}" if replaced else ""
    if sources:
        print(f"{written} of {len(sources)} images {said}, in {options.output}{instead}")
    return 1 if problems or written < len(sources) else 0


@contextlib.contextmanager
def _shared_cores(jobs: int) -> Iterator[None]:
    """Divide torch's threads among the jobs, as too many threads on few cores slow all of them down."""
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, before // jobs))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _label(options: ColorizeOptions, model: Colorizer | None, style: Style | None) -> str:
    """Describe the model and style of a result, so that it can be reproduced."""
    name = options.model_path.stem if options.model_path else options.model_name or pretrained.NAMES[0]
    if not isinstance(model, DistributionColorizer):
        return name
    style_name = options.style or (SAMPLE if options.seed is not None else DEFAULT_STYLE)
    details = {
        "temperature": options.temperature,
        "prior correction": options.prior_correction,
        "seed": (style or model.style).seed,
    }
    said = [
        f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in details.items()
        if value is not None
    ]
    return ", ".join([f"{name} in style {style_name}", *said])


def _files(given: Sequence[Path], output: Path) -> tuple[list[Path], list[str]]:
    """Return the given files, the images directly in the given folders, and a message for each folder without any.

    In the output folder, results of earlier runs are skipped.
    """
    files, problems = [], []
    for path in given:
        if not os.path.isdir(path):  # unlike Path.is_dir, it never raises
            files.append(path)
            continue
        try:
            images, others = images_in(path)
        except OSError as error:
            problems.append(f"the folder {path} cannot be opened: {error.strerror}")
            continue
        earlier = {
            entry for entry in images if os.path.realpath(path) == os.path.realpath(output) and results.is_own(entry)
        }
        if earlier:
            print(f"{path}: skipped {len(earlier)} results of an earlier run", file=sys.stderr)
        files += [entry for entry in images if entry not in earlier]
        if not images:
            problems.append(f"there are no images in the folder {path}")
        if others:
            few = ", ".join(entry.name + "/" * entry.is_dir() for entry in others[:_MAX_LISTED])
            more = ", …" if len(others) > _MAX_LISTED else ""
            print(f"{path}: skipped {len(others)} that are not images ({few}{more})", file=sys.stderr)
    return files, problems


def _colorize_file(
    source: Path,
    target: Path,
    model: Colorizer,
    style: Style | None,
    options: ColorizeOptions,
    writer: results.Writer,
) -> None:
    try:
        image = read_image(source)
        about = results.read_about(source)
        lightness = full_lightness(image)
        shape = (lightness.shape[0], lightness.shape[1])
        hints = () if options.hints is None else load_hints(options.hints.expanduser(), shape)
        ab = predict_ab(lightness, model, size=options.size, style=style, hints=hints)
        pixels = render_pixels(lightness, ab, alpha=image.alpha, deep=options.depth == 16)
        kept = writer.write(pixels, target, about)
    except OSError as error:
        raise ValueError(f"{target} cannot be written: {error.strerror or error}") from error
    except (MemoryError, RuntimeError) as error:
        # torch has no exception type for this
        if isinstance(error, RuntimeError) and "can't allocate memory" not in str(error):
            raise
        raise ValueError(f"there is not enough memory to colorize {source}") from error
    if not kept:
        tqdm.write(f"the metadata of {source} is damaged; {target} has none", file=sys.stderr)
    if about.images > 1:
        tqdm.write(f"{source} holds {about.images} images; {target} is one of them", file=sys.stderr)
