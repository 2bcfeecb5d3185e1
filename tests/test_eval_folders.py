"""The evaluation set on disk: its layout, what it remembers, and that no folder is compared with what it does not match."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from colorlab.data import ImageDataset, create_loader
from colorlab.evaluation.folders import Writer, label_of, name_images, open_folders, read_batches

CLASSES = ("abbey", "zen garden")


def dataset(count=7, size=8, seed=0, classes=CLASSES):
    rgb = torch.randint(256, (count, 3, size, size), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    return ImageDataset(rgb, torch.arange(count) % len(classes), classes)


def named(images, batch_size=100):
    return name_images(images, create_loader(images, batch_size)[0])


def write(root, kind="original", images=None, render=lambda rgb: rgb, **facts):
    """A folder as eval-gen writes it."""
    images = dataset() if images is None else images
    names, sha256 = named(images)
    writer = Writer(Path(root) / kind, {"count": len(names), "images_sha256": sha256, **facts}, render)
    lacking = writer.start(names)
    assert writer.write(names, images.rgb) == lacking
    return writer


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


# ---- the layout


def test_names_are_the_seeds_numbered_through_all_classes():
    names, _ = named(dataset(), batch_size=3)
    assert names[:3] == ["abbey/img-0000.png", "zen garden/img-0001.png", "abbey/img-0002.png"]
    assert len(set(names)) == 7
    assert [label_of(name) for name in names] == [CLASSES[i % 2] for i in range(7)]


def test_numbers_sort_however_many_they_are():
    names, _ = named(dataset(count=10_001, size=1, classes=("all",)), batch_size=5000)
    assert names == sorted(names)
    assert names[-1] == "all/img-10000.png"


def test_without_classes_the_images_lie_in_test_itself(tmp_path):
    write(tmp_path, images=dataset(count=2, classes=("",)))
    assert files(tmp_path / "original") == ["manifest.json", "test/img-0000.png", "test/img-0001.png"]
    (folder,) = open_folders(tmp_path, ["original"])
    assert [label_of(name) for name in folder.names] == ["", ""]


@pytest.mark.parametrize("name", ["..", "a/../b", "/etc", "a//b"])
def test_a_class_cannot_lead_out_of_the_folder(name):
    with pytest.raises(ValueError, match="cannot be a folder's name"):
        named(dataset(classes=("fine", name)))


def test_what_identifies_images_are_pixels_order_and_classes():
    shas = [
        named(d).sha256
        for d in (dataset(), dataset(seed=1), dataset(count=6), dataset(classes=("abbey", "zen_garden")))
    ]
    assert len(set(shas)) == 4
    assert named(dataset(), batch_size=2).sha256 == shas[0]
    expected = hashlib.sha256(dataset().rgb.numpy().tobytes() + "\n".join(named(dataset()).names).encode())
    assert shas[0] == expected.hexdigest()


# ---- writing


def test_what_is_read_is_what_was_made_to_the_bit(tmp_path):
    write(tmp_path)
    (folder,) = open_folders(tmp_path, ["original"])
    order = {name: number for number, name in enumerate(named(dataset()).names)}
    seen = []
    for names, (rgb,) in read_batches([folder], 3):
        assert len(names) <= 3
        assert torch.equal(rgb, dataset().rgb[[order[name] for name in names]])
        seen += names
    assert sorted(seen) == sorted(order)
    with Image.open(tmp_path / "original/test/abbey/img-0000.png") as image:
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", (8, 8))


def test_the_manifest_keeps_the_facts_and_the_versions(tmp_path):
    write(tmp_path, weights="best.safetensors", weights_sha256="ab")
    manifest = json.loads((tmp_path / "original/manifest.json").read_text())
    assert (manifest["count"], manifest["weights"], manifest["weights_sha256"]) == (7, "best.safetensors", "ab")
    assert manifest["versions"]["torch"] == str(torch.__version__)
    assert manifest["versions"].keys() == {"colorlab", "torch", "pillow"}


def test_only_what_is_missing_is_written_and_the_rest_not_touched(tmp_path):
    write(tmp_path)
    test = tmp_path / "original/test"
    before = {name: (test / name).read_bytes() for name in files(test)}
    gone = ["abbey/img-0002.png", "zen garden/img-0005.png"]
    for name in gone:
        (test / name).unlink()
    (test / "abbey/img-0000.png").write_bytes(b"mark")
    names, sha256 = named(dataset())
    rendered = []
    again = Writer(tmp_path / "original", {"images_sha256": sha256}, lambda rgb: rendered.append(len(rgb)) or rgb)
    assert again.start(names) == 2
    assert [again.write(names[i : i + 2], dataset().rgb[i : i + 2]) for i in range(0, 7, 2)] == [0, 1, 1, 0]
    assert rendered == [2, 2]  # whole batches, as before; not a third and fourth
    assert {name: (test / name).read_bytes() for name in files(test)} == {**before, "abbey/img-0000.png": b"mark"}


def test_a_image_is_whole_or_not_there(tmp_path, monkeypatch):
    save = Image.Image.save

    def cut_off(self, path, **keywords):
        save(self, path, **keywords)
        Path(path).write_bytes(Path(path).read_bytes()[:40])
        raise KeyboardInterrupt

    monkeypatch.setattr(Image.Image, "save", cut_off)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path)
    monkeypatch.undo()
    assert [name for name in files(tmp_path / "original") if name.endswith(".png")] == []
    write(tmp_path)
    straight = tmp_path / "straight"
    write(straight)
    assert files(tmp_path / "original") == files(straight / "original")


@pytest.mark.parametrize(
    ("second", "named"),
    [
        ({"images": dataset(seed=1)}, "other images"),
        ({"images": dataset(size=16)}, "other images"),
        ({"weights_sha256": "cd"}, "other weights"),
    ],
)
def test_a_folder_is_not_gone_on_with_from_something_else(tmp_path, second, named):
    write(tmp_path, **{"weights_sha256": "ab"})
    before = (tmp_path / "original/manifest.json").read_text()
    with pytest.raises(ValueError, match=rf"original was made from {named}.*remove"):
        write(tmp_path, **{"weights_sha256": "ab", **second})
    assert (tmp_path / "original/manifest.json").read_text() == before


def test_the_same_weights_may_lie_elsewhere(tmp_path):
    write(tmp_path, weights="a.safetensors", weights_sha256="ab")
    write(tmp_path, weights="b.safetensors", weights_sha256="ab")


def test_other_versions_do_not_finish_what_these_began(tmp_path):
    write(tmp_path)
    path = tmp_path / "original/manifest.json"
    manifest = json.loads(path.read_text())
    manifest["versions"]["torch"] = "1.0.1"
    path.write_text(json.dumps(manifest))
    write(tmp_path)  # complete: nothing to do
    (tmp_path / "original/test/abbey/img-0000.png").unlink()
    with pytest.raises(ValueError, match=r"original was started with .*1\.0\.1.*remove"):
        write(tmp_path)


def test_images_without_a_manifest_are_left_alone(tmp_path):
    write(tmp_path)
    (tmp_path / "original/manifest.json").unlink()
    before = files(tmp_path)
    with pytest.raises(ValueError, match=r"did not write \(no manifest\); remove"):
        write(tmp_path)
    assert files(tmp_path) == before


def test_a_damaged_manifest_is_named(tmp_path):
    write(tmp_path)
    for text in ("{", "[]"):
        (tmp_path / "original/manifest.json").write_text(text)
        with pytest.raises(ValueError, match=r"original/manifest\.json is damaged; remove"):
            write(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "eval").write_text("a file")
    with pytest.raises(ValueError, match=r"the folder .*eval/original cannot be created: "):
        write(tmp_path / "eval")


# ---- reading pairs


@pytest.fixture
def pair(tmp_path):
    """An original and a result of it, which match."""
    write(tmp_path)
    write(tmp_path, "resnet", render=lambda rgb: 255 - rgb, weights_sha256="ab")
    return tmp_path


def opened(root):
    return open_folders(root, ["original", "resnet"])


def test_pairs_are_read_together(pair):
    for _, (original, result) in read_batches(opened(pair), 4):
        assert torch.equal(original, 255 - result)


def spoil_missing(test):
    (test / "abbey/img-0004.png").unlink()
    shutil.rmtree(test / "zen garden")


def spoil_extra(test):
    (test / "cloister").mkdir()
    shutil.copy(test / "abbey/img-0000.png", test / "cloister/img-0000.png")


def spoil_size(test):
    Image.new("RGB", (8, 16)).save(test / "abbey/img-0002.png")


def spoil_content(test):
    (test / "abbey/img-0002.png").write_bytes(b"no image")
    (test / "abbey/img-0004.png").write_bytes(b"")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            spoil_missing,
            "4 missing (abbey/img-0004.png, zen garden/img-0001.png, zen garden/img-0003.png, …)",
        ),
        (spoil_extra, "1 extra (cloister/img-0000.png)"),
        (spoil_size, "1 of another size (abbey/img-0002.png)"),
        (spoil_content, "2 unreadable (abbey/img-0002.png, abbey/img-0004.png)"),
    ],
)
def test_a_folder_that_does_not_match_is_an_error_that_lists_the_differences(pair, spoil, said):
    spoil(pair / "resnet/test")
    with pytest.raises(ValueError, match="does not match") as caught:
        opened(pair)
    assert f"{pair}/resnet does not match {pair}/original: {said}. " in str(caught.value)


def test_all_kinds_of_differences_are_in_one_error(pair):
    for spoil in (spoil_size, spoil_extra, spoil_missing):
        spoil(pair / "resnet/test")
    with pytest.raises(ValueError, match=r"4 missing .*; 1 extra .*; 1 of another size"):
        opened(pair)


def test_an_original_of_several_sizes_is_no_original(pair):
    spoil_size(pair / "original/test")
    with pytest.raises(ValueError, match=r"original is not of one size: 1 of another size \(abbey/img-0002\.png\)"):
        opened(pair)


def test_an_unfinished_original_is_told_by_its_manifest(pair):
    for kind in ("original", "resnet"):
        (pair / kind / "test/abbey/img-0004.png").unlink()
    with pytest.raises(ValueError, match=r"original holds 6 images, but its manifest says 7; run eval-gen again"):
        opened(pair)


def test_images_of_another_origin_are_not_compared(pair):
    shutil.rmtree(pair / "resnet")
    write(pair, "resnet", dataset(seed=1))
    with pytest.raises(ValueError, match=r"resnet was made from other images than .*original"):
        opened(pair)


def test_images_from_elsewhere_are_compared_by_name(pair):
    (pair / "resnet/manifest.json").unlink()
    (pair / "resnet/test/Thumbs.db").write_text("by a file manager")
    assert [folder.manifest.get("count") for folder in opened(pair)] == [7, None]


@pytest.mark.parametrize("kind", ["original", "resnet"])
def test_a_folder_that_is_not_there_is_named(pair, kind):
    shutil.rmtree(pair / kind)
    with pytest.raises(ValueError, match=rf"there are no images in .*/{kind}/test; write them with eval-gen"):
        opened(pair)


def test_damage_that_only_the_pixels_show_is_named(pair):
    path = pair / "resnet/test/abbey/img-0002.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ValueError, match=r"img-0002\.png"):
        list(read_batches(opened(pair), 4))


def test_more_than_8_bits_are_refused(pair):
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(pair / "resnet/test/abbey/img-0002.png")
    with pytest.raises(ValueError, match="8 bits"):
        list(read_batches(opened(pair), 4))
