"""An own folder of images, or a tar of one, as a data set."""

import os
import shutil
import tarfile
from types import SimpleNamespace
from urllib.error import URLError

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from colorlab.data import create_dataset
from colorlab.evaluation import compare, differences, gray
from colorlab.evaluation.folders import label_of, name_images, open_folders
from colorlab.inference import colorize
from colorlab.models import ConstantColor
from colorlab.training.loop import Run


def image(path, color=(200, 80, 40), size=(20, 12)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path)


def dataset(path, split="train", size=8, **others):
    return create_dataset(str(path), split, size=size, **others)


@pytest.fixture
def tree(tmp_path):
    """Class apple has no validation images."""
    root = tmp_path / "own"
    for split, classes in {"train": ("apple", "bike", "car"), "val": ("bike", "car")}.items():
        for name in classes:
            image(root / split / name / "a.png")
    return root


# What belongs where


def test_a_class_has_the_same_index_in_every_split(tree):
    train, val = (dataset(tree, split) for split in ("train", "val"))
    assert train.classes == val.classes == ("apple", "bike", "car")
    assert train.labels.tolist() == [0, 1, 2]
    assert val.labels.tolist() == [1, 2]


def test_val_serves_as_test_where_there_is_none(tree):
    assert len(dataset(tree, "test")) == len(dataset(tree, "val")) == 2


def test_a_tar_gives_what_its_folder_gives(tree, tmp_path):
    archive = tmp_path / "own.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(tree, "own")
    folder, packed = dataset(tree), dataset(archive)
    assert (folder.rgb == packed.rgb).all()
    assert (folder.labels == packed.labels).all()
    assert packed.classes == folder.classes


@pytest.mark.parametrize("inside", ["loose", ".", "a/b"])
def test_images_alone_are_divided_by_name(tmp_path, inside):
    for i in range(60):
        image(tmp_path / "loose" / f"{i}.png")
    with tarfile.open(tmp_path / "loose.tar", "w") as tar:
        tar.add(tmp_path / "loose", inside)
    splits = [dataset(tmp_path / "loose", split, 4) for split in ("train", "val", "test")]
    sizes = [len(split) for split in splits]
    assert sum(sizes) == 60
    assert sizes[0] > 30 > sizes[1]
    assert splits[0].classes == ("any",)
    if inside != "a/b":  # of which the tar's own folder is one
        assert [len(dataset(tmp_path / "loose.tar", split, 4)) for split in ("train", "val", "test")] == sizes


def test_folders_above_train_do_not_matter(tree, tmp_path):
    shutil.move(tree, tmp_path / "test" / "deeper" / "own")
    assert dataset(tmp_path / "test").classes == ("apple", "bike", "car")
    assert len(dataset(tmp_path / "test", "val")) == 2


def test_folders_that_mean_a_split_are_never_pooled(tmp_path):
    for i in range(20):
        image(tmp_path / "own" / "holidays" / "test" / f"{i}.png")
        image(tmp_path / "own" / "garden" / f"{i}.png")
    with pytest.raises(ValueError, match=r"holidays/test, which means 'test'.*no folder that means 'train'"):
        dataset(tmp_path / "own")


@pytest.mark.parametrize(
    ("train", "val"),
    [("Train", "Val"), ("TRAINING", "testing"), ("train2017", "val2017"), ("training_set", "test_set"), ("seg_train", "seg_test"), ("train", "valid"), ("Train Images", "Validation Images"), ("DIV2K_train_HR", "DIV2K_valid_HR"), ("1_train", "2_val"), ("train (1)", "test (1)"), ("trainA", "testA"), ("traindir", "valdir")],
)  # fmt: skip
@pytest.mark.parametrize("where", ["{}/a", "own/{}/a", "a/{}"])
@pytest.mark.parametrize("tar", [False, True])
def test_splits_under_their_usual_names(tmp_path, train, val, where, tar, capsys):
    red, blue = (200, 0, 0), (0, 0, 200)
    for label in "ab":
        image(
            tmp_path / "set" / where.format(train).replace("a", label, 1 if where[0] == "a" else 0) / label / "1.png",
            red,
        )
        image(
            tmp_path / "set" / where.format(val).replace("a", label, 1 if where[0] == "a" else 0) / label / "1.png",
            blue,
        )
    path = tmp_path / "set"
    if tar:
        path = tmp_path / "set.tar"
        with tarfile.open(path, "w") as file:
            file.add(tmp_path / "set", "set")
    for split, color in (("train", red), ("val", blue), ("test", blue)):
        found = dataset(path, split)
        assert found.rgb[:, :, 0, 0].tolist() == [list(color)] * 2
        assert len(found.classes) == 2
    assert capsys.readouterr().err == ""


def test_a_class_is_the_path_below_its_split(tmp_path):
    for split in ("train", "val"):
        for label in ("cat/part1", "cat/part2", "dog/part1", "dog/part2"):
            image(tmp_path / "own" / split / label / "1.png")
    assert dataset(tmp_path / "own").classes == ("cat/part1", "cat/part2", "dog/part1", "dog/part2")
    for number, label in enumerate(("cat/part1", "dog/part1", "dog/part2")):
        for i in range(10):
            image(tmp_path / "loose" / "images" / label / f"{number}{i}.png")
    assert dataset(tmp_path / "loose").classes == ("cat/part1", "dog/part1", "dog/part2")


def test_accents_written_in_two_ways_are_one_class(tmp_path):
    image(tmp_path / "own" / "train" / "caf\u00e9" / "1.png")
    image(tmp_path / "own" / "val" / "cafe\u0301" / "1.png")
    assert dataset(tmp_path / "own", "val").classes == ("caf\u00e9",)


@pytest.mark.parametrize("count", [3, 4, 7, 12, 20])
def test_a_few_loose_images_fill_all_splits(tmp_path, count):
    for i in range(count):
        image(tmp_path / "flat" / f"IMG_{i:04d}.png", (10 * i, 90, 60))
    found = {
        split: {tuple(c) for c in dataset(tmp_path / "flat", split).rgb[:, :, 0, 0].tolist()}
        for split in ("train", "val", "test")
    }
    assert all(found.values())
    assert sum(map(len, found.values())) == count
    assert len(set.union(*found.values())) == count


def test_two_loose_images_are_one_to_learn_from_and_one_to_be_judged_by(tmp_path):
    for number in range(20):
        pair = tmp_path / f"{number}"
        for i in (0, 1):
            image(pair / f"{number}{i}.png", (10 * i, 90, 60))
        train, val, test = (dataset(pair, split).rgb for split in ("train", "val", "test"))
        assert len(train) == len(val) == 1
        assert (val == test).all()
        assert (train != val).any()


def test_one_image_cannot_be_divided(tmp_path):
    image(tmp_path / "one" / "1.png")
    with pytest.raises(ValueError, match=r"1 image is too few"):
        dataset(tmp_path / "one", "val")


def test_a_path_serves_as_a_name(tree, monkeypatch):
    assert len(create_dataset(tree, "train", size=8)) == 3
    monkeypatch.setenv("HOME", str(tree.parent))
    assert len(create_dataset("~/own", "train", size=8)) == 3
    with pytest.raises(TypeError, match="int"):
        create_dataset(3, "train")


def test_archives_unpacked_into_folders_of_their_names(tmp_path):
    for split in ("training_set", "test_set"):
        for label in ("cats", "dogs"):
            image(tmp_path / "own" / split / split / label / "a.png")
    assert dataset(tmp_path / "own").classes == ("cats", "dogs")


def test_a_class_may_be_called_test(tmp_path):
    for split in ("train", "val"):
        for name in ("test", "exam"):
            image(tmp_path / "own" / split / name / "a.png")
    assert dataset(tmp_path / "own").classes == ("exam", "test")
    assert len(dataset(tmp_path / "own", "test")) == 2


def test_images_beside_the_splits_are_left_out_with_a_word(tree, capsys):
    image(tree / "more" / "x" / "b.png")
    assert len(dataset(tree)) == 3
    assert "skipped 1 images beside the folders train, val and test, first more/x/b.png" in (capsys.readouterr().err)


def test_images_in_a_split_without_class_folders_are_of_one_class(tmp_path):
    for split in ("train", "val"):
        image(tmp_path / "own" / split / "a.png")
    train, val = (dataset(tmp_path / "own", split) for split in ("train", "val"))
    assert train.classes == val.classes == ("any",)


# What is found


def test_linked_folders_are_followed_but_not_in_circles(tree, tmp_path, capsys):
    image(tmp_path / "disk" / "dog" / "1.png")
    (tree / "train" / "dog").symlink_to(tmp_path / "disk" / "dog", target_is_directory=True)
    (tree / "train" / "car" / "again").symlink_to(tree, target_is_directory=True)
    (tree / "train" / "car" / "x.jpg").symlink_to("y.jpg")
    (tree / "train" / "car" / "y.jpg").symlink_to("x.jpg")
    os.mkfifo(tree / "train" / "car" / "pipe.png")
    found = dataset(tree)
    assert (len(found), found.classes) == (4, ("apple", "bike", "car", "dog"))
    assert (
        "skipped 4 links, pipes, devices and paths that lead outside, first train/car/again"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize("tar", [False, True])
def test_content_decides_where_the_ending_says_nothing(tree, tmp_path, tar, capsys):
    place = tree / "train" / "car"
    kinds = {
        "b.jfif": "JPEG",
        "c.JPE": "JPEG",
        "d.jp2": "JPEG2000",
        "f.tga": "TGA",
        "g.dib": "DIB",
        "h.apng": "PNG",
        "scan0001": "TIFF",
        "i.dat": "WEBP",
    }
    for name, kind in kinds.items():
        Image.new("RGB", (20, 12), (200, 80, 40)).save(place / name, kind)
    (place / "notes.txt").write_text("BMW, P1 and II")
    path = tree
    if tar:
        path = tmp_path / "own.tar"
        with tarfile.open(path, "w") as file:
            file.add(tree, "own")
    assert len(dataset(path)) == 3 + len(kinds)
    assert capsys.readouterr().err == f"{path}: skipped 1 files that are not images, first train/car/notes.txt\n"


# Changes


def test_a_changed_folder_is_read_again(tree):
    before = dataset(tree)
    assert dataset(tree) is before
    image(tree / "train" / "car" / "b.png")
    assert len(dataset(tree)) == 4
    image(tree / "train" / "car" / "b.png", (0, 0, 255))
    assert dataset(tree).rgb[3, :, 0, 0].tolist() == [0, 0, 255]


def test_a_changed_tar_is_read_again(tree, tmp_path):
    archive = tmp_path / "own.tar"
    for color in ((0, 0, 255), (0, 255, 0)):
        image(tree / "train" / "car" / "b.png", color)
        with tarfile.open(archive, "w") as tar:
            tar.add(tree, "own")
        assert dataset(archive).rgb[3, :, 0, 0].tolist() == list(color)


def test_an_archive_rewritten_within_two_seconds_is_uncompressed_again(tmp_path):
    for number, color in enumerate(((0, 0, 255), (0, 255, 0))):
        image(tmp_path / "x" / "train" / "c" / "1.png", color)
        with tarfile.open(tmp_path / "x.tgz", "w:gz") as tar:
            tar.add(tmp_path / "x", "x")
        os.utime(tmp_path / "x.tgz", (1.7e9 + number, 1.7e9 + number))
        assert dataset(tmp_path / "x.tgz").rgb[0, :, 0, 0].tolist() == list(color)


# Files of all kinds


def test_sixteen_bits_keep_their_grays(tmp_path):
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    (tmp_path / "deep" / "train" / "any").mkdir(parents=True)
    Image.fromarray(ramp).save(tmp_path / "deep" / "train" / "any" / "ramp.png")
    rgb = dataset(tmp_path / "deep", size=64).rgb[0]
    np.testing.assert_array_equal(rgb[0].numpy(), (ramp / 257).round())


def test_unreadable_files_are_left_out_and_counted(tree, capsys):
    (tree / "train" / "car" / "broken.jpg").write_bytes(b"no image")
    assert len(dataset(tree)) == 3
    assert f"{tree}: skipped 1 unreadable files, first train/car/broken.jpg" in capsys.readouterr().err


def test_unreadable_files_fail_on_request(tree):
    (tree / "train" / "car" / "broken.jpg").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"train/car/broken\.jpg cannot be read: .*; remove it, or skip"):
        dataset(tree, unreadable="fail")


def test_hidden_files_are_left_out(tree, tmp_path, capsys):
    (tree / "train" / "car" / "._a.png").write_bytes(b"what macOS leaves behind")
    image(tree / ".trash" / "train" / "a.png")
    with tarfile.open(tmp_path / "own.tar", "w") as tar:
        tar.add(tree, "own")
    assert len(dataset(tree)) == len(dataset(tmp_path / "own.tar")) == 3
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("missing", ["nowhere/at/all", "./empty"])
def test_no_images_is_one_sentence(tmp_path, monkeypatch, missing):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"nowhere|empty"):
        create_dataset(missing, "train")


# Evaluations of what people have


def test_hidden_files_are_no_images_of_an_evaluation_set(tmp_path):
    image(tmp_path / "original" / "test" / "cat" / "part1" / "img-0000.png")
    (tmp_path / "original" / "test" / "cat" / "part1" / "._img-0000.png").write_bytes(b"what macOS leaves behind")
    (folder,) = open_folders(tmp_path, ["original"])
    assert [label_of(name) for name in folder.names] == ["cat/part1"]


def test_classes_in_folders_of_folders_are_named_by_their_path(tree):
    image(tree / "val" / "deep" / "er" / "1.png")
    found = dataset(tree, "val")
    names = name_images(found, found.batches(9)).names
    assert names == ["bike/img-0000.png", "car/img-0001.png", "deep/er/img-0002.png"]


def test_a_score_stands_beside_the_class_of_the_image_that_was_scored(tmp_path):
    for label, color in (("a", (230, 30, 30)), ("b", (120, 120, 120))):
        for number in range(3):
            image(tmp_path / "set" / "train" / label / f"{number}.png", color, (120, 110))
    (tmp_path / "set" / "train" / "a" / "2.png").write_bytes(b"cut")
    table = compare({"gray": gray()}, dataset(tmp_path / "set", size=96))
    assert ((table["mse"] < 1) == (table["label"] == "b")).all()


def test_differences_count_the_images_they_use():
    rows = [("gray", 0, 1.0), ("gray", 1, 2.0), ("gray", 2, 3.0), ("m", 0, 2.0), ("m", 1, 4.0), ("m", 2, np.inf)]
    assert differences(pd.DataFrame(rows, columns=["model", "image", "psnr"]), "psnr")["n"].tolist() == [2]


def test_a_strip_keeps_to_the_working_size():
    seen = []

    class Spy(ConstantColor):
        def forward(self, lightness):
            seen.append(lightness.shape[-2:])
            return super().forward(lightness)

    for shape in ((1, 100_000), (100_000, 1), (3, 50_000)):
        colorize(np.zeros(shape, np.uint8), Spy(), size=64)
    assert all(max(shape) <= 64**2 for shape in seen)


def test_a_new_run_removes_only_what_a_run_wrote(tmp_path, capsys):
    (tmp_path / "epochs").mkdir()
    for name in ("best.safetensors", "favorite.safetensors", "epochs/001.png", "epochs/mine.png", "checkpoint.pt"):
        (tmp_path / name).touch()
    Run._clear(SimpleNamespace(options=SimpleNamespace(resume=False, folder=tmp_path)))
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["favorite.safetensors", "mine.png"]
    assert "replacing the weights of an earlier run" in capsys.readouterr().err


def test_a_damaged_archive_of_cifar_is_named(tmp_path, monkeypatch):
    def no_network(*_, **__):
        raise URLError("no network")

    monkeypatch.setattr("torchvision.datasets.cifar.download_and_extract_archive", no_network)
    archive = tmp_path / "cifar10" / "cifar-10-python.tar.gz"
    archive.parent.mkdir()
    archive.write_bytes(b"\x1f\x8b\x08cut")
    with pytest.raises(ValueError, match=r"cifar-10-python\.tar\.gz is damaged or truncated"):
        create_dataset("cifar10", "train", root=tmp_path)
