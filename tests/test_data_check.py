"""Bad and unusual images: each is found and named, none breaks anything."""

import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from colorlab.data import create_dataset
from colorlab.data.check import UNREADABLE, CheckOptions, check_folder, run_check
from colorlab.data.samples import photograph

PHOTO = photograph("coffee").crop((100, 100, 200, 180))


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, format=kind, **options)
    return file.getvalue()


def palette_with_transparency():
    image = PHOTO.quantize(16)
    return saved(image, "PNG", transparency=3)


def bomb():
    """A PNG of 80,000 × 80,000 black pixels: 20 GB once decoded."""
    import struct
    import zlib

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 80_000, 80_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    )


JPEG = saved(PHOTO, "JPEG", quality=90)
FILES = {
    "sound.jpg": (JPEG, None),
    "truncated.jpg": (JPEG[: len(JPEG) // 2], UNREADABLE),
    "truncated.png": (saved(PHOTO, "PNG")[:5000], UNREADABLE),
    "empty.png": (b"", UNREADABLE),
    "page.jpg": (b"<!DOCTYPE html><title>404</title>", UNREADABLE),
    "zeros.jpg": (bytes(5000), UNREADABLE),
    "bomb.png": (bomb(), UNREADABLE),
    "really_a_png.jpg": (saved(PHOTO, "PNG"), "wrongly named"),
    "really_a_jpeg.png": (JPEG, "wrongly named"),
    "inks.jpg": (saved(PHOTO.convert("CMYK"), "JPEG"), "other colors"),
    "deep.png": (
        saved(Image.fromarray((np.arange(6400).reshape(80, 80) * 10).astype(np.uint16)), "PNG"),
        ("more than 8 bits", "gray"),
    ),
    "palette.png": (palette_with_transparency(), "transparency"),
    "animated.gif": (
        saved(PHOTO, "GIF", save_all=True, append_images=[PHOTO.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]),
        "several images",
    ),
    "thin.png": (saved(PHOTO.crop((0, 0, 1, 80)), "PNG"), "narrow"),
    "gray.jpg": (saved(PHOTO.convert("L"), "JPEG"), "gray"),
    "stored_in_color.jpg": (saved(PHOTO.convert("L").convert("RGB"), "JPEG", quality=30), "gray"),
}
READABLE = sorted(name for name, (_, kind) in FILES.items() if kind != UNREADABLE)


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "own" / "train" / "x"
    place.mkdir(parents=True)
    for name, (content, _) in FILES.items():
        (place / name).write_bytes(content)
    (place / "notes.txt").write_text("no image, and not meant to be one")
    return tmp_path / "own"


@pytest.fixture(params=["folder", "tar"])
def source(request, folder, tmp_path):
    if request.param == "folder":
        return folder
    with tarfile.open(tmp_path / "own.tar", "w") as tar:
        tar.add(folder, "own")
    return tmp_path / "own.tar"


def test_every_kind_is_found(source):
    found = {}
    for finding in check_folder(source):
        found.setdefault(finding.name.removeprefix("train/x/"), []).append(finding.kind)
        assert finding.explanation
        assert "\n" not in finding.explanation
    expected = {name: [kind] if isinstance(kind, str) else list(kind) for name, (_, kind) in FILES.items() if kind}
    assert found == expected


def test_the_check_prints_each_file_and_how_many(folder, capsys):
    assert run_check(CheckOptions(folder=folder)) == 1
    out = capsys.readouterr().out
    assert "train/x/empty.png: cannot be read: the file is empty (0 bytes)\n" in out
    assert "train/x/really_a_png.jpg: is called .jpg, but is a PNG\n" in out
    assert f"\n{len(FILES)} files in {folder}\n       6 unreadable\n       3 gray\n" in out
    assert "skipped 1 files that are not images, first train/x/notes.txt\n" in out


def test_unusual_images_are_no_failure(folder, capsys):
    for name, (_, kind) in FILES.items():
        if kind == UNREADABLE:
            (folder / "train" / "x" / name).unlink()
    assert run_check(CheckOptions(folder=folder)) == 0
    for name in READABLE:
        if name != "sound.jpg":
            (folder / "train" / "x" / name).unlink()
    assert run_check(CheckOptions(folder=folder)) == 0
    assert capsys.readouterr().out.endswith(f"\n1 files in {folder}: no problems found\n")


def test_links_in_an_archive_are_named(folder, tmp_path):
    with tarfile.open(tmp_path / "own.tar", "w") as tar:
        tar.add(folder / "train" / "x" / "sound.jpg", "own/train/x/sound.jpg")
        link = tarfile.TarInfo("own/train/x/link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    (finding,) = check_folder(tmp_path / "own.tar")
    assert (finding.name, finding.kind) == ("own/train/x/link.jpg", "not followed")


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(ValueError, match=r"there is no folder or tar at .*nowhere"):
        check_folder(tmp_path / "nowhere")


@pytest.mark.parametrize("size", [8, 72])
def test_training_takes_all_that_are_readable(source, size, capsys):
    dataset = create_dataset(str(source), "train", size=size)
    rgb = dataset.rgb
    if dataset.streamed:  # unreadable ones are replaced when they are met
        assert len(rgb) == len(FILES)
        dataset.report_unreadable()
    else:
        assert len(rgb) == len(READABLE)
    assert "skipped 6 unreadable files" in capsys.readouterr().err
