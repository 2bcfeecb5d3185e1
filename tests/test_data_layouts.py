"""The Places data sets: which image is in which split, from the names that the official archives hold."""

import io
import random
import tarfile

import pytest
from PIL import Image

from colorlab.data import create_dataset, layouts
from colorlab.data.download import SOURCES

CLASSES = [f"class_{number:03d}" for number in range(120)]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def easyformat(classes, count, *, top="places365_standard/"):
    names = [f"{top}train/{name}/{i:08d}.jpg" for name in classes for i in range(1, count + 1)]
    return names + [f"{top}val/{name}/Places365_val_{i:08d}.jpg" for name in classes for i in range(1, 101)]


def chosen(splits, names):
    return {split: [names[index] for index, _ in members] for split, members in splits.items()}


@pytest.mark.parametrize("top", ["", "places365_standard/", "data/places365_standard/"])
def test_places365_is_reduced_as_in_the_seed(top):
    names = easyformat(["abbey", "zen_garden"], 3068, top=top)
    random.Random(0).shuffle(names)
    splits = layouts.places365(names)
    found = chosen(splits, names)
    for name in ("abbey", "zen_garden"):
        folder = f"{top}train/{name}/"
        assert [n for n in found["test"] if f"/{name}/" in n] == [f"{folder}{i:08d}.jpg" for i in range(1, 101)]
        assert [n for n in found["train"] if f"/{name}/" in n] == [f"{folder}{i:08d}.jpg" for i in range(101, 1101)]
    assert sorted(found["val"]) == sorted(name for name in names if name.startswith(f"{top}val/"))
    assert all(f"/{label}/" in names[index] for members in splits.values() for index, label in members)


def test_a_copy_that_was_reduced_is_taken_as_it_lies():
    names = [f"{split}/abbey/{i}.jpg" for split in ("train", "val", "test") for i in range(7)]
    assert {split: len(members) for split, members in layouts.places365(names).items()} == {
        "train": 7,
        "val": 7,
        "test": 7,
    }


def test_too_few_images_to_reduce_are_refused():
    with pytest.raises(ValueError, match="only 100 training images of the class abbey"):
        layouts.places365(easyformat(["abbey"], 100))
    with pytest.raises(ValueError, match="no folders train and val"):
        layouts.places365(["abbey/1.jpg"])


def test_places100_is_always_the_same_draw():
    names = easyformat(CLASSES, 700)
    splits = layouts.places100(names)
    found = chosen(splits, names)
    drawn = {label for members in splits.values() for _, label in members}
    assert len(drawn) == 100
    assert {split: len(members) for split, members in splits.items()} == {"train": 50_000, "val": 5000, "test": 5000}
    assert len({name for members in found.values() for name in members}) == 60_000
    # Of places365's own splits.
    whole = chosen(layouts.places365(names), names)
    assert all(set(found[split]) <= set(whole[split]) for split in found)
    # By nothing but the classes' names.
    shuffled = names[:]
    random.Random(1).shuffle(shuffled)
    again = chosen(layouts.places100(shuffled), shuffled)
    assert {split: sorted(members) for split, members in again.items()} == {
        split: sorted(members) for split, members in found.items()
    }
    # Pinned: another draw would be another data set.
    assert sorted(set(CLASSES) - drawn) == LEFT_OUT


# The largest of sha256(f"0 {name}"), found with sha256sum.
LEFT_OUT = [
    "class_001", "class_002", "class_012", "class_016", "class_023", "class_024", "class_032",
    "class_038", "class_048", "class_050", "class_054", "class_062", "class_075", "class_082",
    "class_087", "class_091", "class_100", "class_101", "class_106", "class_119",
]  # fmt: skip


def test_places100_needs_100_classes():
    with pytest.raises(ValueError, match="2 classes, of which places100 needs 100"):
        layouts.places100(easyformat(["abbey", "zen_garden"], 101))


def test_places205_has_1000_validation_images_and_no_classes():
    names = [f"testSet_resize/{i:032x}.jpg" for i in range(2500)]
    splits = layouts.places205(names)
    assert {split: len(members) for split, members in splits.items()} == {"train": 1500, "val": 1000, "test": 0}
    assert {label for members in splits.values() for _, label in members} == {"any"}
    found = chosen(splits, names)
    moved = [name.replace("testSet_resize", "elsewhere/else") for name in reversed(names)]
    again = chosen(layouts.places205(moved), moved)
    assert {name.rpartition("/")[2] for name in found["val"]} == {name.rpartition("/")[2] for name in again["val"]}
    with pytest.raises(ValueError, match="only 1000 images"):
        layouts.places205(names[:1000])


# From where they lie


def jpeg(color):
    file = io.BytesIO()
    Image.new("RGB", (16, 16), color).save(file, format="JPEG", quality=95)
    return file.getvalue()


def pack(path, names):
    """An archive of tiny images, whose green says their number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as tar:
        for number, name in enumerate(names):
            content = jpeg((100, number % 256, 100))
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize("file", ["places365.tar", "places365standard_easyformat.tar", "places365.tar.gz"])
def test_an_archive_serves_where_there_is_no_folder(tmp_path, file):
    pack(tmp_path / file, ["places365_standard/train.txt", *easyformat(["abbey"], 102)])
    train, val, test = (
        create_dataset("places365", split, size=8, root=tmp_path) for split in ("train", "val", "test")
    )
    assert [len(train), len(val), len(test)] == [2, 100, 100]
    assert train.classes == ("abbey",)
    assert train.rgb[:, 1].float().mean(dim=(1, 2)).tolist() == pytest.approx([101, 102], abs=2)


def test_a_folder_goes_first_and_the_option_asks_for_the_archive(tmp_path):
    for split in ("train", "val"):
        (tmp_path / "places205" / split / "any").mkdir(parents=True)
        (tmp_path / "places205" / split / "any" / "1.jpg").write_bytes(jpeg("red"))
    pack(tmp_path / "places205.tar", [f"testSet_resize/{i}.jpg" for i in range(1003)])
    assert len(create_dataset("places205", "train", size=8, root=tmp_path)) == 1
    assert len(create_dataset("places205", "train", size=8, root=tmp_path, archive=True)) == 3


def test_places100_is_made_of_places365_unless_it_lies_there_itself(tmp_path):
    pack(tmp_path / "places365standard_easyformat.tar", easyformat(["abbey"], 101))
    with pytest.raises(ValueError, match=r"easyformat\.tar has 1 classes, of which places100 needs 100"):
        create_dataset("places100", "train", root=tmp_path)
    pack(tmp_path / "places100.tar", ["places100/train/abbey/1.jpg", "places100/val/abbey/1.jpg"])
    assert len(create_dataset("places100", "train", root=tmp_path)) == 1


@pytest.mark.parametrize("name", list(SOURCES))
def test_what_is_missing_says_how_large_it_is_and_where_it_goes(tmp_path, name):
    with pytest.raises(ValueError, match="is not there") as missing:
        create_dataset(name, "train", root=tmp_path)
    message = str(missing.value)
    source = SOURCES[name]
    for part in (source.size, source.url, source.file, f"data download {name}", str(tmp_path / name)):
        assert part in message
    assert "\n" not in message
