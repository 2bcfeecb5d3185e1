"""An own folder of pictures, or a tar of one, as a data set."""

import tarfile

import numpy as np
import pytest
from PIL import Image

from colorlab.data import create_dataset
from colorlab.data.files import picture_files


def picture(path, colour=(200, 80, 40), size=(20, 12)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


@pytest.fixture
def tree(tmp_path):
    """Class apple has no validation pictures."""
    root = tmp_path / "own"
    for split, classes in {"train": ("apple", "bike", "car"), "val": ("bike", "car")}.items():
        for name in classes:
            picture(root / split / name / "a.png")
    return root


def test_a_class_has_the_same_index_in_every_split(tree):
    train, val = (picture_files(tree, split, 8) for split in ("train", "val"))
    assert train.classes == val.classes == ("apple", "bike", "car")
    assert train.labels.tolist() == [0, 1, 2]
    assert val.labels.tolist() == [1, 2]


def test_val_serves_as_test_where_there_is_none(tree):
    assert len(picture_files(tree, "test", 8)) == len(picture_files(tree, "val", 8)) == 2


def test_a_tar_gives_what_its_folder_gives(tree, tmp_path):
    archive = tmp_path / "own.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(tree, "own")
        link = tarfile.TarInfo("own/train/apple/link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(link)
    folder, packed = picture_files(tree, "train", 8), picture_files(archive, "train", 8)
    assert (folder.rgb == packed.rgb).all()
    assert packed.classes == folder.classes


def test_pictures_alone_are_divided_by_name(tmp_path):
    for i in range(60):
        picture(tmp_path / "loose" / f"{i}.png")
    sizes = [len(create_dataset(str(tmp_path / "loose"), split, size=4)) for split in ("train", "val", "test")]
    assert sum(sizes) == 60
    assert sizes[0] > 30 > sizes[1]


def test_sixteen_bits_keep_their_greys(tmp_path):
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    (tmp_path / "deep" / "train" / "any").mkdir(parents=True)
    Image.fromarray(ramp).save(tmp_path / "deep" / "train" / "any" / "ramp.png")
    rgb = picture_files(tmp_path / "deep", "train", 64).rgb[0]
    np.testing.assert_array_equal(rgb[0].numpy(), (ramp / 257).round())


def test_unreadable_files_are_left_out_and_counted(tree, capsys):
    (tree / "train" / "car" / "broken.jpg").write_bytes(b"no picture")
    assert len(picture_files(tree, "train", 9)) == 3
    assert "left out 1 unreadable files" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["nowhere/at/all", "./empty"])
def test_no_pictures_is_one_sentence(tmp_path, monkeypatch, missing):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"nowhere|empty"):
        create_dataset(missing, "train")
