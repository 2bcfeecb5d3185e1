"""Hints from files: strokes on a transparent image, JSON of any size, and files that hold no hints."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from colorlab import color
from colorlab.hints import Hint, Propagation, to_json
from colorlab.strokes import FINEST_GRID, MOST_HINTS, hints_from_strokes, load_hints

RED, BLUE = (200, 40, 40), (40, 60, 200)


def lab(rgb):
    return color.rgb_to_lab(torch.tensor(rgb, dtype=torch.uint8).view(3, 1, 1)).flatten().tolist()


def blank(width=200, height=100):
    return Image.new("RGBA", (width, height))


def test_each_pixel_that_is_drawn_is_a_hint():
    strokes = blank()
    strokes.putpixel((150, 20), (*RED, 255))
    strokes.putpixel((3, 99), (*BLUE, 1))  # ever so faint
    first, second = hints_from_strokes(strokes, (100, 200))
    assert (first.y, first.x) == (20, 150)
    assert (first.a, first.b) == pytest.approx(lab(RED)[1:], abs=1e-3)
    assert (second.y, second.x) == (99, 3)
    assert (second.a, second.b) == pytest.approx(lab(BLUE)[1:], abs=1e-3)


def test_gray_is_a_hint_too():
    strokes = blank()
    strokes.putpixel((10, 10), (90, 90, 90, 255))
    (hint,) = hints_from_strokes(strokes, (100, 200))
    assert (hint.a, hint.b) == pytest.approx((0, 0), abs=1e-2)


def test_a_line_gives_a_hint_in_each_cell_and_each_lies_on_the_line():
    strokes = blank()
    ImageDraw.Draw(strokes).line((0, 50, 199, 50), fill=(*RED, 255), width=9)
    hints = hints_from_strokes(strokes, (100, 200))
    opaque = np.asarray(strokes)[..., 3] > 0
    assert FINEST_GRID <= len(hints) <= 3 * FINEST_GRID
    assert all(opaque[hint.y, hint.x] for hint in hints)
    assert all((hint.a, hint.b) == pytest.approx(lab(RED)[1:], abs=1e-3) for hint in hints)


def test_where_strokes_meet_their_colors_do_not_mix():
    strokes = blank()
    draw = ImageDraw.Draw(strokes)
    draw.rectangle((0, 0, 101, 99), fill=(*RED, 255))
    draw.rectangle((102, 0, 198, 99), fill=(*BLUE, 255))
    wanted = np.array([lab(RED)[1:], lab(BLUE)[1:]])
    hints = hints_from_strokes(strokes, (100, 200))
    for hint in hints:
        assert np.abs(wanted - (hint.a, hint.b)).sum(axis=1).min() < 1e-2
    # And spreading them brings no third color about.
    spread = Propagation(torch.full((100, 200), 50.0)).spread(torch.zeros(2, 100, 200), hints)
    assert float(spread[:, 50, 20].sub(torch.tensor(wanted[0])).norm()) < 1
    assert float(spread[:, 50, 180].sub(torch.tensor(wanted[1])).norm()) < 1


@pytest.mark.parametrize("size", [(200, 200), (2000, 1000)])
def test_an_image_full_of_strokes_gives_no_more_hints_than_can_be_spread(size):
    strokes = Image.new("RGBA", size, (*RED, 255))
    strokes.putpixel((5, 5), (0, 0, 0, 0))
    hints = hints_from_strokes(strokes, size[::-1])
    assert MOST_HINTS / 4 < len(hints) <= MOST_HINTS


def test_strokes_may_be_larger_or_smaller_than_the_image():
    strokes = blank(100, 50)
    strokes.putpixel((80, 10), (*RED, 255))
    (hint,) = hints_from_strokes(strokes, (200, 400))
    assert (hint.y, hint.x) == (42, 322)
    (hint,) = hints_from_strokes(strokes, (5, 10))
    assert (hint.y, hint.x) == (1, 8)


def test_an_opaque_or_empty_image_is_no_image_of_strokes(tmp_path):
    Image.new("RGB", (200, 100)).save(tmp_path / "photo.png")
    with pytest.raises(ValueError, match=r"photo\.png has no transparent pixels, .*save only the strokes"):
        load_hints(tmp_path / "photo.png", (100, 200))
    with pytest.raises(ValueError, match="the image of strokes is fully transparent; draw strokes"):
        hints_from_strokes(blank(), (100, 200))
    with pytest.raises(ValueError, match="the image of strokes is for an image of 200×100 pixels, but this one has"):
        hints_from_strokes(blank(), (100, 100))


def test_the_content_decides_what_a_file_is(tmp_path):
    strokes = blank()
    strokes.putpixel((150, 20), (*RED, 255))
    drawn, saved = tmp_path / "drawn.json", tmp_path / "saved.png"  # each named as the other
    strokes.save(drawn, "PNG")
    saved.write_text(to_json([Hint.of(150, 20, 3, 4)], (100, 200)), encoding="utf-8")
    (hint,) = load_hints(drawn, (100, 200))
    assert (hint.y, hint.x) == (20, 150)
    assert load_hints(str(saved), (100, 200)) == [Hint.of(150, 20, 3, 4)]
    # Saved on a small preview, used on the photograph.
    assert load_hints(saved, (1000, 2000)) == [Hint.of(1505, 205, 3, 4)]


def test_a_file_without_hints_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"missing\.json cannot be opened: No such file"):
        load_hints(tmp_path / "missing.json", (10, 10))
    (tmp_path / "notes.txt").write_text("blue coat")
    with pytest.raises(ValueError, match=r"notes\.txt holds no hints; give JSON .* or a PNG of strokes"):
        load_hints(tmp_path / "notes.txt", (10, 10))
    (tmp_path / "cut.json").write_text('{"format": ')
    with pytest.raises(ValueError, match=r"cut\.json: the file holds no hints: it is not JSON"):
        load_hints(tmp_path / "cut.json", (10, 10))
