"""A viewer's way through a viewing test: what the widget tells the kernel, and what it answers."""

import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tfhkit.errors import ParameterError, TfhkitError
from tfhkit.teach.ballot import ballot_html, refresh_ballots
from tfhkit.teach.film import pack_film
from tfhkit.teach.viewing import Experiment, Trial
from tfhkit.teach.votes import CATCH, SIDES, Vote, read_votes, record_vote

Message = Mapping[str, Any]  # from the widget
QUALITY = 92


class Session:
    """One widget's state; messages of `static/viewing.js` come to `hear`.

    Args:
        experiment: what the test shows, and where its votes go.
        send: shows a screen with its film in the browser.
    """

    def __init__(
        self, experiment: Experiment, send: Callable[[dict[str, Any], bytes], None]
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
            self.send({"kind": "fault", "text": text}, b"")

    def show(self) -> None:
        """Show where this viewer is: the beginning, a trial, or the end."""
        if self.viewer is None:
            self._intro()
        elif self.told is not None:
            self.send({"kind": "told", "text": self.told}, b"")
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
        fresh = len(left) == len(trials) and self.experiment.training() is not None
        self.at = -1 if fresh else left[0]
        self.show()

    def vote(self, message: Message) -> None:
        """Record a vote; a vote in the training trial is answered instead."""
        if self.viewer is None or message.get("number") != self.at or self.told is not None:
            return  # a second press of the same button, or an older view of this widget
        side = message.get("side", "")
        if self.at < 0:
            real_side = self._shown().real_side
            other = SIDES[real_side == "left"]
            self.told = (
                f"{'Right' if side == real_side else 'No'}: the {real_side} clip was filmed, "
                f"the {other} one was generated. From here on every vote counts, and nothing "
                "is told until the end."
            )
        else:
            seconds = message.get("seconds", 0)
            record_vote(self.experiment.path, self.viewer, self._shown(), side, seconds)
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
        training = self.experiment.training()
        assert training is not None, "`begin` shows it only if there is one"
        return training

    def _left(self, viewer: str, trials: Sequence[Trial]) -> list[int]:
        """Indices of the trials in which this viewer has not voted."""
        votes = self._votes()
        cast, left = Counter(vote["trial"] for vote in votes if vote["viewer"] == viewer), []
        for index, trial in enumerate(trials):
            if cast[trial.name] > 0:
                cast[trial.name] -= 1
            else:
                left.append(index)
        return left

    def _votes(self) -> list[Vote]:
        return read_votes(self.experiment.path)[0]

    def _intro(self):
        trials, votes = self.experiment.trials("paper"), self._votes()
        names, open_viewer = {trial.name for trial in trials}, None
        cast = Counter(vote["viewer"] for vote in votes if vote["trial"] in names)
        if votes and 0 < cast[votes[-1]["viewer"]] < len(trials):
            name = votes[-1]["viewer"]
            open_viewer = {"name": name, "cast": cast[name]}
        message = {
            "kind": "intro",
            "total": len(trials),
            "training": self.experiment.training() is not None,
            "name": f"viewer-{uuid.uuid4().hex[:4]}",
            "unfinished": open_viewer,
        }
        self.send(message | self._tally(votes), b"")

    def _trial(self):
        trial = self._shown()
        film, data = pack_film(trial.frames(), QUALITY)
        message = {"kind": "trial", "number": self.at, "total": len(self.trials), "film": film}
        message |= {"fps": trial.fps} | self._tally(self._votes())
        self.send(message, data)

    def _end(self):
        votes = self._votes()
        own = [vote for vote in votes if vote["viewer"] == self.viewer]
        scored = [vote["correct"] for vote in own if not vote["trial"].startswith(CATCH)]
        text = f"Thank you. {sum(scored)} of your {len(scored)} votes were right; "
        text += f"tossing a coin gets {len(scored) / 2:g}."
        catch = [vote["correct"] for vote in own if vote["trial"].startswith(CATCH)]
        if catch:
            text += f" Easy trials that check who looks: {sum(catch)} of {len(catch)}."
        message = {"kind": "end", "text": text, "table": ballot_html(votes)}
        self.send(message | self._tally(votes), b"")

    def _tally(self, votes):
        viewers = len({vote["viewer"] for vote in votes})
        people = f" by {viewers} viewer{'s' * (viewers != 1)}" if votes else ""
        return {"tally": f"Votes so far: {len(votes)}{people}."}
