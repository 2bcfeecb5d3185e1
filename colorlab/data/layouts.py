"""Assign files to splits and classes by their names alone.

Every layout takes the names of all images and returns, for each split, the indices of its images with their classes.
"""

from __future__ import annotations

import hashlib
import re
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from typing import get_args

from colorlab.data.dataset import Split

Member = tuple[int, str]  # the index of a name, and its class
Splits = dict[Split, list[Member]]

SPLITS: tuple[Split, ...] = get_args(Split)
NO_CLASS = "any"
"""The class of images outside any class folder."""

PLACES100_SEED = 0


def own_folder(names: Sequence[str]) -> Splits:
    """Assign by folders ``{train,val,test}/<class>/<image>``, or else by a random split.

    The outermost folder whose name means a split decides. Upper and lower case, the usual synonyms
    (:data:`MEANINGS`), an added number or a word such as ``images`` are accepted, and any other addition that two
    splits share (``seg_train`` and ``seg_test``, ``trainA`` and ``testA``). Other folders above and below it do not
    matter. Images beside the split folders are skipped, with a message on standard error.

    Without such folders, a hash of its name assigns each image, 80 : 10 : 10, so an image keeps its split when other
    images are added or removed. An empty split gets one image of the largest split; of two images, one is train and
    one is val and test.

    The class is the path of the image's folder, below the split or below the folders that all images share.

    Raises:
        ValueError: there are folders that mean val or test, and images beside them, but no folder that means train.
    """
    splits = _split_folders(names)
    if splits is not None:
        return splits
    splits = _no_images()
    shares = [_hash(unicodedata.normalize("NFC", name)) for name in names]
    for index, label in enumerate(_classes(names)):
        share = shares[index][0] / 256
        split: Split = "train" if share < 0.8 else "val" if share < 0.9 else "test"
        splits[split].append((index, label))
    for split in SPLITS:
        largest = max(splits.values(), key=len)
        if not splits[split] and (len(largest) > 1 or split == "train"):
            nearest = (min if split == "train" else max)(largest, key=lambda member: shares[member[0]])
            largest.remove(nearest)
            splits[split].append(nearest)
    return splits


def places365(names: Sequence[str]) -> Splits:
    """Assign reduced Places365-Standard: per class, the first 100 training images *test*, the next 1,000 *train*.

    The official archive ``places365standard_easyformat.tar`` holds ``places365_standard/train/<class>/<image>``,
    3,068 to 5,000 images in each of 365 classes, and ``places365_standard/val/<class>/<image>``, 100 in each;
    256×256 JPEG. The official val is *val*. A copy with a folder ``test``, such as the original framework's, was
    reduced already and keeps its splits.

    Reference: Zhou, Lapedriza, Khosla, Oliva and Torralba, *Places: a 10 million image database for scene
    recognition*, doi:10.1109/TPAMI.2017.2723009.

    Raises:
        ValueError: there is no folder ``train``, or a class has too few images.
    """
    splits = _split_folders(names)
    if splits is None:
        raise ValueError("no folders train and val, which Places365 needs")
    if splits["test"] or not splits["train"]:
        return splits
    reduced: Splits = {"train": [], "val": splits["val"], "test": []}
    for name, members in _by_class(splits["train"], names).items():
        if len(members) <= 100:
            raise ValueError(
                f"only {len(members)} training images of the class {name}, but the first 100 become test images: "
                "Places365 is incomplete; a copy with a folder test keeps its splits"
            )
        reduced["test"] += members[:100]
        reduced["train"] += members[100:1100]
    return reduced


def places100(names: Sequence[str]) -> Splits:
    """Assign 100 classes of :func:`places365`: per class, the first 500 *train*, 50 *val* and 50 *test* images.

    The classes are those with the smallest SHA-256 of ``"<PLACES100_SEED> <class>"``: this draw depends neither on
    the version of a random generator nor on the order of the list.

    Raises:
        ValueError: there are fewer than 100 classes.
    """
    splits = places365(names)
    classes = {name for members in splits.values() for _, name in members}
    if len(classes) < 100:
        raise ValueError(f"{len(classes)} classes, of which places100 needs 100")
    drawn = set(sorted(classes, key=lambda name: _hash(f"{PLACES100_SEED} {name}"))[:100])
    counts: dict[Split, int] = {"train": 500, "val": 50, "test": 50}
    chosen = _no_images()
    for split, members in splits.items():
        by_class = _by_class([member for member in members if member[1] in drawn], names)
        chosen[split] = [member for group in by_class.values() for member in group[: counts[split]]]
    return chosen


def places205(names: Sequence[str]) -> Splits:
    """Assign the test set of Places205, which has no classes: 1,000 images *val*, the rest *train*.

    The official ``testSetPlaces205_resize.tar.gz`` holds ``testSet_resize/<image>``, 41,000 JPEGs of 256×256. *Val*
    are the images whose names have the smallest SHA-256. A copy with folders ``train`` and ``val`` keeps its splits.

    Reference: Zhou, Lapedriza, Xiao, Torralba and Oliva, *Learning deep features for scene recognition using Places
    database*, NeurIPS 2014.

    Raises:
        ValueError: there are 1,000 images or fewer.
    """
    splits = _split_folders(names)
    if splits is not None:
        return splits
    if len(names) <= 1000:
        raise ValueError(f"only {len(names)} images, but 1,000 are for validation: Places205 is incomplete")
    drawn = sorted(range(len(names)), key=lambda index: _hash(names[index].rpartition("/")[2]))
    return {
        "val": [(index, NO_CLASS) for index in sorted(drawn[:1000])],
        "train": [(index, NO_CLASS) for index in sorted(drawn[1000:])],
        "test": [],
    }


LAYOUTS = {"places365": places365, "places100": places100, "places205": places205}
"""Dataset name → layout; any other dataset uses :func:`own_folder`."""


MEANINGS: dict[str, Split] = {
    **dict.fromkeys(("train", "training", "trn", "trainset", "trainval"), "train"),
    **dict.fromkeys(
        ("val", "valid", "validation", "validate", "valset", "dev", "devset", "eval", "evaluation"), "val"
    ),
    **dict.fromkeys(("test", "testing", "tst", "testset", "holdout"), "test"),
}
"""Folder name in lower case → split."""

_MORE = ("sets", "set", "data", "images", "image", "imgs", "img", "split", "folder", "dir")
_LETTER = r"[^\W\d_]"
_WORD = re.compile(
    rf"(?<!{_LETTER})(?P<word>{'|'.join(sorted(MEANINGS, key=len, reverse=True))})"
    rf"(?:{'|'.join(_MORE)}|(?P<letter>{_LETTER}))?(?!{_LETTER})"
)


def _split_folders(names: Sequence[str]) -> Splits | None:
    """Assign by the original framework's layout; return ``None`` if no folder name means a split."""
    # Work on folders, since there are far fewer of them than images.
    paths = {folder: folder.split("/") if folder else [] for folder in {_folder(name) for name in names}}
    meaning = _meanings({part for path in paths.values() for part in path})
    if not meaning:
        return None
    # A folder that contains all images, such as a dataset called `test`, is not a split if its subfolders are.
    shared = _shared(list(paths.values()))
    start = (
        shared if {"train"} < {meaning.get(path[shared]) for path in paths.values() if path[shared:]} - {None} else 0
    )
    places = {
        folder: next(i for i in range(start, len(path)) if path[i] in meaning)
        for folder, path in paths.items()
        if not meaning.keys().isdisjoint(path[start:])
    }
    found = {folder: meaning[paths[folder][place]] for folder, place in places.items()}
    # Folders above the split are part of the class if they differ, as in <class>/train/<image>.
    above = _shared([paths[folder][: places[folder]] for folder in found])
    # Unpacking an archive into a folder of its name doubles the name, as in train/train/<class>.
    twice = all(paths[folder][place + 1 : place + 2] == [paths[folder][place]] for folder, place in places.items())
    labels = {
        folder: _class("/".join(paths[folder][above:place] + paths[folder][place + 1 + twice :]))
        for folder, place in places.items()
    }
    beside = [name for name in names if _folder(name) not in found]
    if beside and "train" not in found.values():
        folder, split = next(iter(found.items()))
        raise ValueError(
            f"a folder {folder}, which means {split!r}, and images beside it ({beside[0]}), but no folder that "
            "means 'train'; rename or move the folder"
        )
    if beside:
        print(
            f"skipped {len(beside)} images beside the folders train, val and test, first {beside[0]}",
            file=sys.stderr,
        )
    splits = _no_images()
    for index, name in enumerate(names):
        if (folder := _folder(name)) in found:
            splits[found[folder]].append((index, labels[folder]))
    return splits


def _meanings(folders: set[str]) -> dict[str, Split]:
    """Return the split of each folder whose name means one."""
    found: dict[str, Split] = {}
    framed: dict[tuple[str, ...], dict[str, Split]] = defaultdict(dict)
    for folder in folders:
        match = _WORD.search(folder.lower())
        if match is not None:
            rest = match.string[: match.start()] + " | " + (match["letter"] or "") + match.string[match.end() :]
            frame = tuple(word for word in re.findall(rf"{_LETTER}+|\|", rest) if word not in _MORE)
            (found if frame == ("|",) else framed[frame])[folder] = MEANINGS[match["word"]]
    for members in framed.values():
        if {"train"} < set(members.values()):
            found |= members
    return found


def _classes(names: Sequence[str]) -> list[str]:
    """Return the class of each image without a split: its folder below the common path, or the common folder."""
    paths = {folder: folder.split("/") if folder else [] for folder in {_folder(name) for name in names}}
    shared = _shared(list(paths.values()))
    if len(paths) == 1:
        shared -= 1
    labels = {folder: _class("/".join(path[max(0, shared) :])) for folder, path in paths.items()}
    return [labels[_folder(name)] for name in names]


def _shared(paths: Sequence[list[str]]) -> int:
    """Return how many leading folders all paths have in common."""
    first, last = min(paths), max(paths)
    return next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def _class(label: str) -> str:
    # Share one string per class; normalize accents, which file systems encode differently.
    return sys.intern(unicodedata.normalize("NFC", label)) if label else NO_CLASS


def _by_class(members: Sequence[Member], names: Sequence[str]) -> dict[str, list[Member]]:
    """Return the files of each class; classes and files are sorted by name."""
    classes: dict[str, list[Member]] = defaultdict(list)
    for member in sorted(members, key=lambda member: (member[1], names[member[0]])):
        classes[member[1]].append(member)
    return classes


def _no_images() -> Splits:
    return {"train": [], "val": [], "test": []}


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogateescape")).digest()
