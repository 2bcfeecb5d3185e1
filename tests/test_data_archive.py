"""Tars of images: read where they lie, by an index; what is hostile or damaged in them does no harm."""

import bz2
import gzip
import io
import lzma
import os
import pickle
import shutil
import subprocess
import sys
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Dataset

from colorlab.data import archive, create_dataset
from colorlab.data.archive import TarFiles

FORMATS = {"gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT, "ustar": tarfile.USTAR_FORMAT}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "colorlab"


def write_tar(path, contents, *, special=(), **options):
    """A tar of files (name → bytes) and members of other types (name, type, target)."""
    with tarfile.open(path, "w", **options) as tar:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for name, kind, target in special:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            tar.addfile(member)
    return path


def read_all(files):
    return {files.name(i): files.read(i) for i in range(len(files))}


CONTENTS = {"own/train/a/1.jpg": b"one", "own/train/b/2.PNG": b"two" * 500, "own/val/a/3.webp": b""}
INSIDE = {name.removeprefix("own/"): content for name, content in CONTENTS.items()}


@pytest.mark.parametrize("kind", FORMATS)
def test_files_are_found_by_name_and_read_in_any_order(tmp_path, kind):
    long = "train/" + "n" * 90 + "/" + "m" * 90 + ".jpg"
    umlaut = "train/Käse/Zürich.jpg"
    contents = {f"own/{name}": content for name, content in {**INSIDE, long: b"long", umlaut: b"umlaut"}.items()}
    files = TarFiles(write_tar(tmp_path / "own.tar", contents | {"own/notes.txt": b"no"}, format=FORMATS[kind]))
    assert read_all(files) == {**INSIDE, long: b"long", umlaut: b"umlaut"}
    assert files.read(1) == files.read(1)


@settings(max_examples=25)
@given(contents=st.dictionaries(st.text("abcäß .-_", min_size=1, max_size=150), st.binary(max_size=2000), max_size=8))
def test_it_holds_what_tarfile_says(tmp_path_factory, contents):
    path = tmp_path_factory.mktemp("tar") / "x.tar"
    write_tar(path, {f"x/-{name}.jpg": content for name, content in contents.items()})
    with tarfile.open(path) as tar:
        expected = {member.name.removeprefix("x/"): tar.extractfile(member).read() for member in tar}
    assert read_all(TarFiles(path)) == expected


def test_of_two_members_of_one_name_the_later_counts(tmp_path):
    path = write_tar(tmp_path / "own.tar", {"own/a.jpg": b"old", "own/b.jpg": b"other"})
    with tarfile.open(path, "a") as tar:
        member = tarfile.TarInfo("own/a.jpg")
        member.size = 3
        tar.addfile(member, io.BytesIO(b"new"))
    assert read_all(TarFiles(path)) == {"a.jpg": b"new", "b.jpg": b"other"}


# The index


def test_the_index_is_made_once_and_used_by_all(tmp_path, monkeypatch):
    path = write_tar(tmp_path / "own.tar", CONTENTS)
    first = TarFiles(path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["own.tar", "own.tar.index.npz"]
    monkeypatch.setattr(archive, "_read_index", None)
    again = TarFiles(path)
    assert read_all(again) == read_all(first) == INSIDE
    assert again == first
    assert hash(again) == hash(first)
    assert read_all(pickle.loads(pickle.dumps(again))) == INSIDE


def test_a_changed_archive_is_indexed_again(tmp_path):
    path = write_tar(tmp_path / "own.tar", CONTENTS)
    before = TarFiles(path)
    write_tar(path, CONTENTS | {"own/train/c/4.jpg": b"four"})
    assert read_all(TarFiles(path)) == INSIDE | {"train/c/4.jpg": b"four"}
    assert TarFiles(path) != before
    with pytest.raises(ValueError, match=r"own\.tar was changed while it was being read"):
        before.read(0)


@pytest.mark.parametrize("content", [b"", b"not an index", b"PK\x03\x04 cut short"])
def test_a_damaged_index_is_made_anew(tmp_path, content):
    path = write_tar(tmp_path / "own.tar", CONTENTS)
    TarFiles(path)
    (tmp_path / "own.tar.index.npz").write_bytes(content)
    assert read_all(TarFiles(path)) == INSIDE
    assert (tmp_path / "own.tar.index.npz").read_bytes() != content


def test_where_an_archive_cannot_be_written_beside_the_index_goes_to_the_cache(tmp_path, monkeypatch, cache):
    path = write_tar(tmp_path / "own.tar", CONTENTS)
    real = open

    def denying(file, mode="r", *more, **others):
        if "w" in mode and os.fspath(file).startswith(str(path)):
            raise PermissionError(13, "Permission denied", str(file))
        return real(file, mode, *more, **others)

    monkeypatch.setattr("builtins.open", denying)
    assert read_all(TarFiles(path)) == INSIDE
    (kept,) = cache.iterdir()
    assert kept.name.endswith("own.tar.index.npz")
    monkeypatch.setattr(archive, "_read_index", None)
    assert read_all(TarFiles(path)) == INSIDE


@pytest.mark.slow
def test_the_index_takes_little_memory(tmp_path):
    """Python's own bookkeeping while it is read, and what stays: far below the images' 80 MB."""
    with tarfile.open(tmp_path / "own.tar", "w") as tar:
        for number in range(4000):
            member = tarfile.TarInfo(f"own/train/class/{number:08d}.jpg")
            member.size = 20_000
            tar.addfile(member, io.BytesIO(bytes(20_000)))
    # In a process of its own: threads and first imports of other tests would be counted here.
    program = (
        "import sys, tracemalloc; from pathlib import Path; from colorlab.data.archive import TarFiles; tracemalloc.start();"
        "files = TarFiles(Path(sys.argv[1])); print(len(files), *tracemalloc.get_traced_memory())"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "own.tar")]
    count, kept, peak = map(int, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert count == 4000
    assert kept < 4000 * 100
    assert peak < 4000 * 1000


class Reads(Dataset):
    """What loader workers do."""

    def __init__(self, files):
        self.files = files

    def __getitem__(self, index):
        return self.files.read(index)


def test_many_workers_read_at_once(tmp_path):
    contents = {f"own/{i:03d}.jpg": bytes([i]) * (1000 + i) for i in range(100)}
    files = TarFiles(write_tar(tmp_path / "own.tar", contents))
    order = [i * 37 % 100 for i in range(300)]
    found = list(DataLoader(Reads(files), batch_size=None, sampler=order, num_workers=2))
    assert found == [bytes([i]) * (1000 + i) for i in order]


# Hostile and damaged archives


def test_what_leads_out_of_an_archive_is_left_out(tmp_path, capsys):
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    outside = {"/etc/a.jpg": b"1", "../b.jpg": b"2", "own/../../c.jpg": b"3", "own/" + "x" * 2000 + ".jpg": b"4"}
    special = [
        ("own/link.jpg", tarfile.SYMTYPE, str(tmp_path / "secret.jpg")),
        ("own/hard.jpg", tarfile.LNKTYPE, "../secret.jpg"),
        ("own/device.jpg", tarfile.CHRTYPE, ""),
        ("own/pipe.jpg", tarfile.FIFOTYPE, ""),
    ]
    path = write_tar(tmp_path / "own.tar", CONTENTS | outside, special=special)
    files = TarFiles(path)
    assert read_all(files) == INSIDE
    assert len(files.left_out) == 8
    assert read_all(TarFiles(path)) == INSIDE  # from the kept index
    assert not list(tmp_path.glob("**/c.jpg"))


@pytest.mark.parametrize("size", [100, 700, 1500, 2048])
def test_an_archive_cut_short_is_refused(tmp_path, size):
    path = write_tar(tmp_path / "own.tar", {"own/a.jpg": bytes(1000), "own/b.jpg": bytes(1000)})
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match=r"own\.tar is not a tar, or is damaged or truncated"):
        TarFiles(path)
    assert not (tmp_path / "own.tar.index.npz").exists()


def test_an_archive_damaged_in_the_middle_is_refused(tmp_path):
    path = write_tar(tmp_path / "own.tar", {f"own/{i}.jpg": bytes(1000) for i in range(9)})
    content = bytearray(path.read_bytes())
    content[3 * 1536 + 148 : 3 * 1536 + 156] = b"garbage!"  # the checksum of the fourth header
    path.write_bytes(content)
    with pytest.raises(ValueError, match="no header where one should be, at byte 4,608"):
        TarFiles(path)


@settings(max_examples=150)
@given(place=st.integers(0, 2047), byte=st.integers(0, 255))
def test_no_damaged_byte_leads_to_anything_but_a_sentence(tmp_path_factory, place, byte):
    path = write_tar(tmp_path_factory.mktemp("tar") / "own.tar", {"own/a.jpg": b"a", "own/b.jpg": b"b"})
    content = bytearray(path.read_bytes())
    content[place] = byte
    path.write_bytes(content)
    try:
        read_all(TarFiles(path))
    except ValueError as error:
        assert "own.tar" in str(error)  # noqa: PT017  either is fine


def test_what_is_no_tar_is_named(tmp_path):
    (tmp_path / "own.tar").write_bytes(b"PK\x03\x04" + bytes(10_000))
    with pytest.raises(ValueError, match=r"own\.tar is not a tar"):
        create_dataset(str(tmp_path / "own.tar"), "train")


# Compressed archives


@pytest.mark.parametrize("suffix", ["gz", "xz", "bz2"])
def test_a_compressed_archive_is_uncompressed_once(tmp_path, capsys, monkeypatch, suffix):
    path = write_tar(tmp_path / "own.tar", CONTENTS)
    packed = tmp_path / f"other.tar.{suffix}"
    compress = {"gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress}[suffix]
    packed.write_bytes(compress(path.read_bytes()))
    assert read_all(TarFiles(packed)) == INSIDE
    plain = tmp_path / f"{packed.name}.uncompressed.tar"
    assert plain.read_bytes() == path.read_bytes()
    assert f"{packed} is compressed: uncompressing it once, to {plain}" in capsys.readouterr().err

    assert read_all(TarFiles(packed)) == INSIDE
    assert capsys.readouterr().err == ""
    write_tar(path, {"own/new.jpg": b"new"})
    packed.write_bytes(compress(path.read_bytes()))
    os.utime(packed, (1, 1))
    assert read_all(TarFiles(packed)) == {"new.jpg": b"new"}


def test_a_compressed_archive_cut_short_leaves_nothing_behind(tmp_path):
    content = gzip.compress(write_tar(tmp_path / "own.tar", {"own/a.jpg": os.urandom(100_000)}).read_bytes())
    packed = tmp_path / "packed.tar.gz"
    packed.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"packed\.tar\.gz cannot be uncompressed"):
        TarFiles(packed)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["own.tar", "packed.tar.gz"]


@pytest.mark.parametrize("free", [[100], [2**34, 2**34, 100]], ids=["at once", "half-way"])
def test_a_full_disk_is_not_filled(tmp_path, monkeypatch, free):
    packed = tmp_path / "packed.tar.gz"
    packed.write_bytes(gzip.compress(write_tar(tmp_path / "own.tar", {"own/a.jpg": bytes(10_000)}).read_bytes()))
    monkeypatch.setattr(archive, "_CHUNK", 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(2**40, 0, free.pop(0)))
    with pytest.raises(ValueError, match=r"0\.0 GB of free disk"):
        TarFiles(packed)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["own.tar", "packed.tar.gz"]
