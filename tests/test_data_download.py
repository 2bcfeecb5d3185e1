"""Downloads, against a server of our own: gone on with, checked, whole or not there."""

import hashlib
import os
import re
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from colorlab.data import download
from colorlab.data.download import SOURCES, DownloadOptions, Source, fetch, run_download

CONTENT = os.urandom(300_000)
MD5 = hashlib.md5(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """A server of one file, which can break off, change it, know no ranges, refuse, or lead elsewhere."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.tag = CONTENT, '"first"'
        self.ranges, self.length = True, True
        self.break_offs = []  # bytes to send in each of the next answers
        self.status, self.location = 200, None
        self.asked = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/archive.tar"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        wanted = self.headers.get("Range")
        server.asked.append(wanted)
        if server.location and self.path == "/archive.tar":
            self.send_response(302)
            self.send_header("Location", server.location)
            self.end_headers()
            return
        if server.status != 200:
            self.send_error(server.status)
            return
        start = 0
        if wanted and server.ranges and self.headers.get("If-Range") == server.tag:
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
            if start >= len(server.content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(server.content)}")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        else:
            self.send_response(200)
        if server.tag:
            self.send_header("ETag", server.tag)
        body = server.content[start:]
        if server.length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: server.break_offs.pop(0)] if server.break_offs else body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download, "_PAUSE", 0)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "data" / "archive.tar"


def names(target):
    return sorted(path.name for path in target.parent.iterdir())


def test_a_file_is_downloaded_once(server, target):
    assert fetch(server.url, target, md5=MD5) == target
    assert target.read_bytes() == CONTENT
    fetch(server.url, target, md5=MD5)
    assert server.asked == [None]
    assert names(target) == ["archive.tar"]


def test_what_is_cut_off_is_gone_on_with(server, target, capsys):
    server.break_offs = [100_000, 50_000]
    fetch(server.url, target, md5=MD5)
    assert target.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=100000-", "bytes=150000-"]
    assert "interrupted" in capsys.readouterr().err
    assert names(target) == ["archive.tar"]


def test_another_run_goes_on_where_the_last_one_ended(server, target):
    server.break_offs = [1000] * download._ATTEMPTS
    with pytest.raises(ValueError, match=r"cannot be downloaded to .* run the same command again to resume"):
        fetch(server.url, target)
    assert names(target) == ["archive.tar.part", "archive.tar.part.version"]
    server.asked.clear()
    fetch(server.url, target, md5=MD5)
    assert server.asked == [f"bytes={1000 * download._ATTEMPTS}-"]
    assert names(target) == ["archive.tar"]


@pytest.mark.parametrize("change", ["file", "ranges", "tag", "damaged version"])
def test_halves_of_different_files_are_not_put_together(server, target, change):
    if change == "tag":
        server.tag = None
    server.break_offs = [1000] * download._ATTEMPTS
    with pytest.raises(ValueError, match="cannot be downloaded"):
        fetch(server.url, target)
    if change == "file":
        server.content, server.tag = CONTENT[::-1], '"second"'
    elif change == "ranges":
        server.ranges = False
    elif change == "damaged version":
        target.with_name("archive.tar.part.version").write_text("something else")
    fetch(server.url, target)
    assert target.read_bytes() == server.content


def test_a_download_that_only_lacks_its_name_gets_it(server, target):
    target.parent.mkdir()
    target.with_name("archive.tar.part").write_bytes(CONTENT)
    target.with_name("archive.tar.part.version").write_text(server.tag)
    fetch(server.url, target, md5=MD5)
    assert target.read_bytes() == CONTENT


def test_a_part_that_is_too_long_is_begun_anew(server, target):
    target.parent.mkdir()
    target.with_name("archive.tar.part").write_bytes(CONTENT + b"more")
    target.with_name("archive.tar.part.version").write_text(server.tag)
    fetch(server.url, target)
    assert target.read_bytes() == CONTENT


def test_a_wrong_checksum_is_not_kept(server, target):
    with pytest.raises(ValueError, match=f"has the MD5 {MD5}, not 0000; it was removed: try again"):
        fetch(server.url, target, md5="0000")
    assert "archive.tar" not in names(target)
    assert "archive.tar.part" not in names(target)
    fetch(server.url, target, md5=MD5)


def test_a_full_disk_is_known_before(server, target, monkeypatch):
    usage = shutil.disk_usage("/")._replace(free=2**30 + 299_999)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ValueError, match=r"GB of free disk, and 1\.1 GB are needed"):
        fetch(server.url, target)
    assert names(target) == []
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=2**30 + 300_000))
    fetch(server.url, target)


def test_a_refusal_is_not_asked_again(server, target):
    server.status = 404
    with pytest.raises(ValueError, match="HTTP Error 404"):
        fetch(server.url, target)
    assert len(server.asked) == 1
    server.status = 503
    with pytest.raises(ValueError, match="HTTP Error 503"):
        fetch(server.url, target)
    assert len(server.asked) == 1 + download._ATTEMPTS


def test_a_server_that_is_not_there_is_one_sentence(server, target):
    port = server.server_port
    with pytest.raises(ValueError, match="cannot be downloaded") as refused:
        fetch(f"http://127.0.0.1:{port + 1 if port < 65535 else port - 1}/archive.tar", target)
    assert "\n" not in str(refused.value)


def test_an_answer_without_a_length_is_refused(server, target):
    server.length = False
    with pytest.raises(ValueError, match="does not say how large it is"):
        fetch(server.url, target)


def test_redirects_stay_on_the_host(server, target):
    server.location = f"http://127.0.0.1:{server.server_port}/moved.tar"
    fetch(server.url, target, md5=MD5)
    target.unlink()
    for elsewhere in ("http://localhost:1/archive.tar", "ftp://127.0.0.1/archive.tar", "file:///etc/passwd"):
        server.location = elsewhere
        with pytest.raises(ValueError, match=r"redirects to .*, which is another host or not secure|not allowed"):
            fetch(server.url, target)
    assert names(target) == []


def test_a_folder_that_cannot_be_written_is_one_sentence(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"cannot be downloaded to .*file"):
        fetch(server.url, tmp_path / "file" / "archive.tar")
    assert server.asked == []


# By name


def test_a_data_set_is_downloaded_by_name(server, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(SOURCES, "places205", Source("places205", server.url, "300 kB", MD5))
    assert run_download(DownloadOptions(name="places205", dataset_root_path=tmp_path)) == 0
    assert (tmp_path / "archive.tar").read_bytes() == CONTENT
    assert f"places205 is in {tmp_path / 'archive.tar'}" in capsys.readouterr().out


def test_places100_is_the_download_of_places365():
    assert SOURCES["places100"] is SOURCES["places365"]
    assert SOURCES["places365"].file == "places365standard_easyformat.tar"


def test_cifar10_is_left_to_torchvision(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("colorlab.data.cifar.cifar10", lambda root, split, size: asked.append((root, split)))
    assert download.download("cifar10", tmp_path) == tmp_path / "cifar10"
    assert asked == [(tmp_path, "train"), (tmp_path, "test")]


def test_what_needs_no_download_says_so():
    with pytest.raises(
        ValueError, match="'placeholder' is not a dataset to download; choose from cifar10, places365"
    ):
        download.download("placeholder")
