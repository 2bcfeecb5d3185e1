"""Colorize an image of any size and kind: predict color at a low resolution, keep the full-resolution lightness.

Color needs far less resolution than lightness (television and JPEG rely on that), so a and b are predicted at the
model's working size, enlarged along edges (:func:`enlarge`) and joined with the *unchanged* L of the input. Outside
the sRGB gamut, chroma is reduced, never lightness (:func:`colorlab.color.fit_to_gamut`). Full-size steps run in
strips, so a 24-megapixel photograph needs little more memory than its own pixels.
"""

from __future__ import annotations

import copy
import math
import os
import warnings
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from colorlab import color, pretrained, results
from colorlab.data.files import images_in
from colorlab.hints import Hint, Propagation, check_hints, reduce_hints
from colorlab.image import ImageSource, LoadedImage, read_image
from colorlab.models import (
    DEFAULT_STYLE,
    SAMPLE,
    Colorizer,
    DistributionColorizer,
    Style,
    create_colorizer,
    name_of,
)
from colorlab.models.distribution import CELL
from colorlab.models.hinting import CellHints
from colorlab.strokes import hints_from_strokes, load_hints

Painter = str | Path | nn.Module | None
Hints = Hint | Sequence[Hint] | str | Path | Image.Image | None

_STRIP_PIXELS = 2**19
_FORMATS: dict[str, results.Format] = {
    **{ending: name for name, ending in results.ENDINGS.items()}, ".jpeg": "jpeg", ".tiff": "tiff"
}  # fmt: skip


def colorize(
    image: ImageSource | list[ImageSource] | tuple[ImageSource, ...],
    model: Painter = None,
    *,
    style: str | None = None,
    temperature: float | None = None,
    prior_correction: float | None = None,
    seed: int | None = None,
    hints: Hints = (),
    size: int | None = None,
    chroma: float = 1.0,
    device: str | torch.device | None = None,
    to: str | Path | None = None,
) -> Any:  # noqa: ANN401  an image, an iterator over images, or a list of paths, depending on the arguments
    """Colorize one or several images; of an image with color, only the lightness is used.

    Args:
        image: the path of an image or of a folder of images; the bytes of a file, or a file object; a PIL image of
            any mode; an array ``H×W``, ``H×W×1|3|4``; a tensor ``H×W``, ``1|3|4×H×W``; or a list of these. Arrays and
            tensors are uint8, uint16, bool, or float in 0…1. EXIF orientation is applied, an embedded color profile
            converted to sRGB, transparency kept.
        model: the name of weights that ship (:func:`colorlab.list_models`), the path of a weights file, any network
            from lightness to a and b, or ``None`` for the default.
        style: how a model that predicts a distribution over colors chooses among them: ``careful``, ``balanced``
            (the default), ``vivid``, or ``sample``, which draws one of several plausible colorings.
        temperature: replaces that of the style: 1 gives the mean color, less favors the likeliest.
        prior_correction: replaces that of the style: how much of the bias toward dull colors to remove, 0…1.
        seed: which coloring ``sample`` draws; given alone, it selects that style. Another style
            with a seed is varied at random, too.
        hints: known colors: a list of :class:`colorlab.Hint`, the JSON file of the hint painter, or an image
            of strokes on a transparent background (:mod:`colorlab.strokes`). Single images only.
        size: the working size in pixels: color is predicted on ``size²`` pixels in the image's own shape; by
            default the model's own (:attr:`Colorizer.working_size <colorlab.models.Colorizer.working_size>`). Smaller
            images are not enlarged.
        chroma: factor on the colors: 0 is gray, 1 the prediction, more is more vivid.
        device: where the network runs, such as ``cuda``; by default where a given network is, else the CPU.
        to: the file for the result (its suffix decides the format), or the folder for results, which keep the names
            of their originals; created if missing. Only results of earlier runs are replaced.

    Returns:
        An RGB image of the input's size, or RGBA if the input was transparent. Its L is the input's up to 8-bit
        rounding. For several images, an iterator over images, or with ``to`` the list of written files. Unreadable
        files of a folder are skipped with a warning.

    Raises:
        ValueError: the image cannot be read or has a wrong shape or range; the model name or style is unknown; the
            model predicts a single color and takes no style.
        TypeError: ``image`` is not an image, or ``model`` is not a model.
    """
    network = network_of(model, device)
    chosen = choose_style(network, style, temperature=temperature, prior_correction=prior_correction, seed=seed)
    if chroma < 0:
        raise ValueError(f"chroma must be 0 (gray) or more, got {chroma}")

    def color_one(source: ImageSource) -> Image.Image:
        loaded = read_image(source)
        lightness = full_lightness(loaded)
        known = _known(hints, (lightness.shape[0], lightness.shape[1]))
        ab = predict_ab(lightness, network, size=size, style=chosen, hints=known)
        return render(lightness, ab, alpha=loaded.alpha, chroma=chroma)

    name = str(model) if isinstance(model, str | Path) else name_of(model or network)
    label = name + (f" in style {style}" if style else "")
    is_folder = isinstance(image, str | Path) and os.path.isdir(os.path.expanduser(image))
    if isinstance(image, list | tuple):
        sources = list(image)
    elif isinstance(image, str | Path) and is_folder:
        sources = _images_of(Path(image).expanduser(), to)
    else:
        source = Path(image).expanduser() if isinstance(image, str | Path) else image
        colored = color_one(source)
        if to is not None:
            _write(colored, source, _target(source, Path(to).expanduser()), label, {_identity(source)} - {None})
        return colored
    if hints:
        raise ValueError("hints need a single image; colorize images with hints one by one")
    painted = _colored_one_by_one(sources, color_one, skip=is_folder)
    if to is None:
        return (colored for _, colored in painted)
    folder = Path(to).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    named = [
        Path(source) if isinstance(source, str | Path) else Path(f"image-{number:03d}")
        for number, source in enumerate(sources, start=1)
    ]
    targets = [folder / target for target in results.result_names(named, ".png")]
    originals = {_identity(source) for source in sources} - {None}
    written = []
    for number, colored in painted:
        _write(colored, sources[number], targets[number], label, originals)
        written.append(targets[number])
    return written


def network_of(model: Painter, device: str | torch.device | None = None) -> Colorizer:
    """Return the network that ``model`` means (see :func:`colorize`); callers must not change it."""
    if model is None or isinstance(model, str | Path):
        return pretrained.loaded(model, str(device or "cpu"))
    network = create_colorizer(model)
    return network if device is None else copy.deepcopy(network).to(device)  # do not move the caller's network


def _known(hints: Hints, shape: tuple[int, int]) -> Sequence[Hint]:
    """Load and check the hints for an image of this shape."""
    if isinstance(hints, str | Path):
        return load_hints(Path(hints).expanduser(), shape)
    if isinstance(hints, Image.Image):
        return hints_from_strokes(hints, shape)
    hints = [hints] if isinstance(hints, Hint) else hints or ()
    for hint in hints:
        if not isinstance(hint, Hint):
            raise TypeError(f"hints must be colorlab.Hint(x, y, color), not {type(hint).__name__}")
    check_hints(hints, shape)
    return hints


def _images_of(folder: Path, to: str | Path | None) -> list[ImageSource]:
    """Return the images of a folder; if it is the output folder too, without results of earlier runs."""
    images, _ = images_in(folder)
    if to is not None and os.path.realpath(os.path.expanduser(to)) == os.path.realpath(folder):
        images = [image for image in images if not results.is_own(image)]
    if not images:
        raise ValueError(f"there are no images in the folder {folder}")
    return list(images)


def _colored_one_by_one(
    sources: Sequence[ImageSource], color_one: Callable[[ImageSource], Image.Image], *, skip: bool
) -> Iterator[tuple[int, Image.Image]]:
    """Yield the number and result of each image; with ``skip``, warn about those that cannot be read."""
    skipped = 0
    for number, source in enumerate(sources):
        try:
            colored = color_one(source)
        except ValueError as error:
            skipped += 1
            if not skip or skipped == len(sources):
                raise
            warnings.warn(f"skipped {source!s}: {error}", stacklevel=2)
            continue
        yield number, colored


def _identity(source: object) -> tuple[int, int] | None:
    return results.identity(Path(source)) if isinstance(source, str | Path) else None


def _target(source: object, to: Path) -> Path:
    """Return the path of a single result and create its folder."""
    if to.suffix.lower() in _FORMATS and not to.is_dir():
        to.parent.mkdir(parents=True, exist_ok=True)
        return to
    if not isinstance(source, str | Path):
        raise ValueError(f"to={str(to)!r} is not the name of an image file; end it in {', '.join(_FORMATS)}")
    to.mkdir(parents=True, exist_ok=True)
    return to / next(results.result_names([Path(source)], ".png"))


def _write(
    colored: Image.Image, source: object, target: Path, label: str, originals: Set[tuple[int, int] | None]
) -> None:
    shown = Path(source) if isinstance(source, str | Path) else Path("the image")
    results.refuse_to_overwrite(shown, target, originals)
    about = results.read_about(shown) if isinstance(source, str | Path) else results.About()
    results.Writer(_FORMATS[target.suffix.lower()], model=label).write(np.asarray(colored), target, about)


def choose_style(
    model: Colorizer,
    style: str | None = None,
    *,
    temperature: float | None = None,
    prior_correction: float | None = None,
    seed: int | None = None,
) -> Style | None:
    """Return the style that the arguments of :func:`colorize` select, or None if none is given.

    Raises:
        ValueError: the style is unknown, a value is out of range, or the model predicts a single color.
    """
    changes = {"temperature": temperature, "prior_correction": prior_correction, "seed": seed}
    changes = {name: value for name, value in changes.items() if value is not None}
    if style is None and not changes:
        return None
    if not isinstance(model, DistributionColorizer):
        raise ValueError(
            f"{model.name or type(model).__name__} predicts a single color; style, temperature, prior_correction and "
            "seed need a model that predicts a distribution, such as 'distribution'"
        )
    name = style or (SAMPLE if seed is not None else DEFAULT_STYLE)
    if name not in model.styles:
        raise ValueError(f"no style {name!r}; there are {', '.join(model.styles)}")
    return replace(model.styles[name], **changes)  # type: ignore[arg-type]


def full_lightness(image: LoadedImage) -> Tensor:
    r"""Return L\* of every pixel: ``(H, W)`` float32 in 0…100."""
    height, width, _ = image.rgb.shape
    lightness = torch.empty(height, width)
    for rows in _strips(height, width):
        lightness[rows] = color.rgb_to_lab(image.strip(rows))[0]
    return lightness


def predict_ab(
    lightness: Tensor,
    model: Colorizer,
    *,
    size: int | None = None,
    style: Style | None = None,
    hints: Sequence[Hint] = (),
    spread: bool = True,
) -> Tensor:
    """Return the model's colors for an image, at the working size.

    Args:
        lightness: ``(H, W)`` L in 0…100.
        model: a colorizer; used in ``eval()`` mode, then returned to its mode.
        size: as in :func:`colorize`.
        style: of a model that predicts a distribution; None is its own (:func:`choose_style`).
        hints: known colors of pixels of ``lightness``. A model that takes hints also recolors similar areas; the rest
            of each, hint minus prediction, is spread along the lightness (:mod:`colorlab.hints`).
        spread: if False, return the model's prediction alone.

    Returns:
        ``(2, h, w)`` float32 on the CPU: a and b in Lab units, h/w as close to H/W as whole pixels allow.
    """
    small, given = network_input(lightness, model, size)
    scaled = reduce_hints(hints, lightness.shape, small.shape)
    with answering(model):
        if isinstance(model, DistributionColorizer):
            ab: Tensor = model(given, style, cell_hints(scaled, given))
        else:
            ab = model(given)
    found = to_lab(ab, small.shape)
    return Propagation(small).spread(found, scaled) if scaled and spread else found


def network_input(lightness: Tensor, model: Colorizer, size: int | None = None) -> tuple[Tensor, Tensor]:
    """Return the input of a model for an image.

    Args:
        lightness: ``(H, W)`` L in 0…100.
        model: a colorizer.
        size: as in :func:`colorize`.

    Returns:
        The lightness at the working size, ``(h, w)`` in 0…100, h/w as close to H/W as whole pixels allow; and the
        input of ``model``, ``(1, 1, h', w')`` in [-1, 1] on its device, padded with its border to an accepted size.
    """
    size = model.working_size if size is None else size
    if size < 1:
        raise ValueError(f"size must be at least 1 pixel, got {size}")
    height, width = lightness.shape
    scale = min(1.0, size / math.sqrt(height * width))
    # A very long image keeps at least one row, of at most size² pixels.
    small = _reduced(lightness, [min(size**2, max(1, round(pixels * scale))) for pixels in (height, width)])
    # Pad to the next sizes that the network accepts by repeating the border, which adds no edge.
    bottom, right = (model.accepted_size(pixels) - pixels for pixels in small.shape)
    given = F.pad(small[None, None] / color.LIGHTNESS_CENTER - 1, (0, right, 0, bottom), mode="replicate")
    parameter = next(iter([*model.parameters(), *model.buffers()]), torch.empty(0))
    return small, given.to(parameter.device)


@contextmanager
def answering(model: Colorizer) -> Iterator[None]:
    """Use a model in ``eval()`` mode without gradients, then restore its mode."""
    was_training = model.training
    if was_training:  # changing the mode visits all layers, which takes milliseconds
        model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        if was_training:
            model.train()


def to_lab(ab: Tensor, shape: Sequence[int]) -> Tensor:
    """Return a model's output for :func:`network_input` in Lab units: ``(2, *shape)`` float32, on the CPU."""
    return (ab[0, :, : shape[0], : shape[1]].float() * color.AB_SCALE).cpu().clone()


def cell_hints(hints: Sequence[Hint], given: Tensor) -> CellHints | None:
    """Return hints in the form that a network takes, averaged per cell; None if there are none.

    Args:
        hints: on the image at the working size.
        given: the input of the network, from :func:`network_input`.
    """
    if not hints:
        return None
    shape, cells = given.shape[-2:], [pixels // CELL for pixels in given.shape[-2:]]
    some = reduce_hints(hints, shape, cells)
    places = torch.tensor([[hint.y * cells[1] + hint.x for hint in some]])
    return CellHints(places.to(given.device), torch.tensor([[(hint.a, hint.b) for hint in some]]).to(given.device))


def render(
    lightness: Tensor, ab: Tensor, *, alpha: npt.NDArray[np.uint8] | None = None, chroma: float = 1.0
) -> Image.Image:
    """Join full-resolution lightness and low-resolution colors to an image.

    Args:
        lightness: ``(H, W)`` L in 0…100.
        ab: ``(2, h, w)`` in Lab units, any size; enlarged by :func:`enlarge`.
        alpha: ``(H, W)`` opacity to keep.
        chroma: factor on a and b: 0 is gray, 1 the prediction, more is more vivid.

    Returns:
        RGB or, with ``alpha``, RGBA; chroma is reduced where the color is outside the gamut.
    """
    return Image.fromarray(render_pixels(lightness, ab, alpha=alpha, chroma=chroma))


def render_pixels(
    lightness: Tensor,
    ab: Tensor,
    *,
    alpha: npt.NDArray[np.uint8] | None = None,
    chroma: float = 1.0,
    deep: bool = False,
) -> npt.NDArray[Any]:
    """Return the pixels of :func:`render` as an array ``H×W×3|4``, uint8, or uint16 if ``deep``."""
    height, width = lightness.shape
    pixels = np.empty((height, width, 3 if alpha is None else 4), dtype=np.uint16 if deep else np.uint8)
    with torch.inference_mode():
        small_lightness = _reduced(lightness, ab.shape[-2:])
        for rows in _strips(height, width):
            ab_rows = chroma * _enlarged_rows(ab, small_lightness, lightness, rows)
            lab = color.fit_to_gamut(torch.cat([lightness[None, rows], ab_rows]))
            rgb = color.lab_to_rgb(lab)
            whole = (rgb.clamp(0, 1) * 65535).round() if deep else color.to_uint8(rgb)
            pixels[rows, :, :3] = whole.movedim(0, -1).numpy()
    if alpha is not None:
        pixels[..., 3] = alpha * np.uint16(257) if deep else alpha
    return pixels


def _strips(height: int, width: int) -> list[slice]:
    rows = max(1, _STRIP_PIXELS // width)
    return [slice(top, min(top + rows, height)) for top in range(0, height, rows)]


def enlarge(ab: Tensor, lightness: Tensor) -> Tensor:
    r"""Enlarge low-resolution colors along the edges of the lightness.

    Each pixel mixes the four colors around it with bilinear weights, times the similarity of its lightness to theirs,
    so colors end at edges. For the true colors of the photographs of `placeholder`, reduced to 160² pixels, this
    gives 38.7 dB, and bilinear enlargement 38.0 dB.

    Args:
        ab: ``(2, h, w)``.
        lightness: ``(H, W)`` L in 0…100.

    Returns:
        ``(2, H, W)``.

    Reference: Kopf et al., *Joint bilateral upsampling*, doi:10.1145/1276377.1276497.
    """
    return _enlarged_rows(ab, _reduced(lightness, ab.shape[-2:]), lightness, slice(0, len(lightness)))


# The scale of similarity in L, and the weight that the most different lightness keeps.
_ALIKE, _LEAST = 5.0, 0.1


def _reduced(lightness: Tensor, size: Sequence[int]) -> Tensor:
    """Resize ``(H, W)`` L to ``(h, w)``."""
    wanted = list(size)
    return F.interpolate(lightness[None, None], wanted, mode="bilinear", antialias=True, align_corners=False)[0, 0]


def _enlarged_rows(ab: Tensor, small_lightness: Tensor, lightness: Tensor, rows: slice) -> Tensor:
    """Return some rows of :func:`enlarge`, without computing the others."""
    height, width = lightness.shape
    shown = lightness[rows]
    vertical = _between(torch.arange(rows.start, rows.stop), ab.shape[1] / height, ab.shape[1])
    horizontal = _between(torch.arange(width), ab.shape[2] / width, ab.shape[2])
    colors, total = torch.zeros(2, *shown.shape), torch.zeros(shown.shape)
    for row, down in vertical:
        tall_lightness, tall_ab = small_lightness[row], ab[:, row]
        for column, right in horizontal:
            apart = (tall_lightness[:, column] - shown).square_().mul_(-1 / (2 * _ALIKE**2))
            weight = apart.exp_().add_(_LEAST).mul_(down[:, None]).mul_(right)
            total += weight
            colors += tall_ab[:, :, column].mul_(weight)
    return colors.div_(total)


def _between(pixels: Tensor, scale: float, count: int) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return the two small pixels around each large one and their weights, as in ``F.interpolate``."""
    position = ((pixels + 0.5) * scale - 0.5).clamp(0, count - 1)
    before = position.long()
    after = (before + 1).clamp(max=count - 1)
    return (before, 1 - (position - before)), (after, position - before)
