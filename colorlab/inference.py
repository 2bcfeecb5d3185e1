"""Color for an image of any size and kind: predicted small, joined with the full-resolution lightness.

Color needs far less resolution than lightness (television and JPEG have lived from that for decades), so a and b
are predicted at the model's working size, enlarged along the outlines (:func:`enlarge`) and joined with the
*unchanged* L of the input. Where that leaves the sRGB gamut, chroma gives way, never lightness
(:func:`colorlab.color.fit_to_gamut`). The full-size part runs in strips, so a 24-megapixel photograph needs little
more memory than its own pixels.
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
from colorlab.strokes import load_hints

Painter = str | Path | nn.Module | None

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
    hints: Sequence[Hint] | str | Path = (),
    size: int | None = None,
    chroma: float = 1.0,
    device: str | torch.device | None = None,
    to: str | Path | None = None,
) -> Any:  # noqa: ANN401  by what is given, an image, an iterator over images, or a list of paths
    """Color an image, or several; if one has color already, only its lightness is looked at.

    Args:
        image: the path of an image or of a folder of images; the bytes of a file, or a file object; a PIL image of
            any mode; an array ``H×W``, ``H×W×1|3|4``; a tensor ``H×W``, ``1|3|4×H×W``; or a list of these. Arrays and
            tensors are uint8, uint16, bool, or float in 0…1. EXIF orientation is applied, an embedded color profile
            converted to sRGB, transparency kept.
        model: the name of weights that ship (:func:`colorlab.list_models`), the path of a weights file, any network
            from lightness to a and b, or ``None`` for the default.
        style: how a model that predicts a distribution over colors chooses among them: ``careful``, ``balanced``
            (the default), ``vivid``, or ``sample``, which draws one of several plausible colorings.
        temperature: replaces that of the style: 1 is the mean color, less leans toward the likeliest.
        prior_correction: replaces that of the style: how much of the preference for dull colors is taken back, 0…1.
        seed: which coloring ``sample`` draws; by itself it chooses that style.
        hints: colors that are known: a list of :class:`colorlab.Hint`, the JSON file of the hint painter, or an image
            of strokes on a transparent ground (:mod:`colorlab.strokes`). For a single image.
        size: the working size in pixels: color is predicted on ``size²`` pixels in the image's own shape; by
            default the model's own (:attr:`Colorizer.working_size <colorlab.models.Colorizer.working_size>`). Smaller
            images are not enlarged.
        chroma: factor on the colors: 0 is gray, 1 the prediction, more is more vivid.
        device: where the network runs, such as ``cuda``; by default where the model is, on the CPU if it is named.
        to: the file to write the result to (its ending decides the format), or the folder for results, each named as
            its original; made if missing. Only results of earlier runs are replaced.

    Returns:
        An RGB image of the input's size, RGBA where the input was transparent. Its L is the input's up to the
        rounding to 8 bits. For several images an iterator over such, or, with ``to``, the list of the files written.
        Files of a folder that cannot be read are skipped with a warning.

    Raises:
        ValueError: the image cannot be read or has a shape or range it cannot have; an unknown model name or style;
            a style for a model that predicts a single color.
        TypeError: no image, or no model.
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
        raise ValueError("hints are for one image; colorize images with hints one by one")
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
    """Return the network that a user means, not to be changed: see :func:`colorize`."""
    if model is None or isinstance(model, str | Path):
        return pretrained.loaded(model, str(device or "cpu"))
    network = create_colorizer(model)
    return network if device is None else copy.deepcopy(network).to(device)  # the caller's stays where it is


def _known(hints: Sequence[Hint] | str | Path, shape: tuple[int, int]) -> Sequence[Hint]:
    """The hints for an image of this shape, checked."""
    if isinstance(hints, str | Path):
        return load_hints(Path(hints).expanduser(), shape)
    for hint in hints:
        if not isinstance(hint, Hint):
            raise TypeError(f"hints must be colorlab.Hint(x, y, color), not {type(hint).__name__}")
    check_hints(hints, shape)
    return hints


def _images_of(folder: Path, to: str | Path | None) -> list[ImageSource]:
    """The images of a folder, without results of earlier runs where those go into the same one."""
    images, _ = images_in(folder)
    if to is not None and os.path.realpath(os.path.expanduser(to)) == os.path.realpath(folder):
        images = [image for image in images if not results.is_own(image)]
    if not images:
        raise ValueError(f"there are no images in the folder {folder}")
    return list(images)


def _colored_one_by_one(
    sources: Sequence[ImageSource], color_one: Callable[[ImageSource], Image.Image], *, skip: bool
) -> Iterator[tuple[int, Image.Image]]:
    """The number and the result of each image; with ``skip``, a warning in place of what cannot be read."""
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
    """The file for a single result."""
    if to.suffix.lower() in _FORMATS and not to.is_dir():
        to.parent.mkdir(parents=True, exist_ok=True)
        return to
    if not isinstance(source, str | Path):
        raise ValueError(f"to={str(to)!r} is no name of an image; end it in {', '.join(_FORMATS)}")
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
    """Return the style that the arguments of :func:`colorize` mean, or None where they say nothing.

    Raises:
        ValueError: an unknown style, a value out of range, or a model that predicts a single color.
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
    r"""L\* of every pixel: ``(H, W)`` float32 in 0…100."""
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
    """Return the model's colors for an image, at working size.

    Args:
        lightness: ``(H, W)`` L in 0…100.
        model: a colorizer; it is used in ``eval()`` mode and left in the mode it came in.
        size: as in :func:`colorize`.
        style: of a model that predicts a distribution; None is its own (:func:`choose_style`).
        hints: known colors of pixels of ``lightness``. A model that takes hints decides what else has their colors;
            what is left of each, hint minus answer, is spread along the lightness (:mod:`colorlab.hints`).
        spread: without it, the model's answer alone.

    Returns:
        ``(2, h, w)`` float32 on the CPU: a and b in Lab units, h/w as near H/W as whole pixels allow.
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
    """Return what a model is shown of an image.

    Args:
        lightness: ``(H, W)`` L in 0…100.
        model: a colorizer.
        size: as in :func:`colorize`.

    Returns:
        The lightness at working size, ``(h, w)`` in 0…100, h/w as near H/W as whole pixels allow; and the input of
        ``model``, ``(1, 1, h', w')`` in [-1, 1] on its device, with its border repeated up to a size that it accepts.
    """
    size = model.working_size if size is None else size
    if size < 1:
        raise ValueError(f"size must be at least 1 pixel, got {size}")
    height, width = lightness.shape
    scale = min(1.0, size / math.sqrt(height * width))
    # A strip keeps one row of pixels, and no more of them than size².
    small = _reduced(lightness, [min(size**2, max(1, round(pixels * scale))) for pixels in (height, width)])
    # Up to the next sizes that the network takes, by repeating the border, which no edge gives away.
    bottom, right = (model.accepted_size(pixels) - pixels for pixels in small.shape)
    given = F.pad(small[None, None] / color.LIGHTNESS_CENTER - 1, (0, right, 0, bottom), mode="replicate")
    parameter = next(iter([*model.parameters(), *model.buffers()]), torch.empty(0))
    return small, given.to(parameter.device)


@contextmanager
def answering(model: Colorizer) -> Iterator[None]:
    """Use a model in ``eval()`` mode without gradients, and leave it in the mode it came in."""
    was_training = model.training
    if was_training:  # each change of mode walks through all layers, which takes some milliseconds
        model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        if was_training:
            model.train()


def to_lab(ab: Tensor, shape: Sequence[int]) -> Tensor:
    """Return a model's answer to :func:`network_input` in Lab units: ``(2, *shape)`` float32, on the CPU."""
    return (ab[0, :, : shape[0], : shape[1]].float() * color.AB_SCALE).cpu().clone()


def cell_hints(hints: Sequence[Hint], given: Tensor) -> CellHints | None:
    """Return hints at working size as a network takes them, means where cells meet; None if there are none.

    Args:
        hints: on the image at working size.
        given: the input of the network, as :func:`network_input` returns it.
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
    """Full-resolution lightness and small colors, as an image.

    Args:
        lightness: ``(H, W)`` L in 0…100.
        ab: ``(2, h, w)`` in Lab units, any size; enlarged by :func:`enlarge`.
        alpha: ``(H, W)`` opacity to keep.
        chroma: factor on a and b: 0 is gray, 1 the prediction, more is more vivid.

    Returns:
        RGB or, with ``alpha``, RGBA; chroma is reduced where the color would leave the gamut.
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
    """:func:`render` as an array ``H×W×3|4``, uint8 or, if it is to be ``deep``, uint16."""
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
    r"""Enlarge small colors along the outlines that the lightness shows.

    Each pixel mixes the four colors around it: bilinear weights, times how alike the lightness of the pixel and that
    of the color's own place are. So colors end where things end. From the true colors of the photographs of
    `placeholder`, reduced to 160² pixels, it gives 38.7 dB where bilinear enlargement gives 38.0.

    Args:
        ab: ``(2, h, w)``.
        lightness: ``(H, W)`` L in 0…100.

    Returns:
        ``(2, H, W)``.

    Reference: Kopf et al., *Joint bilateral upsampling*, doi:10.1145/1276377.1276497.
    """
    return _enlarged_rows(ab, _reduced(lightness, ab.shape[-2:]), lightness, slice(0, len(lightness)))


# By how much L may differ within a thing, and the weight that the most different lightness keeps.
_ALIKE, _LEAST = 5.0, 0.1


def _reduced(lightness: Tensor, size: Sequence[int]) -> Tensor:
    """``(H, W)`` L at another size, ``(h, w)``."""
    wanted = list(size)
    return F.interpolate(lightness[None, None], wanted, mode="bilinear", antialias=True, align_corners=False)[0, 0]


def _enlarged_rows(ab: Tensor, small_lightness: Tensor, lightness: Tensor, rows: slice) -> Tensor:
    """Some rows of :func:`enlarge`, without making the others."""
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
    """The two small pixels around each large one, with their linear weights, placed as by ``F.interpolate``."""
    position = ((pixels + 0.5) * scale - 0.5).clamp(0, count - 1)
    before = position.long()
    after = (before + 1).clamp(max=count - 1)
    return (before, 1 - (position - before)), (after, position - before)
