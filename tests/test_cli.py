"""``python -m colorlab colorize``: what it writes, what it says, and how it ends."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors.torch import save_file
from skimage import data

from colorlab import cli, pretrained, results
from colorlab.hints import Hint, to_json
from colorlab.image import read_image
from colorlab.inference import colorize, full_lightness
from colorlab.models import ConstantColor, create_colorizer, save_weights

CAT = data.chelsea()[::6, ::6]
COFFEE = data.coffee()[::8, ::8]


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder to work in, with two photographs, one of them in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    Path("album").mkdir()
    Image.fromarray(CAT).save("cat.jpg", quality=95)
    Image.fromarray(COFFEE).save("album/coffee.png")
    return tmp_path


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    """The exit status, what was printed, and what was complained about."""
    status = cli.main(["colorize", *map(str, arguments)])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def pixels(path: str | Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image)


def complaints(err: str) -> list[str]:
    return [line for line in err.splitlines() if line.startswith("colorlab: ")]


def files(folder: str) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


# ---- the real thing, from the shell


@pytest.mark.slow
def test_from_the_shell_with_a_progress_bar(desk):
    # A terminal, since the bar is not for files and pipes; 80 columns wide, which a new one is not.
    script = (
        "import fcntl, struct, sys, termios; fcntl.ioctl(2, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 80, 0, 0));"
        "import runpy; sys.argv = ['colorlab', *sys.argv[1:]]; runpy.run_module('colorlab', run_name='__main__')"
    )
    terminal, end = os.openpty()
    command = [sys.executable, "-c", script, "colorize", "cat.jpg", "missing.jpg", "album", "--output", "new/done"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=end, text=True) as process:
        os.close(end)
        seen = b""
        with contextlib.suppress(OSError):  # how Linux says that the other end was closed
            while block := os.read(terminal, 4096):
                seen += block
        out = process.stdout.read()
    os.close(terminal)
    err = seen.decode()
    assert process.returncode == 1
    assert out == "2 of 3 images colorized, in new/done\n"
    assert "colorize: 100%" in err
    assert "3/3" in err
    assert "colorlab: missing.jpg does not exist" in err
    assert "Traceback" not in err
    assert files("new/done") == ["cat.png", "coffee.png"]
    np.testing.assert_array_equal(pixels("new/done/coffee.png"), np.asarray(colorize(COFFEE)))


@pytest.mark.slow
def test_images_too_large_for_the_memory_are_named_and_the_others_done(desk):
    Image.new("L", (6000, 4000), 128).save("large.png")
    script = (
        "import re, resource, sys; from pathlib import Path; from colorlab.cli import main; "
        "used = int(re.search(r'VmSize:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]) * 1024; "
        "resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[1]) * 2**20,) * 2); sys.exit(main(sys.argv[2:]))"
    )
    if not Path("/proc/self/status").exists():
        pytest.skip("this system does not tell how much address space a process takes")
    command = [sys.executable, "-c", script, "150", "colorize", "large.png", "cat.jpg", "--output", "done"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    (sentence,) = complaints(done.stderr)
    assert "there is not enough memory" in sentence
    assert "large.png" in sentence
    assert (done.returncode, done.stdout) == (1, "1 of 2 images colorized, in done\n")
    assert files("done") == ["cat.png"]


# ---- what is written


def test_results_are_png_under_the_inputs_names(desk, capsys):
    Image.fromarray(np.dstack([COFFEE, COFFEE[..., 0]])).save("album/see.through.webp", lossless=True)
    assert run(capsys, "cat.jpg", "album/see.through.webp", "--output", "done")[0] == 0
    assert files("done") == ["cat.png", "see.through.png"]
    np.testing.assert_array_equal(pixels("done/cat.png"), np.asarray(colorize("cat.jpg")))
    np.testing.assert_array_equal(pixels("done/see.through.png")[..., 3], COFFEE[..., 0])


@pytest.mark.slow
def test_the_best_weights_are_the_default(desk, capsys):
    run(capsys, "cat.jpg", "--output", "default")
    for name in pretrained.NAMES:
        assert run(capsys, "cat.jpg", "--model-name", name, "--output", name)[0] == 0
        np.testing.assert_array_equal(pixels(f"{name}/cat.png"), np.asarray(colorize("cat.jpg", name)))
    np.testing.assert_array_equal(pixels("default/cat.png"), pixels(f"{pretrained.NAMES[0]}/cat.png"))


def test_weights_of_your_own(desk, capsys):
    torch.manual_seed(0)
    model = create_colorizer("resnet")
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    save_weights(model, "mine/best.safetensors")
    assert run(capsys, "cat.jpg", "--model-path", "mine/best.safetensors", "--output", "done")[0] == 0
    np.testing.assert_array_equal(pixels("done/cat.png"), np.asarray(colorize("cat.jpg", model)))


def test_the_working_size_is_an_option(desk, capsys):
    run(capsys, "cat.jpg", "--size", 16, "--output", "done")
    np.testing.assert_array_equal(pixels("done/cat.png"), np.asarray(colorize("cat.jpg", size=16)))


def test_folders_give_the_images_in_them(desk, capsys):
    Path("album/notes.txt").write_text("by the window")
    Path("album/older").mkdir()
    Image.fromarray(CAT).save("album/older/cat.png")
    Image.fromarray(CAT).save("album/CAT.JPG")
    status, out, err = run(capsys, "album", "--output", "done")
    assert (status, complaints(err)) == (0, [])
    assert files("done") == ["CAT.png", "coffee.png"]
    assert out == "2 of 2 images colorized, in done\n"
    assert "album: skipped 2 that are not images (notes.txt, older/)" in err
    Path("shelf/album").mkdir(parents=True)
    status, _, err = run(capsys, "shelf", "--output", "done")
    assert status == 1
    assert "no images in the folder shelf" in err
    assert "skipped 1 that are not images (album/)" in err


def test_a_second_run_replaces_the_results_of_the_first(desk, capsys):
    for size, replaced in ((16, ""), (32, "; results of earlier runs replaced: 1")):
        status, out, _ = run(capsys, "cat.jpg", "--output", "done", "--size", size)
        assert (status, out) == (0, f"1 of 1 images colorized, in done{replaced}\n")
    np.testing.assert_array_equal(pixels("done/cat.png"), np.asarray(colorize("cat.jpg", size=32)))


# ---- what is not written


def test_what_cannot_be_read_is_named_and_the_others_are_done(desk, capsys):
    Path("letter.jpg").write_text("Dear reader")
    Path("empty.png").touch()
    Path("cut.jpg").write_bytes(Path("cat.jpg").read_bytes()[:300])
    Path("cut.tif").write_bytes(b"II*\0\x08\0\0\0")
    Path("bare").mkdir()
    bad = ["letter.jpg", "empty.png", "cut.jpg", "cut.tif", "missing.jpg", "bare", "long" * 100]
    status, out, err = run(capsys, *bad[:3], "cat.jpg", *bad[3:], "album/coffee.png", "--output", "done")
    assert status == 1
    sentences = complaints(err)
    assert len(sentences) == len(bad)
    for name in bad:
        assert sum(name in sentence for sentence in sentences) == 1
    assert files("done") == ["cat.png", "coffee.png"]
    assert out == "2 of 8 images colorized, in done\n"


def test_two_images_of_one_name_give_two_results(desk, capsys):
    Image.fromarray(COFFEE).save("album/cat.png")
    Image.fromarray(COFFEE).save("album/cat.jpg")
    status, out, err = run(capsys, "cat.jpg", "album/cat.png", "album/cat.jpg", "cat.jpg", "--output", "done")
    assert (status, complaints(err), out) == (0, [], "4 of 4 images colorized, in done\n")
    assert files("done") == ["cat.jpg-2.png", "cat.jpg.png", "cat.png", "cat.png.png"]
    np.testing.assert_array_equal(pixels("done/cat.png"), np.asarray(colorize("cat.jpg")))
    np.testing.assert_array_equal(pixels("done/cat.png.png"), np.asarray(colorize(COFFEE)))


@pytest.mark.parametrize("link", [None, "symlink_to", "hardlink_to"])
def test_no_image_given_is_overwritten(desk, capsys, link):
    # By its own result, or by that of another image of its name, even where it comes later in the list.
    Image.fromarray(COFFEE).save("album/cat.png")
    target = "album"
    if link is not None:
        target = "done"
        Path("done").mkdir()
        getattr(Path("done/cat.png"), link)(Path("album/cat.png").absolute())
    before = Path("album/cat.png").read_bytes()
    status, out, err = run(capsys, "cat.jpg", "album/cat.png", "--output", target)
    assert (status, out) == (1, f"1 of 2 images colorized, in {target}\n")
    (sentence,) = complaints(err)
    assert sentence.startswith("colorlab: cat.jpg is skipped")
    assert "--output" in sentence
    assert Path(target, "cat.png.png").exists()
    assert Path("album/cat.png").read_bytes() == before


def test_a_folder_into_itself_keeps_its_originals(desk, capsys):
    Image.fromarray(CAT).save("album/coffee.jpg")
    Image.fromarray(CAT).save("album/other.jpg")
    before = Path("album/coffee.png").read_bytes()
    assert run(capsys, "album", "--output", "album")[0] == 1
    assert Path("album/coffee.png").read_bytes() == before
    after = ["coffee.jpg", "coffee.png", "coffee.png.png", "other.jpg", "other.png"]
    assert files("album") == after
    assert "album: skipped 2 results of an earlier run" in run(capsys, "album", "--output", "album")[2]
    assert files("album") == after


def test_what_cannot_be_written_is_named_and_the_others_are_done(desk, capsys, monkeypatch):
    replace = os.replace

    def full(source, target):
        if Path(target).name == "coffee.png":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    status, _, err = run(capsys, "album/coffee.png", "cat.jpg", "--output", "done")
    assert status == 1
    assert complaints(err) == ["colorlab: done/coffee.png cannot be written: No space left on device"]
    assert files("done") == ["cat.png"]


# ---- files as people have them


def test_files_that_others_wrote_are_not_replaced(desk, capsys):
    Path("done").mkdir()
    Image.new("RGB", (5, 5), "red").save("done/cat.png")
    Path("done/cat.png.part").write_bytes(b"mine")
    before = Path("done/cat.png").read_bytes()
    status, _, err = run(capsys, "cat.jpg", "--output", "done")
    assert status == 1
    assert "done/cat.png, which colorize did not write" in err
    assert Path("done/cat.png").read_bytes() == before
    assert Path("done/cat.png.part").read_bytes() == b"mine"


def test_what_is_known_about_a_image_goes_along(desk, capsys):
    thumbnail = {513: b"", 259: 6}
    exif = Image.Exif()
    for tag, value in {
        270: "Grandmother",
        274: 6,
        306: "1999:01:02 03:04:05",
        315: "Studio X",
        33432: "(c) M",
    }.items():
        exif[tag] = value
    exif[34665] = {36867: "1931:07:04 12:00:00", 37510: b"ASCII\0\0\0note"}
    exif[34853] = {1: "N", 2: (55.0, 42.0, 0.0)}
    exif._ifds[1] = thumbnail
    xmp = b'<x:xmpmeta xmlns:x=\'adobe:ns:meta/\'><a tiff:Orientation="6" City="Uppsala"/></x:xmpmeta>'
    Image.fromarray(CAT).save("cat.jpg", exif=exif, dpi=(600, 600), xmp=xmp)
    for kind, ending, depth in (
        ("png", "png", 8), ("png", "png", 16), ("jpeg", "jpg", 8), ("tiff", "tif", 8), ("tiff", "tif", 16), ("webp", "webp", 8)
    ):  # fmt: skip
        assert run(capsys, "cat.jpg", "--output", kind, "--format", kind, "--depth", depth)[0] == 0
        assert (read_image(f"{kind}/cat.{ending}").rgb.dtype == np.uint16) == (depth == 16)
        with Image.open(f"{kind}/cat.{ending}") as image:
            assert image.size == CAT.shape[:2]
            found = image.getexif()
            assert {tag: found[tag] for tag in (270, 306, 315, 33432)} == {
                270: "Grandmother", 306: "1999:01:02 03:04:05", 315: "Studio X", 33432: "(c) M",
            }  # fmt: skip
            assert found.get(274, 1) == 1
            assert "colorized by the model distribution" in found[305]
            assert found.get_ifd(34665)[36867] == "1931:07:04 12:00:00"
            assert found.get_ifd(34853)[2] == (55, 42, 0)
            assert not found.get_ifd(1)
            assert float(found[282] if kind == "webp" else image.info["dpi"][0]) == pytest.approx(600, abs=0.1)
            assert b"Uppsala" in image.info["xmp"]
            assert b'Orientation="1"' in image.info["xmp"]
            assert "srgb" in image.info or b"sRGB" in image.info["icc_profile"].replace(b"\0", b"")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "distribution in style balanced"),
        (["--style", "vivid"], "distribution in style vivid"),
        (["--style", "sample"], "distribution in style sample, seed 0"),
        (["--seed", 7], "distribution in style sample, seed 7"),
        (
            ["--style", "careful", "--temperature", 0.25, "--prior-correction", 0.1],
            "distribution in style careful, temperature 0.25, prior correction 0.1",
        ),
        (["--model-name", "resnet"], "resnet"),
    ],
)
def test_a_result_says_how_it_was_colored(desk, capsys, given, said):
    for form, ending in (("png", "png"), ("jpeg", "jpg"), ("tiff", "tif")):
        assert run(capsys, "cat.jpg", "--format", form, *given)[0] == 0
        with Image.open(f"colorized/cat.{ending}") as image:
            assert image.getexif()[305].endswith(f": colorized by the model {said}")
    assert run(capsys, "cat.jpg", "--depth", 16, "--output", "deep", "--format", "tiff", *given)[0] == 0
    with tifffile.TiffFile("deep/cat.tif") as deep:
        assert deep.pages[0].software.endswith(f"colorized by the model {said}")


def test_damaged_metadata_do_not_keep_a_image_from_being_colored(desk, capsys, monkeypatch):
    about = results.About(exif={282: "no number", 34853: {2: object()}})
    monkeypatch.setattr(results, "read_about", lambda path: about)
    for kind in ("png", "tiff"):
        status, _, err = run(capsys, "cat.jpg", "--output", kind, "--format", kind)
        assert status == 0
        assert "cat.jpg is damaged" in err


def test_notes_in_a_png_go_along(desk, capsys):
    notes = PngInfo()
    notes.add_itxt("Description", "Großmutter")
    notes.add_text("Creation Time", "1931")
    Image.fromarray(CAT).save("cat.png", pnginfo=notes, dpi=(300, 300))
    assert run(capsys, "cat.png", "--output", "done")[0] == 0
    with Image.open("done/cat.png") as image:
        assert {"Description": "Großmutter", "Creation Time": "1931"}.items() <= image.text.items()
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_several_images_in_a_file_are_said(desk, capsys):
    frames = [Image.new("L", (20, 20), 50 * i) for i in range(4)]
    for name in ("a.tif", "b.gif", "c.webp", "d.png"):
        frames[1].save(name, save_all=True, append_images=frames[2:])
    status, _, err = run(capsys, "a.tif", "b.gif", "c.webp", "d.png", "cat.jpg", "--output", "done")
    assert status == 0
    for name in ("a.tif", "b.gif", "c.webp", "d.png"):
        assert f"{name} holds 3 images" in err
    assert "cat.jpg holds" not in err


def test_content_decides_in_folders_and_what_is_hidden_stays_so(desk, capsys):
    for name, kind in {
        "b.jfif": "JPEG",
        "c.JPE": "JPEG",
        "scan0001": "TIFF",
        "St. Mary 1": "PNG",
        "St. Mary 2": "PNG",
    }.items():
        Image.fromarray(CAT).save(Path("album", name), kind)
    for name in ("._a.jpg", ".DS_Store", "Thumbs.db", "notes.txt"):
        Path("album", name).write_bytes(b"\0\5\x16\7 no image")
    os.mkfifo("album/pipe.jpg")
    status, out, err = run(capsys, "album", "--output", "done")
    assert (status, complaints(err)) == (0, [])
    assert out.startswith("6 of 6")
    assert "album: skipped 3 that are not images (Thumbs.db, notes.txt, pipe.jpg)" in err
    assert files("done") == ["St. Mary 1.png", "St. Mary 2.png", "b.png", "c.png", "coffee.png", "scan0001.png"]
    assert run(capsys, "album/pipe.jpg", "--output", "done")[0] == 1


@pytest.mark.parametrize("format", ["png", "webp", "jpeg"])
def test_names_of_255_bytes(desk, capsys, format):
    Image.fromarray(CAT).save("short.jpg")
    names = ["x" * 251 + ".jpg", "é" * 125 + ".png", "y" * 255]
    for name in names:
        shutil.copy("short.jpg", name)
    assert run(capsys, *names, "--output", "done", "--format", format)[0] == 0
    assert len(files("done")) == 3


def test_the_home_folder_and_empty_paths(desk, capsys, monkeypatch):
    monkeypatch.setenv("HOME", str(desk / "home"))
    assert run(capsys, "cat.jpg", "--output=~/colored")[0] == 0
    assert files("home") == ["colored/cat.png"]
    for arguments in ([""], ["cat.jpg", "--output", ""], ["cat.jpg", "--output="]):
        status, _, err = run(capsys, *arguments)
        assert status == 1
        assert "is empty" in err
    assert not Path("colorized").exists()


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "utf-8:strict"])
def test_whatever_a_name_holds_can_be_printed(desk, encoding):
    Path("odd").mkdir()
    Image.fromarray(CAT[..., 0]).save(os.fsencode("odd/") + b"gro\xdfmutter.png")
    Image.new("L", (3, 40), 90).save("odd/narrow.png")
    command = [sys.executable, "-m", "colorlab", "data", "check", "odd"]
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": str(Path(cli.__file__).parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 files in odd" in done.stdout
    assert "mutter.png" in done.stdout


def test_a_dry_run_writes_nothing(desk, capsys):
    status, out, err = run(
        capsys, "cat.jpg", "album", "missing.jpg", "--output", "done", "--dry-run", "--format", "jpeg"
    )
    assert status == 1
    assert out.splitlines() == [
        "cat.jpg → done/cat.jpg", "album/coffee.png → done/coffee.jpg", "2 of 3 images would be colorized, in done",
    ]  # fmt: skip
    assert complaints(err) == ["colorlab: missing.jpg does not exist"]
    assert not Path("done").exists()


@pytest.mark.slow
def test_several_at_a_time_give_the_same(desk, capsys):
    assert run(capsys, "cat.jpg", "album", "missing.jpg", "--output", "done", "--jobs", 3)[0] == 1
    np.testing.assert_array_equal(pixels("done/cat.png"), np.asarray(colorize("cat.jpg")))
    np.testing.assert_array_equal(pixels("done/coffee.png"), np.asarray(colorize(COFFEE)))


def test_jobs_share_the_cores(desk, capsys, monkeypatch):
    seen, colorize_file = [], cli._colorize_file

    def watched(*arguments):
        seen.append(torch.get_num_threads())
        colorize_file(*arguments)

    monkeypatch.setattr(cli, "_colorize_file", watched)
    torch.set_num_threads(2)
    try:
        assert run(capsys, "cat.jpg", "album", "--jobs", 2)[0] == 0
        assert seen == [1, 1]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize("format", ["png", "tiff"])
def test_16_bits_keep_the_lightness_of_deep_images(desk, capsys, format):
    ramp = np.linspace(20000, 21000, 64 * 48).reshape(48, 64).astype(np.uint16)
    tifffile.imwrite("deep.tif", ramp, description="Grandmother")
    assert run(capsys, "deep.tif", "--output", "done", "--format", format, "--depth", 16)[0] == 0
    result = read_image(f"done/deep.{'png' if format == 'png' else 'tif'}")
    assert result.rgb.dtype == np.uint16
    difference = full_lightness(result) - full_lightness(read_image("deep.tif"))
    assert float(difference.abs().max()) < 0.01
    assert run(capsys, "deep.tif", "--output", "done", "--format", format)[0] == 0  # it is known for colorlab's own


def test_transparency_is_not_lost_in_a_jpeg(desk, capsys):
    Image.fromarray(np.dstack([COFFEE, COFFEE[..., 0]])).save("clear.png")
    status, _, err = run(capsys, "clear.png", "--output", "done", "--format", "jpeg")
    assert status == 1
    assert "transparency" in err
    assert files("done") == []


# ---- options that cannot be followed: nothing is written


def rubbish(kind: str) -> str:
    path = Path(f"{kind}.safetensors")
    if kind == "text":
        path.write_text("weights")
    elif kind == "empty":
        path.touch()
    elif kind == "pickle":
        torch.save({"weight": torch.zeros(2)}, path)
    elif kind == "image":
        Image.fromarray(CAT).save(path, format="PNG")
    elif kind == "folder":
        path.mkdir()
    elif kind == "foreign":
        save_file({"weight": torch.zeros(2)}, path)
    elif kind == "nameless":
        save_weights(ConstantColor(), path)
    elif kind == "cut":
        save_weights(create_colorizer("resnet"), path)
        path.write_bytes(path.read_bytes()[:-1000])
    elif kind == "swapped":
        save_weights(create_colorizer("resnet"), path, {"model_name": "unet32"})
    return str(path)


@pytest.mark.parametrize(
    "kind", ["text", "empty", "pickle", "image", "folder", "foreign", "nameless", "cut", "swapped", "missing"]
)
def test_weights_that_are_none(desk, capsys, kind):
    path = rubbish(kind)
    status, out, err = run(capsys, "cat.jpg", "--model-path", path, "--output", "done")
    assert (status, out) == (1, "")
    assert err.startswith("colorlab: ")
    assert path in err or kind == "nameless"
    assert not Path("done").exists()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--model-name", "nonesuch"], ["nonesuch", *pretrained.NAMES]),
        (["--output", "cat.jpg"], ["--output", "cat.jpg"]),
        (["--output", "cat.jpg/done"], ["--output", "cat.jpg/done"]),
    ],
)
def test_options_that_cannot_be_met(desk, capsys, options, named):
    status, out, err = run(capsys, "cat.jpg", *options)
    assert (status, out) == (1, "")
    (sentence,) = err.splitlines()
    assert sentence.startswith("colorlab: ")
    for name in named:
        assert name in sentence
    assert sorted(os.listdir()) == ["album", "cat.jpg"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--model-name", pretrained.NAMES[0], "--model-path", "x"], ["--model-name", "--model-path"]),
        (["--size", "0"], ["--size", "0"]),
    ],
)
def test_options_that_make_no_sense_end_with_2(desk, capsys, options, named):
    with pytest.raises(SystemExit) as caught:
        run(capsys, "cat.jpg", *options)
    assert caught.value.code == 2
    answer = " ".join(capsys.readouterr().err.split())
    for name in named:
        assert name in answer


def test_no_images_at_all(desk, capsys):
    status, out, err = run(capsys)
    assert (status, out) == (1, "")
    assert "at least one image" in err
    status, out, err = run(capsys, "missing.jpg", "--output", "done")
    assert (status, out) == (1, "0 of 1 images colorized, in done\n")


def test_unknown_options_end_with_2(desk, capsys):
    with pytest.raises(SystemExit) as caught:
        run(capsys, "cat.jpg", "--model-nam", "resnet")
    assert caught.value.code == 2
    assert "--model-name" in capsys.readouterr().err


def test_help_names_every_option(capsys):
    with pytest.raises(SystemExit) as caught:
        run(capsys, "--help")
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for option in ("IN [IN …]", "--output", "--model-name", "--model-path", "--size"):
        assert option in text


def test_the_shipped_index_is_json_of_names_and_hashes():
    index = json.loads((Path(pretrained.__file__).parent / "shipped.json").read_text(encoding="utf-8"))
    assert tuple(index["colorizers"]) == pretrained.NAMES
    assert all(len(digest) == 64 for kind in index.values() for digest in kind.values())


def test_another_image_beside_the_original_is_not_overwritten(desk, capsys):
    Image.open("cat.jpg").rotate(90).save("cat.png")
    before = Path("cat.png").read_bytes()
    status, _, err = run(capsys, "cat.jpg", "--output", ".")
    assert status == 1
    assert "cat.png" in err
    assert Path("cat.png").read_bytes() == before


def test_hints_from_a_file(desk, capsys):
    height, width = CAT.shape[:2]
    hint = Hint.of(width // 2, height // 2, 40.0, -50.0)
    Path("hints.json").write_text(to_json([hint], (height, width)))
    assert run(capsys, "cat.jpg", "--hints", "hints.json", "--output", "hinted")[0] == 0
    # The command writes what the function gives, whose hinted pixel has the color of the hint.
    assert np.array_equal(pixels("hinted/cat.png"), np.asarray(colorize("cat.jpg", hints="hints.json")))
    assert not np.array_equal(pixels("hinted/cat.png"), np.asarray(colorize("cat.jpg")))
    status, _, err = run(capsys, "cat.jpg", "album", "--hints", "hints.json")
    assert (status, err) == (1, "colorlab: --hints needs exactly one image, got 2\n")


def test_a_folder_without_images_gives_one_sentence(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert cli.main(["colorize", str(tmp_path / "empty"), "--output", str(tmp_path / "out")]) == 1
    said = capsys.readouterr()
    assert "there are no images in the folder" in said.err
    assert "0 of 0" not in said.out
