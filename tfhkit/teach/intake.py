"""The clip and the voice that a reader gives: chosen, uploaded or recorded, then examined."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tfhkit.errors import InputError, TfhkitError
from tfhkit.pipeline import places
from tfhkit.teach.checkup import Checkup
from tfhkit.teach.display import data_url
from tfhkit.teach.uploads import Upload, look_into, with_length

Slot = dict[str, Any]  # see `Intake.slots`
STANDARD = {"clip": "sample", "voice": "sentence"}
LABELS = {"sample": "the sample clip", "sentence": "the kit's own sentence"}
LOOKING = "the doctor looks at the clip"
_EMPTY: Slot = {"fault": "", "facts": "", "poster": "", "advice": [], "share": 0.0, "doing": ""}


class Intake:
    """What is chosen, and what is known about it.

    Attributes:
        slots: "clip" and "voice", each a dict: given (keyword or path), label; state ("ready",
            "arriving", "checking", "examined" or "refused"), share and doing (how far the upload or
            the check is, and its text); facts, poster (data URL), advice (see `checkup.advice`),
            fault (a sentence).
    Args:
        changed: called with the name of a slot after its dict was replaced.
    """

    def __init__(self, changed: Callable[[str], None]) -> None:
        self._changed, self._lock = changed, threading.RLock()
        self._uploads: dict[str, tuple[str, Upload]] = {}  # by the browser's name: slot, upload
        self._checkup: Checkup | None = None
        self._round = {"clip": 0, "voice": 0}
        self.slots = {slot: self._standard(slot) for slot in STANDARD}

    @staticmethod
    def _standard(slot: str) -> Slot:
        given = STANDARD[slot]
        return {**_EMPTY, "given": given, "label": LABELS[given], "state": "ready"}

    def given(self) -> tuple[str, str]:
        """Clip and voice of a run; a check that is running is stopped.

        Raises:
            InputError: one of them is not there yet, or was refused.
        """
        for name, slot in self.slots.items():
            if not slot["given"]:
                raise InputError(name, slot["fault"] or "is not there yet", "choose one first")
        self._end_checkup()
        return self.slots["clip"]["given"], self.slots["voice"]["given"]

    def choose(self, slot: str, given: str) -> None:
        """Take a keyword, or the path of a file on this machine.

        Args:
            slot: "clip" or "voice".
            given: as the user wrote it.
        """
        self._forget(slot)
        if given == STANDARD[slot]:
            self._set(slot, self._standard(slot))
            return
        what = {"clip": "clip", "voice": "speech"}[slot]
        try:
            path = places.resolve_input(given or ".", what)
        except InputError as error:
            self._refuse(slot, error)
        else:
            self._arrived(slot, path, path.name, self._round[slot])

    def begin(self, slot: str, number: str, name: str, size: int) -> None:
        """Begin an upload.

        Args:
            slot: "clip" or "voice".
            number: the browser's name for the upload.
            name: name of the file.
            size: its bytes.
        Raises:
            InputError: the upload is refused.
        """
        self._forget(slot)
        try:
            self._uploads[number] = slot, Upload(name, size)
        except InputError as error:
            self._refuse(slot, error)
            raise
        self._set(slot, {**_EMPTY, "given": "", "label": Path(name).name, "state": "arriving"})

    def add(self, number: str, offset: int, data: bytes) -> int | None:
        """Add the next part of an upload.

        Returns:
            Bytes received so far; None if the upload is unknown.
        Raises:
            InputError: the part is refused, and with it the upload.
        """
        with self._lock:
            if number not in self._uploads:
                return None
            slot, upload = self._uploads[number]
            try:
                received = upload.add(offset, data)
                path = upload.finish() if received == upload.size else None
            except InputError as error:
                del self._uploads[number]
                self._refuse(slot, error)
                raise
            if path is not None:
                del self._uploads[number]
                self._arrived(slot, path, upload.name, self._round[slot], ours=True)
            else:
                self._set(slot, {**self.slots[slot], "share": received / upload.size})
            return received

    def cancel(self, slot: str) -> None:
        """Stop the upload or the doctor's examination that is running in a slot."""
        if self.slots[slot]["state"] == "checking":
            self._end_checkup()
        elif self.slots[slot]["state"] == "arriving":
            self._forget(slot)
            self._set(slot, self._standard(slot))

    def close(self) -> None:
        """End everything that is running."""
        for slot in self.slots:
            self._forget(slot)

    def examine(self) -> None:
        """Let the doctor examine the chosen clip, in the background."""
        slot = self.slots["clip"]
        if slot["state"] in ("ready", "examined"):
            self._start(self._examine, slot["given"], self._round["clip"])

    def _forget(self, slot):
        with self._lock:
            self._round[slot] += 1
            for number, (its_slot, upload) in list(self._uploads.items()):
                if its_slot == slot:
                    upload.cancel()
                    del self._uploads[number]
            if slot == "clip":
                self._end_checkup()

    def _end_checkup(self):
        if self._checkup is not None:
            self._checkup.end()

    def _set(self, slot: str, content: Slot) -> None:
        self.slots[slot] = content
        self._changed(slot)

    def _refuse(self, slot: str, error: Exception) -> None:
        self._set(slot, {**_EMPTY, "given": "", "label": "", "state": "refused",
                         "fault": str(error)})  # fmt: skip

    @staticmethod
    def _start(work, *arguments):
        threading.Thread(target=work, args=arguments, daemon=True).start()

    def _arrived(self, slot, path, name, number, ours=False):
        self._set(slot, {**_EMPTY, "given": "", "label": name, "state": "checking",
                         "doing": "reading the file"})  # fmt: skip
        self._start(self._look, slot, path, name, number, ours)

    def _look(self, slot: str, path: Path, name: str, number: int, ours: bool) -> None:
        """Take a file that has arrived, or refuse it; a refused upload is deleted."""
        try:
            seen = look_into(path, slot, name)
            if ours and not seen.measured:
                path = with_length(path)
        except (TfhkitError, OSError) as error:
            if ours:
                Path(path).unlink(missing_ok=True)
            if number == self._round[slot]:
                self._refuse(slot, error)
            return
        if number == self._round[slot]:
            poster = data_url(seen.poster, "image/jpeg") if seen.poster else ""
            self._set(slot, {**_EMPTY, "given": str(path), "label": name, "state": "ready",
                             "facts": seen.words, "poster": poster})  # fmt: skip
            if slot == "clip":
                self._examine(str(path), number)

    def _examine(self, given, number):
        with self._lock:
            self._end_checkup()
            checkup = self._checkup = Checkup(given)
            begun = {"state": "checking", "share": 0.0, "advice": [], "fault": ""}
            self._set("clip", {**self.slots["clip"], **begun, "doing": LOOKING})

        def tell(share, text):
            if number == self._round["clip"]:
                now = {"share": share, "doing": f"{LOOKING}: {text}"}
                self._set("clip", {**self.slots["clip"], **now})

        found, fault = None, ""
        try:
            found = checkup.run(tell)
        except (TfhkitError, OSError) as error:
            fault = str(error)
        if number == self._round["clip"]:
            state = "ready" if found is None else "examined"
            self._set("clip", {**self.slots["clip"], "state": state, "advice": found or [],
                               "fault": fault, "share": 0.0, "doing": ""})  # fmt: skip
