"""A viewer's way through the trials: what the widget tells the kernel, and what it answers."""

import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tfhkit.errors import ParameterError, TfhkitError
from tfhkit.teach.ballot import ballot_html, refresh_ballots
from tfhkit.teach.film import pack_film
from tfhkit.teach.sound import mp3_bytes
from tfhkit.teach.viewing import LETTERS, SECONDS_EACH, Experiment
from tfhkit.teach.viewing_trials import Trial
from tfhkit.teach.votes import CATCH, REAL, SIDES, Vote, read_votes, record_vote

Message = Mapping[str, Any]  # from the widget
QUALITY = 92


class Session:
    """One widget's state; messages of `static/viewing.js` come to `hear`.

    Args:
        experiment: what the test shows, and where its votes go.
        send: shows a screen with its film and its sound in the browser.
    """

    def __init__(
        self, experiment: Experiment, send: Callable[[dict[str, Any], bytes, bytes], None]
    ) -> None:
        self.experiment, self.send = experiment, send
        self.viewer: str | None = None
        self.trials: tuple[Trial, ...] = ()
        self.at = 0  # index of the viewer's trial; -1 is the training trial
        self.told: str | None = None  # the answer to the training trial, while it is shown

    def hear(self, message: Message) -> None:
        """Answer a message; faults are shown in the widget."""
        acts = {"begin": self.begin, "vote": self.vote, "go": self.go, "next": self.next}
        try:
            acts[message["kind"]](message)
        except Exception as error:  # in a widget's callback it would pass unseen
            known = isinstance(error, TfhkitError)
            text = str(error) if known else f"{type(error).__name__}: {error}"
            self.send({"kind": "fault", "text": text}, b"", b"")

    def show(self) -> None:
        """Show where this viewer is: the beginning, a trial, or the end."""
        if self.viewer is None:
            self._intro()
        elif self.told is not None:
            self.send({"kind": "told", "text": self.told}, b"", b"")
        elif self.at < len(self.trials):
            self._trial()
        else:
            self._end()

    def begin(self, message: Message) -> None:
        """Take a viewer's name; viewers who have voted before resume where they stopped."""
        viewer = " ".join(str(message.get("viewer", "")).split())[:40]
        if not viewer:
            raise ParameterError("name", "is empty", "type any name")
        trials = self.experiment.trials(viewer)
        left = self._left(viewer, trials)
        if not left:
            fault = f"{viewer!r} has cast all {len(trials)} votes"
            raise ParameterError("name", fault, "type another name")
        self.viewer, self.trials, self.told = viewer, trials, None
        fresh = len(left) == len(trials) and self.experiment.practice is not None
        self.at = -1 if fresh else left[0]
        self.show()

    def vote(self, message: Message) -> None:
        """Record a vote; a vote in the training trial is answered instead."""
        if self.viewer is None or message.get("number") != self.at or self.told is not None:
            return  # a second press of the same button, or an older view of this widget
        answer = [int(number) for number in message.get("answer", ())]
        if self.at < 0:
            trial = self._shown()
            real_side, other = trial.real_side, SIDES[trial.real_side == "left"]
            right = [trial.shown[place] for place in answer] == [REAL]
            self.told = (
                f"{'Right' if right else 'No'}: the {real_side} clip was filmed, "
                f"the {other} one was generated. From here on every vote counts, and nothing "
                "is told until the end."
            )
        else:
            seconds = message.get("seconds", 0)
            record_vote(self.experiment.path, self.viewer, self._shown(), answer, seconds)
            left = self._left(self.viewer, self.trials)
            self.at = left[0] if left else len(self.trials)
            refresh_ballots(self.experiment.path, None if not left else self.viewer)
        self.show()

    def go(self, _: Message) -> None:
        """Leave the training trial."""
        if self.told is not None:
            self.told, self.at = None, 0
        self.show()

    def next(self, _: Message) -> None:
        """Make room for another viewer."""
        self.viewer, self.trials, self.at, self.told = None, (), 0, None
        self.show()

    def _shown(self) -> Trial:
        """The trial that the viewer sees."""
        if self.at >= 0:
            return self.trials[self.at]
        assert self.experiment.practice is not None, "`begin` shows it only if there is one"
        return self.experiment.practice

    def _left(self, viewer: str, trials: Sequence[Trial]) -> list[int]:
        """Indices of the trials in which this viewer has not voted."""
        votes = self._votes()
        cast, left = Counter(vote.key for vote in votes if vote.viewer == viewer), []
        for index, trial in enumerate(trials):
            if cast[trial.key] > 0:
                cast[trial.key] -= 1
            else:
                left.append(index)
        return left

    def _votes(self) -> list[Vote]:
        return read_votes(self.experiment.path)[0]

    def _intro(self):
        trials, votes = self.experiment.trials("paper"), self._votes()
        keys, open_viewer = {trial.key for trial in trials}, None
        mine = [vote.viewer for vote in votes if vote.key in keys]
        if mine and mine.count(mine[-1]) < len(trials):
            open_viewer = {"name": mine[-1], "cast": mine.count(mine[-1])}
        minutes = max(1, round(len(trials) * SECONDS_EACH / 60))
        text = f"{self.experiment.intro}{len(trials)} trials, about {minutes} "
        text += f"minute{'s' * (minutes > 1)}. Nothing is told until the end."
        message = {
            "kind": "intro",
            "text": text,
            "total": len(trials),
            "name": f"viewer-{uuid.uuid4().hex[:4]}",
            "unfinished": open_viewer,
        }
        self.send(message | self._tally(votes), b"", b"")

    def _trial(self):
        trial = self._shown()
        film, data = pack_film(trial.frames(), QUALITY)
        names = [] if trial.reference is None else ["real, to compare with"]
        lettered = trial.question.kind in ("best", "several")
        names += [LETTERS[i] if lettered else "" for i in range(len(trial.views))]
        message = {
            "kind": "trial",
            "number": self.at,
            "total": len(self.trials),
            "film": film,
            "fps": trial.fps,
            "ask": trial.question.kind,
            "question": trial.question.text,
            "levels": list(trial.question.levels),
            "panels": names,
        }
        sound = b"" if trial.audio is None else mp3_bytes(trial.audio)
        self.send(message | self._tally(self._votes()), data, sound)

    def _end(self):
        votes = self._votes()
        keys = {trial.key for trial in self.trials}
        own = [vote for vote in votes if vote.viewer == self.viewer and vote.key in keys]
        guesses = [vote for vote in own if vote.kind == "real"]
        scored = [vote.correct for vote in guesses if not vote.clip.startswith(CATCH)]
        text = f"Thank you. Your {len(own)} votes are kept."
        if scored:
            text = f"Thank you. {sum(scored)} of your {len(scored)} votes were right; "
            text += f"tossing a coin gets {len(scored) / 2:g}."
        catch = [vote.correct for vote in guesses if vote.clip.startswith(CATCH)]
        if catch:
            text += f" Easy trials that check who looks: {sum(catch)} of {len(catch)}."
        message = {"kind": "end", "text": text, "table": ballot_html(votes)}
        self.send(message | self._tally(votes), b"", b"")

    def _tally(self, votes):
        viewers = len({vote.viewer for vote in votes})
        people = f" by {viewers} viewer{'s' * (viewers != 1)}" if votes else ""
        return {"tally": f"Votes so far: {len(votes)}{people}."}
