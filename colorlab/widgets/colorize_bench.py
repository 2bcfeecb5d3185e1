"""The bench: colour a photograph of one's own, turn the chroma up and down, save the result.

Reading, predicting and drawing are functions without state; :class:`ColorizeBench` ties them to its controls. The
network runs when the picture, the model or the working size changes. The chroma gain only draws again, and only
*Save* works at full resolution.

Used in notebook ``11_colorize_your_own``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import ipywidgets
from traitlets import link

from colorlab import pretrained
from colorlab.data.placeholder import PHOTOGRAPHS, photograph
from colorlab.inference import predict_ab, render
from colorlab.models import Colorizer
from colorlab.pictures import SUFFIXES, read_picture
from colorlab.widgets.markup import picture_html, sentence, status_html
from colorlab.widgets.subject import PREVIEW_SIZE, Subject, prepare, read_upload

WORKING_SIZES = (32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Working sizes to choose from."""

# What is shown to the user rather than raised. RuntimeError is how torch says that memory does not suffice.
_SHOWN_ERRORS = (ValueError, OSError, MemoryError, RuntimeError)


class Source(NamedTuple):
    """Where a picture comes from; a sample and an own picture may have the same name."""

    kind: Literal["sample", "own"]
    name: str


class Choice(NamedTuple):
    """What a prediction depends on."""

    source: Source
    model: str
    size: int | None


def save_path(text: str) -> Path:
    """Where to write, from what somebody typed; ``.png`` is added where there is no ending.

    Raises:
        ValueError: nothing typed, a folder, or the ending of another kind of picture.
    """
    if not text.strip():
        raise ValueError("give the picture a file name, such as colorized/picture.png")
    path = Path(text.strip()).expanduser()
    if path.is_dir() or text.strip().endswith(("/", os.sep)):
        raise ValueError(f"{path} is a folder; add a file name, such as {path / 'picture.png'}")
    if path.suffix.lower() == ".png":
        return path
    if path.suffix.lower() in SUFFIXES:
        raise ValueError(f"pictures are saved as PNG, which changes no pixel; name it {path.with_suffix('.png')}")
    return path.with_name(path.name + ".png")


def _sample(name: str) -> Subject:
    return prepare(name, read_picture(photograph(name)))


class ColorizeBench(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Colour a picture in a notebook: ``ColorizeBench()`` as the last line of a cell.

    A sample or an upload is coloured by the chosen model; before and after stand side by side; the result is saved
    at full resolution, with the lightness of the original. What goes wrong is said in the status line.

    Args:
        picture: the name of a sample (:data:`colorlab.data.placeholder.PHOTOGRAPHS`) or the path of a picture file.
            Jupyter servers drop uploads above 10 MB without a word unless set otherwise, as `make lab` does.
        model: the model to begin with; ``None`` is the best that ships.
        models: name → colorizer: models of your own, offered beside :data:`colorlab.pretrained.NAMES`.
        size: the working size to begin with, as in :func:`colorlab.colorize`; by default each model's own.

    Raises:
        ValueError: a picture that cannot be read, an unknown model, a size below 1.
    """

    def __init__(
        self,
        picture: str | Path = "astronaut",
        model: str | None = None,
        *,
        models: Mapping[str, Colorizer] | None = None,
        size: int | None = None,
    ) -> None:
        super().__init__()
        # Models by name, each loaded when it is first chosen.
        self._networks: dict[str, Colorizer | None] = {**dict.fromkeys(pretrained.NAMES), **(models or {})}
        model = pretrained.NAMES[0] if model is None else model
        if model not in self._networks:
            raise ValueError(f"no model {model!r}; there are {', '.join(self._networks)}")
        self._own: Subject | None = None
        self._written: set[Path] = set()
        # While True the program, not a person, is setting the controls.
        self._settling = False
        self._make_controls(model, size)
        if picture in PHOTOGRAPHS:
            self._put(_sample(str(picture)), Source("sample", str(picture)))
        else:
            path = Path(picture)
            self._own = prepare(path.name, read_picture(path))
            self._put(self._own, Source("own", path.name))
        self._settle()
        self._watch_controls()

    def __repr__(self) -> str:
        # text/plain of the cell: the same on every machine, so that tests of notebooks can compare it.
        return (
            f"ColorizeBench(picture={self._subject.name!r}, model={self._shown.model!r}, {self._subject.dimensions})"
        )

    def _make_controls(self, model: str, size: int | None) -> None:
        narrow = {"description_width": "auto"}
        self.picture = ipywidgets.Dropdown(
            options=self._pictures(), description="Picture", style=narrow, layout={"width": "222px"}
        )
        self.upload = ipywidgets.FileUpload(
            description="Upload", accept="image/*,.tif,.tiff", tooltip="Upload a picture", layout={"width": "112px"}
        )
        self.model = ipywidgets.Dropdown(
            options=list(self._networks), value=model, description="Model", style=narrow, layout={"width": "160px"}
        )
        self.size = ipywidgets.Dropdown(
            options=[
                ("model's own", None),
                *((f"{side} px", side) for side in sorted({*WORKING_SIZES, *([] if size is None else [size])})),
            ],
            value=size,
            description="Working size",
            style=narrow,
            layout={"width": "175px"},
        )
        # The slider of ipywidgets has no name that a screen reader could say; the number beside it has.
        gain: dict[str, Any] = {"value": 1.0, "min": 0.0, "max": 2.0, "step": 0.05}
        self.chroma = ipywidgets.FloatSlider(
            **gain,
            description="Chroma gain",
            readout=False,
            continuous_update=False,
            style=narrow,
            layout={"width": "240px"},
        )
        self.chroma_number = ipywidgets.BoundedFloatText(**gain, tooltip="Chroma gain", layout={"width": "70px"})
        # Side by side at every width: both shrink alike, and neither wraps.
        half = {"flex": "0 1 auto", "max_width": f"{PREVIEW_SIZE}px", "min_width": "0", "margin": "2px"}
        self.before = ipywidgets.HTML(layout=half)
        self.after = ipywidgets.HTML(layout=half)
        self.status = ipywidgets.HTML(layout={"width": "auto"})
        self.target = ipywidgets.Text(
            description="Save as", style=narrow, layout={"flex": "1 1 240px", "max_width": "460px"}
        )
        self.save = ipywidgets.Button(
            description="Save", icon="save", tooltip="Save at full resolution", layout={"width": "120px"}
        )
        # Of a larger upload the kernel never hears, so that it could not say a word about it.
        hint = ipywidgets.HTML('some servers drop uploads above 10 MB; then: <code>ColorizeBench("photo.tif")</code>')
        wrapped = {"flex_flow": "row wrap", "align_items": "center", "grid_gap": "0 12px"}
        self.children = (
            ipywidgets.HBox([self.picture, self.upload, hint], layout=wrapped),
            ipywidgets.HBox(
                [self.model, self.size, ipywidgets.HBox([self.chroma, self.chroma_number])], layout=wrapped
            ),
            ipywidgets.HBox([self.before, self.after], layout={"align_items": "flex-start"}),
            self.status,
            ipywidgets.HBox([self.target, self.save], layout=wrapped),
        )
        self.add_class("colorlab-colorize-bench")

    def _watch_controls(self) -> None:
        link((self.chroma, "value"), (self.chroma_number, "value"))
        for control in (self.picture, self.model, self.size):
            control.observe(self._on_choice, "value")
        self.upload.observe(self._on_upload, "value")
        self.chroma.observe(self._on_chroma, "value")
        self.save.on_click(self._on_save)

    def _pictures(self) -> list[tuple[str, Source]]:
        samples = [(name, Source("sample", name)) for name in PHOTOGRAPHS]
        own = [] if self._own is None else [(f"{self._own.name} (own)", Source("own", self._own.name))]
        return samples + own

    def _on_choice(self, _: object) -> None:
        if self._settling:
            return
        with self._told():
            source = self.picture.value
            if source == self._shown.source:
                self._show(self._subject, source)
            elif source.kind == "own" and self._own is not None:
                self._put(self._own, source)
            else:
                self._put(_sample(source.name), source)

    def _on_upload(self, change: Mapping[str, Any]) -> None:
        if self._settling or not change["new"]:
            return
        file = change["new"][0]
        name = str(file["name"]) or "upload"
        with self._told():
            self._say(f"Reading {name} …")
            subject = prepare(name, read_upload(name, bytes(file["content"])))
            self._put(subject, Source("own", name))
            self._own = subject

    def _on_chroma(self, _: object) -> None:
        with self._told():
            self._draw_after()

    def _on_save(self, _: object) -> None:
        with self._told():
            path = save_path(self.target.value)
            self._say(f"Saving {path} …")
            self._write(path)
            self._say(f"Saved {path.resolve()} ({self._subject.dimensions} pixels).")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Errors as a sentence in the status line: raised in a callback, they would end in a log nobody reads."""
        try:
            yield
        except _SHOWN_ERRORS as error:
            self._say(f"{sentence(error)} Nothing was changed.")
        self._settle()

    def _put(self, subject: Subject, source: Source) -> None:
        """Another picture on the bench, with a file name of its own for the result."""
        self._show(subject, source)
        self.target.value = f"colorized/{Path(subject.name).stem}.png"

    def _show(self, subject: Subject, source: Source) -> None:
        """Predict colours, then put everything on the bench at once; an error on the way leaves it as it was."""
        name, size = str(self.model.value), self.size.value
        self._say(f"Colouring {subject.name} with {name} …")
        network = self._networks[name]
        if network is None:
            network = self._networks[name] = pretrained.load(name)
        ab = predict_ab(subject.lightness, network, size=size)
        self._subject, self._ab, self._shown = subject, ab, Choice(source, name, size)
        self._side = network.working_size if size is None else size
        self.before.value = picture_html(
            render(subject.small_lightness, ab, alpha=subject.small_alpha, chroma=0),
            alt=f"{subject.name} without colour: its lightness",
            caption="Before: lightness only",
        )
        self._draw_after()

    def _draw_after(self) -> None:
        subject, model, chroma = self._subject, self._shown.model, float(self.chroma.value)
        self.after.value = picture_html(
            render(subject.small_lightness, self._ab, alpha=subject.small_alpha, chroma=chroma),
            alt=f"{subject.name} in the colours that {model} predicts, chroma gain {chroma:.2f}",
            caption=f"After: coloured by {model}",
        )
        self._say(
            f"{subject.name}, {subject.dimensions} pixels, coloured by {model} at working size {self._side} px, "
            f"chroma gain {chroma:.2f}."
        )

    def _write(self, path: Path) -> None:
        """Full resolution, to a file that is whole or not there."""
        if path.exists() and path.resolve() not in self._written:
            raise ValueError(f"{path} exists already and was not saved from here; choose another name")
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = render(
            self._subject.lightness, self._ab, alpha=self._subject.alpha, chroma=float(self.chroma.value)
        )
        unfinished = path.with_name(path.name + ".part")
        try:
            picture.save(unfinished, format="PNG")
            os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)
        self._written.add(path.resolve())

    def _say(self, text: str) -> None:
        self.status.value = status_html(text)

    def _settle(self) -> None:
        """Make the controls tell what is on the bench, also after a choice that failed."""
        self._settling = True
        try:
            source, model, size = self._shown
            self.picture.options = self._pictures()
            self.picture.value, self.model.value, self.size.value = source, model, size
            # A file that is not on the bench is forgotten; else it could not be uploaded a second time.
            if self.upload.value and source != ("own", self.upload.value[0]["name"]):
                self.upload.value = ()
        finally:
            self._settling = False
