"""Which file belongs to which split and class, by nothing but its name.

Every layout takes the names of all pictures and gives, by split, the numbers of its pictures with their classes.
"""

from __future__ import annotations

import hashlib
import sys
from collections import defaultdict
from collections.abc import Sequence
from typing import get_args

from colorlab.data.pictures import Split

Member = tuple[int, str]  # the number of a name, and its class
Splits = dict[Split, list[Member]]

SPLITS: tuple[Split, ...] = get_args(Split)
NO_CLASS = "any"
"""The class of pictures that lie in no class folder."""

PLACES100_SEED = 0


def own_folder(names: Sequence[str]) -> Splits:
    """``{train,val,test}/<class>/<picture>``, the seed's layout, or pictures in any other order.

    Folders that all pictures lie in may be above ``train``. It is this layout if one folder there is called
    ``train``, or if all are called ``val`` or ``test``; pictures beside those folders are left out, with a word on
    standard error. Deeper down, folders of those names mean nothing.

    Without it, pictures are divided by a hash of their names, 80 : 10 : 10, so that a picture stays where it is when
    others come or go.

    The class is the folder that a picture lies in.
    """
    splits = _split_folders(names)
    if splits is not None:
        return splits
    splits = _no_pictures()
    for index, name in enumerate(names):
        share = _hash(name)[0] / 256
        split: Split = "train" if share < 0.8 else "val" if share < 0.9 else "test"
        splits[split].append((index, _class(name)))
    return splits


def places365(names: Sequence[str]) -> Splits:
    """Places365-Standard, reduced: per class, the first 100 training pictures are *test*, the next 1,000 *train*.

    The official archive ``places365standard_easyformat.tar`` holds ``places365_standard/train/<class>/<picture>``,
    3,068 to 5,000 pictures in each of 365 classes, and ``places365_standard/val/<class>/<picture>``, 100 in each;
    256×256 JPEG. The official val is *val*. Where there are pictures in a folder ``test`` as well, as in the seed's
    own copy, they were reduced already and are taken as they lie.

    Reference: Zhou, Lapedriza, Khosla, Oliva and Torralba, *Places: a 10 million image database for scene
    recognition*, doi:10.1109/TPAMI.2017.2723009.

    Raises:
        ValueError: there is no folder ``train``, or a class has too few pictures to be reduced.
    """
    splits = _split_folders(names)
    if splits is None:
        raise ValueError("no folders train and val, as Places365 has them")
    if splits["test"] or not splits["train"]:
        return splits
    reduced: Splits = {"train": [], "val": splits["val"], "test": []}
    for name, members in _by_class(splits["train"], names).items():
        if len(members) <= 100:
            raise ValueError(
                f"only {len(members)} training pictures of the class {name}, of which the first 100 would become "
                "test pictures: it is not the whole of Places365; a copy that has a folder test is taken as it lies"
            )
        reduced["test"] += members[:100]
        reduced["train"] += members[100:1100]
    return reduced


def places100(names: Sequence[str]) -> Splits:
    """100 classes of :func:`places365`, per class the first 500 *train*, 50 *val* and 50 *test* pictures.

    The classes are those whose SHA-256 of ``"<PLACES100_SEED> <class>"`` are the smallest: a draw that depends
    neither on a version of a random generator nor on the order of the list.

    Raises:
        ValueError: there are fewer than 100 classes.
    """
    splits = places365(names)
    classes = {name for members in splits.values() for _, name in members}
    if len(classes) < 100:
        raise ValueError(f"{len(classes)} classes, of which places100 needs 100")
    drawn = set(sorted(classes, key=lambda name: _hash(f"{PLACES100_SEED} {name}"))[:100])
    counts: dict[Split, int] = {"train": 500, "val": 50, "test": 50}
    chosen = _no_pictures()
    for split, members in splits.items():
        by_class = _by_class([member for member in members if member[1] in drawn], names)
        chosen[split] = [member for group in by_class.values() for member in group[: counts[split]]]
    return chosen


def places205(names: Sequence[str]) -> Splits:
    """The test set of Places205, which has no classes: 1,000 pictures *val*, the rest *train*.

    The official ``testSetPlaces205_resize.tar.gz`` holds ``testSet_resize/<picture>``, 41,000 JPEGs of 256×256. *Val*
    are those whose names have the smallest SHA-256. A copy with folders ``train`` and ``val`` is taken as it lies.

    Reference: Zhou, Lapedriza, Xiao, Torralba and Oliva, *Learning deep features for scene recognition using Places
    database*, NeurIPS 2014.

    Raises:
        ValueError: there are no more than 1,000 pictures.
    """
    splits = _split_folders(names)
    if splits is not None:
        return splits
    if len(names) <= 1000:
        raise ValueError(f"only {len(names)} pictures, of which 1,000 are for validation: it is not all of Places205")
    drawn = sorted(range(len(names)), key=lambda index: _hash(names[index].rpartition("/")[2]))
    return {
        "val": [(index, NO_CLASS) for index in sorted(drawn[:1000])],
        "train": [(index, NO_CLASS) for index in sorted(drawn[1000:])],
        "test": [],
    }


LAYOUTS = {"places365": places365, "places100": places100, "places205": places205}
"""Name → layout; any other data set is an :func:`own_folder`."""


def _split_folders(names: Sequence[str]) -> Splits | None:
    """The seed's layout, or ``None``."""
    depth = 0
    while True:
        tops = {_folder(name, depth) for name in names}
        if "train" in tops or (tops and tops <= set(SPLITS)):
            break
        if len(tops) != 1 or tops == {None}:
            return None
        depth += 1
    splits = _no_pictures()
    beside = []
    for index, name in enumerate(names):
        split = next((split for split in SPLITS if _folder(name, depth) == split), None)
        if split is None:
            beside.append(name)
        else:
            splits[split].append((index, _class(name.split("/", depth + 1)[-1])))
    if beside:
        print(
            f"left out {len(beside)} pictures that lie beside the folders train, val and test, first {beside[0]}",
            file=sys.stderr,
        )
    return splits


def _folder(name: str, depth: int) -> str | None:
    """The folder ``depth`` levels down, if the file lies in it or below it."""
    path = name.split("/", depth + 1)
    return path[depth] if len(path) > depth + 1 else None


def _class(name: str) -> str:
    path = name.rsplit("/", 2)
    # One string a class, not one a picture.
    return sys.intern(path[-2]) if len(path) > 1 else NO_CLASS


def _by_class(members: Sequence[Member], names: Sequence[str]) -> dict[str, list[Member]]:
    """Classes in their order, the pictures of each in the order of their names."""
    classes: dict[str, list[Member]] = defaultdict(list)
    for member in sorted(members, key=lambda member: (member[1], names[member[0]])):
        classes[member[1]].append(member)
    return classes


def _no_pictures() -> Splits:
    return {"train": [], "val": [], "test": []}


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogateescape")).digest()
