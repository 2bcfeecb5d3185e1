"""An own folder of pictures, or a tar of one, as a data set."""

import shutil
import tarfile

import numpy as np
import pytest
from PIL import Image

from colorlab.data import create_dataset


def picture(path, colour=(200, 80, 40), size=(20, 12)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


def dataset(path, split="train", size=8, **others):
    return create_dataset(str(path), split, size=size, **others)


@pytest.fixture
def tree(tmp_path):
    """Class apple has no validation pictures."""
    root = tmp_path / "own"
    for split, classes in {"train": ("apple", "bike", "car"), "val": ("bike", "car")}.items():
        for name in classes:
            picture(root / split / name / "a.png")
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
def test_pictures_alone_are_divided_by_name(tmp_path, inside):
    for i in range(60):
        picture(tmp_path / "loose" / f"{i}.png")
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


def test_folders_called_test_deeper_down_are_no_split(tmp_path):
    for i in range(40):
        picture(tmp_path / "own" / "holidays" / "test" / f"{i}.png")
        picture(tmp_path / "own" / "garden" / f"{i}.png")
    sizes = [len(dataset(tmp_path / "own", split)) for split in ("train", "val", "test")]
    assert sum(sizes) == 80
    assert sizes[0] > 48
    assert dataset(tmp_path / "own").classes == ("garden", "test")


def test_a_class_may_be_called_test(tmp_path):
    for split in ("train", "val"):
        for name in ("test", "exam"):
            picture(tmp_path / "own" / split / name / "a.png")
    assert dataset(tmp_path / "own").classes == ("exam", "test")
    assert len(dataset(tmp_path / "own", "test")) == 2


def test_pictures_beside_the_splits_are_left_out_with_a_word(tree, capsys):
    picture(tree / "more" / "x" / "b.png")
    assert len(dataset(tree)) == 3
    assert "left out 1 pictures that lie beside the folders train, val and test, first more/x/b.png" in (
        capsys.readouterr().err
    )


def test_pictures_in_a_split_without_class_folders_are_of_one_class(tmp_path):
    for split in ("train", "val"):
        picture(tmp_path / "own" / split / "a.png")
    train, val = (dataset(tmp_path / "own", split) for split in ("train", "val"))
    assert train.classes == val.classes == ("any",)


# Changes


def test_a_changed_folder_is_read_again(tree):
    before = dataset(tree)
    assert dataset(tree) is before
    picture(tree / "train" / "car" / "b.png")
    assert len(dataset(tree)) == 4
    picture(tree / "train" / "car" / "b.png", (0, 0, 255))
    assert dataset(tree).rgb[3, :, 0, 0].tolist() == [0, 0, 255]


def test_a_changed_tar_is_read_again(tree, tmp_path):
    archive = tmp_path / "own.tar"
    for colour in ((0, 0, 255), (0, 255, 0)):
        picture(tree / "train" / "car" / "b.png", colour)
        with tarfile.open(archive, "w") as tar:
            tar.add(tree, "own")
        assert dataset(archive).rgb[3, :, 0, 0].tolist() == list(colour)


# Files of all kinds


def test_sixteen_bits_keep_their_greys(tmp_path):
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    (tmp_path / "deep" / "train" / "any").mkdir(parents=True)
    Image.fromarray(ramp).save(tmp_path / "deep" / "train" / "any" / "ramp.png")
    rgb = dataset(tmp_path / "deep", size=64).rgb[0]
    np.testing.assert_array_equal(rgb[0].numpy(), (ramp / 257).round())


def test_unreadable_files_are_left_out_and_counted(tree, capsys):
    (tree / "train" / "car" / "broken.jpg").write_bytes(b"no picture")
    assert len(dataset(tree)) == 3
    assert f"{tree}: left out 1 unreadable files, first train/car/broken.jpg" in capsys.readouterr().err


def test_unreadable_files_fail_on_request(tree):
    (tree / "train" / "car" / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"train/car/broken\.jpg cannot be read: .*; remove it, or let"):
        dataset(tree, unreadable="fail")


def test_hidden_files_are_left_out(tree, tmp_path, capsys):
    (tree / "train" / "car" / "._a.png").write_bytes(b"what macOS leaves behind")
    picture(tree / ".trash" / "train" / "a.png")
    with tarfile.open(tmp_path / "own.tar", "w") as tar:
        tar.add(tree, "own")
    assert len(dataset(tree)) == len(dataset(tmp_path / "own.tar")) == 3
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("missing", ["nowhere/at/all", "./empty"])
def test_no_pictures_is_one_sentence(tmp_path, monkeypatch, missing):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"nowhere|empty"):
        create_dataset(missing, "train")
