"""LRW's folder: its clips in a fixed order, listed word by word."""

import difflib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tfhkit.errors import InputError, ParameterError

SPLITS = ("train", "val", "test")
LAYOUT = "lipread_mp4/WORD/{train,val,test}/WORD_00001.mp4"


@dataclass(frozen=True)
class LrwChoice:
    """Which of LRW's clips are taken.

    Args:
        words: words to take; None takes all.
        split: "train", "val" or "test".
        per_word: at most so many clips of each word, the first by name; None takes all.
    Raises:
        ParameterError: an unknown split, or a wrong `per_word`.
    """

    words: tuple[str, ...] | None = None
    split: str = "train"
    per_word: int | None = None

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            fault = f"{self.split!r} is not one"
            raise ParameterError("split", fault, f"choose one of {', '.join(SPLITS)}")
        if self.per_word is not None and self.per_word < 1:
            fault = f"is {self.per_word}"
            raise ParameterError("per_word", fault, "give a whole number from 1 on")


def open_layout(folder: str | Path, choice: LrwChoice) -> tuple[Path, list[str]]:
    """The folder `lipread_mp4` and the words to take from it, sorted.

    Args:
        folder: holds `lipread_mp4/WORD/{train,val,test}/WORD_00001.mp4`, or is `lipread_mp4`.
        choice: its words must be there.
    Raises:
        InputError: the folder is not LRW's.
        ParameterError: an unknown word.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(folder, "there is no such folder", f"give the one that has {LAYOUT}")
    root = folder / "lipread_mp4" if (folder / "lipread_mp4").is_dir() else folder
    there = sorted(p.name for p in root.iterdir() if any((p / s).is_dir() for s in SPLITS))
    if not there:
        raise InputError(folder, "is not laid out as LRW", f"give the folder that has {LAYOUT}")
    for word in choice.words or ():
        if word not in there:
            near = difflib.get_close_matches(word.upper(), there, n=3) or there[:3]
            raise ParameterError("words", f"{word!r} is not there", f"e.g. {', '.join(near)} are")
    return root.absolute(), sorted(set(choice.words or there))


def clip_names(root: Path, words: list[str], choice: LrwChoice) -> Iterator[str]:
    """Names below the root, such as "ABOUT/train/ABOUT_00001.mp4", in order of word and number.

    Only one word's names are in memory at a time.

    Args:
        root, words: from `open_layout`.
        choice: split and number of clips.
    """
    for word in words:
        home = root / word / choice.split
        if home.is_dir():
            with os.scandir(home) as entries:
                found = sorted(e.name for e in entries if e.name.endswith(".mp4"))
            yield from (f"{word}/{choice.split}/{name}" for name in found[: choice.per_word])
