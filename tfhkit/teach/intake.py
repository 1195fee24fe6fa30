"""The clip and the voice that a reader brings: chosen, uploaded or recorded, then looked into."""

import threading
from pathlib import Path

from tfhkit.errors import InputError, TfhkitError
from tfhkit.pipeline import places
from tfhkit.teach.checkup import Checkup
from tfhkit.teach.display import data_url
from tfhkit.teach.uploads import Upload, look_into, with_length

STANDARD = {"clip": "sample", "voice": "sentence"}
LABELS = {"sample": "the sample clip", "sentence": "the kit's own sentence"}
LOOKING = "the doctor looks at the clip"
_EMPTY = {"fault": "", "facts": "", "poster": "", "advice": [], "share": 0.0, "doing": ""}


class Intake:
    """What is chosen, and what is known of it.

    Attributes:
        slots: dict "clip", "voice" -> dict: given (keyword or path), label; state ("ready",
            "arriving", "checking", "examined" or "refused"), share and text of what is running;
            facts, poster (data URL), advice (see `checkup.advice`), fault (a sentence).
    Args:
        changed: callable that gets the name of a slot whose dict is a new one.
    """

    def __init__(self, changed):
        self._changed, self._lock = changed, threading.RLock()
        self._uploads, self._checkup, self._round = {}, None, {"clip": 0, "voice": 0}
        self.slots = {slot: self._standard(slot) for slot in STANDARD}

    @staticmethod
    def _standard(slot):
        given = STANDARD[slot]
        return {**_EMPTY, "given": given, "label": LABELS[given], "state": "ready"}

    def given(self):
        """What a run is made of, as (clip, voice); a check that is running is stopped.

        Raises:
            InputError: one of them is not there yet, or was refused.
        """
        for name, slot in self.slots.items():
            if not slot["given"]:
                raise InputError(name, slot["fault"] or "is not there yet", "choose one first")
        self._end_checkup()
        return self.slots["clip"]["given"], self.slots["voice"]["given"]

    def choose(self, slot, given):
        """Take a keyword, or the path of a file on this machine.

        Args:
            slot: "clip" or "voice". given: as the user wrote it.
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

    def begin(self, slot, number, name, size):
        """An upload begins; `number` is the browser's for it.

        Raises:
            InputError: it is refused.
        """
        self._forget(slot)
        try:
            self._uploads[number] = slot, Upload(name, size)
        except InputError as error:
            self._refuse(slot, error)
            raise
        self._set(slot, {**_EMPTY, "given": "", "label": Path(name).name, "state": "arriving"})

    def add(self, number, offset, data):
        """The next part of an upload; gives the bytes received, None of an unknown upload.

        Raises:
            InputError: the part is refused, and the upload with it.
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

    def cancel(self, slot):
        """Stop what is running in a slot: an upload, or the doctor's examination."""
        if self.slots[slot]["state"] == "checking":
            self._end_checkup()
        elif self.slots[slot]["state"] == "arriving":
            self._forget(slot)
            self._set(slot, self._standard(slot))

    def close(self):
        """End everything that is running."""
        for slot in self.slots:
            self._forget(slot)

    def examine(self):
        """Have the doctor look at the chosen clip, in the background."""
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

    def _set(self, slot, content):
        self.slots[slot] = content
        self._changed(slot)

    def _refuse(self, slot, error):
        self._set(slot, {**_EMPTY, "given": "", "label": "", "state": "refused",
                         "fault": str(error)})  # fmt: skip

    @staticmethod
    def _start(work, *arguments):
        threading.Thread(target=work, args=arguments, daemon=True).start()

    def _arrived(self, slot, path, name, number, ours=False):
        self._set(slot, {**_EMPTY, "given": "", "label": name, "state": "checking",
                         "doing": "reading the file"})  # fmt: skip
        self._start(self._look, slot, path, name, number, ours)

    def _look(self, slot, path, name, number, ours):
        """Take a file that has come, or refuse it and throw an upload away."""
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
