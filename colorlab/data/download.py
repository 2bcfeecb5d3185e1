"""Download datasets on request, and resume interrupted downloads.

An archive is called ``<name>.part`` until it is complete. It is not unpacked; datasets are read from it
(:mod:`colorlab.data.archive`).
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Any, Literal

import tyro
from tqdm.auto import tqdm

from colorlab.data.archive import check_room

_ATTEMPTS = 5
_PAUSE = 5.0  # seconds between two attempts
_TIMEOUT = 60.0
_CHUNK = 2**20


@dataclass(frozen=True)
class Source:
    """Describe where a dataset is downloaded from.

    Attributes:
        dataset: name of the dataset.
        url: address of the archive.
        size: download size, in words.
        md5: published checksum; ``None`` if there is none. Then only the length of a download is checked.
    """

    dataset: str
    url: str
    size: str
    md5: str | None = None

    @property
    def file(self) -> str:
        """Return the archive's file name."""
        return self.url.rpartition("/")[2]


# Neither archive has a published checksum. (67e186b4…, often given for the first, belongs to the full-size images,
# train_large_places365standard.tar; torchvision.datasets.Places365 has the list.)
_PLACES365 = Source(
    "places365", "http://data.csail.mit.edu/places/places365/places365standard_easyformat.tar", "about 21 GB"
)
SOURCES = {
    "places365": _PLACES365,
    "places100": _PLACES365,
    "places205": Source(
        "places205", "http://data.csail.mit.edu/places/places205/testSetPlaces205_resize.tar.gz", "2.3 GB"
    ),
}
"""Dataset name → its source; torchvision downloads `cifar10`."""


@dataclass(frozen=True, kw_only=True)
class DownloadOptions:
    """Download a dataset, or resume its download."""

    name: Annotated[Literal["cifar10", "places100", "places205", "places365"], tyro.conf.Positional]
    """places365 and places100 share one download of about 21 GB; places205 has 2.3 GB, cifar10 170 MB."""
    dataset_root_path: Path = Path("data")
    """Folder of the datasets."""


def run_download(options: DownloadOptions) -> int:
    """Download a dataset, print its path and return the exit status 0."""
    print(f"{options.name} is in {download(options.name, options.dataset_root_path)}")
    return 0


def download(name: str, root: str | Path = "data") -> Path:
    """Download a dataset, unless it exists already.

    Returns:
        The path of the archive, or of CIFAR-10's folder.

    Raises:
        ValueError: the name is unknown, the disk is too full, the server cannot be reached or redirects to another
            host, or the checksum is wrong.
    """
    root = Path(root)
    if name == "cifar10":
        from colorlab.data.cifar import cifar10

        for split in ("train", "test"):
            cifar10(root, split, 32)
        return root / "cifar10"
    if name not in SOURCES:
        raise ValueError(f"{name!r} is not a dataset to download; choose from cifar10, {', '.join(SOURCES)}")
    source = SOURCES[name]
    return fetch(source.url, root / source.file, md5=source.md5)


def fetch(url: str, target: Path, *, md5: str | None = None) -> Path:
    """Download one file with a progress bar and return its path.

    An interrupted download is resumed if the server still has the same file and supports ranges.

    Args:
        url: http or https address of the file.
        target: path on disk; if it exists, nothing is downloaded.
        md5: checksum, if known.

    Raises:
        ValueError: see :func:`download`.
    """
    if target.exists():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = _PartialDownload(target)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                part.fetch(url)
                break
            except (http.client.HTTPException, OSError) as error:
                if attempt == _ATTEMPTS or not _is_retryable(error):
                    raise
                print(f"the download of {url} was interrupted ({error}); trying again", file=sys.stderr)
                time.sleep(_PAUSE)
    except (http.client.HTTPException, OSError) as error:
        raise ValueError(
            f"{url} cannot be downloaded to {target} ({error}); run the same command again to resume"
        ) from error
    part.finish(md5)
    return target


def _is_retryable(error: Exception) -> bool:
    """Tell whether a retry may succeed: not after an HTTP status below 500 or a file error on the local disk."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code >= 500
    return getattr(error, "filename", None) is None


class _PartialDownload:
    """Write an unfinished download: the bytes so far, and the server's version tag in a file beside them."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(target.name + ".part")
        self.version = target.with_name(target.name + ".part.version")

    def fetch(self, url: str) -> None:
        """Download the missing bytes."""
        have = self.path.stat().st_size if self.path.exists() and self.version.exists() else 0
        headers = {"User-Agent": "colorlab"}
        if have:
            headers |= {"Range": f"bytes={have}-", "If-Range": self.version.read_text(encoding="utf-8")}
        opener = urllib.request.build_opener(_SameHost())
        try:
            answer = opener.open(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT)
        except urllib.error.HTTPError as error:
            if error.code != 416 or not have:
                raise
            # No bytes are left: the download is complete, or the server has another file now.
            if error.headers.get("Content-Range") != f"bytes */{have}":
                self.path.unlink()
                self.fetch(url)
            return
        with answer:
            if not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
                have = 0
            self._write(answer, have)

    def _write(self, answer: Any, have: int) -> None:  # noqa: ANN401  urllib's answer, of no public type
        length = answer.headers.get("Content-Length")
        if length is None:
            raise ValueError(f"{answer.url} does not say how large it is, so a truncated download would go unnoticed")
        check_room(self.path.parent, int(length))
        if have == 0:
            self.path.unlink(missing_ok=True)
            # A weak ETag does not guarantee identical bytes.
            tag = answer.headers.get("ETag", "")
            version = tag if tag.startswith('"') else answer.headers.get("Last-Modified")
            self.version.unlink(missing_ok=True)
            if version:
                self.version.write_text(version, encoding="utf-8")
        total = have + int(length)
        with (
            open(self.path, "ab") as file,
            tqdm(total=total, initial=have, unit="B", unit_scale=True, desc=self.target.name, disable=None) as bar,
        ):
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
        if self.path.stat().st_size != total:
            raise http.client.IncompleteRead(b"", total - self.path.stat().st_size)

    def finish(self, md5: str | None) -> None:
        """Verify the complete file and give it its final name."""
        if md5 is not None:
            with open(self.path, "rb") as file:
                found = hashlib.file_digest(file, "md5").hexdigest()
            if found != md5:
                self.path.unlink()
                raise ValueError(
                    f"the download of {self.target} has the MD5 {found}, not {md5}; it was removed: try again"
                )
        os.replace(self.path, self.target)
        with contextlib.suppress(OSError):
            self.version.unlink()


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follow redirects to another path, or from http to https, but to no other host."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        before, after = urllib.parse.urlsplit(req.full_url), urllib.parse.urlsplit(newurl)
        safe = after.scheme == "https" or after.scheme == before.scheme == "http"
        if before.hostname != after.hostname or not safe:
            raise ValueError(
                f"{req.full_url} redirects to {newurl}, which is another host or not secure; it was not followed"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)
