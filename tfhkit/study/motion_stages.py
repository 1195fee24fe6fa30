"""A study's stages without pictures: facts, correlation, lips from sound, head motion."""

from typing import Any

import numpy as np
from jaxtyping import Float

from tfhkit.audio import correlate, correlate_lags
from tfhkit.evaluate.footage import advice, advice_lines, facts_of_fit, lag_facts
from tfhkit.evaluate.heads import read_truth
from tfhkit.evaluate.motion import compare_lips, shifted_sounds
from tfhkit.evaluate.ridge import log_mel_windows, ridge_predict
from tfhkit.landmarks import footage_facts
from tfhkit.media import SR_HZ, write_table
from tfhkit.metrics import HsSettings, head_pose_report
from tfhkit.metrics.baselines import (
    COMPANIONS,
    FROZEN,
    FROZEN_TRAINING,
    HALVES,
    REPLAY,
    SHUFFLED,
)
from tfhkit.motion import correlation, lip_opening, predict_motion
from tfhkit.stats import (
    CorrelationReport,
    LaggedCorrelation,
    PairSettings,
    correlation_interval,
    tidy_rows,
)
from tfhkit.study.settings import StudySettings
from tfhkit.study.tracks import HeadTracks
from tfhkit.study.work import ClipWork, Row, between, row
from tfhkit.talk import drive

FACTS = {  # of the doctor, for the table
    "seconds": "length, s",
    "fps": "frames per second",
    "face_px": "face, px wide",
    "face_share": "frames with a face, share",
    "lip_r": "lips predicted by ridge regression, r",
}
MAX_LAG_S, MIN_GAP_S = 1.0, 1.0
COMPANION = {
    "speed_ratio": "speed, ratio to the real one",
    "speed_hs": "HS of the speed",
    "spectrum": "likeness of the spectra",
    "coupling": "likeness of the axes' coupling",
}
OURS, MEAN = "ours, drawn", "ours, mean prediction"
PAIRS, APART, LAGGED = "pairs (App. A)", "pairs, no neighbours in time", "lagged, largest |r|"
OTHERS, RIGHT = "another person", "right person before another"  # of all clips of a study
VOICE = ("energy (dB)", "voice pitch (st)")  # as in `tfhkit.audio.sound_series`
HEAD = {name: f"head {name} (deg)" for name in ("pitch", "yaw", "roll")}
CIRCULAR, PHASES = "circular shift", "phase randomisation"
LIP_R, LIP_MM = "lip opening, r", "mouth error, mm"
RIDGE, FROZEN_MOUTH, SHIFTED = "ridge regression", "frozen mouth", "shifted sound"


def examine(work: ClipWork) -> tuple[list[Row], dict[str, Any]]:
    """Facts on the clip, and how far the fit of a virtual person is from the truth."""
    if work.only_pose:
        facts = footage_facts(work.clip)
        rows = [row(FACTS[name], "clip", facts[name]) for name in FACTS if name in facts]
        return rows, {"facts": facts, "advice": []}
    facts = facts_of_fit(work.clip, work.fit) | lag_facts(work.clip, work.fit)
    rows = [row(words, "clip", facts.get(name)) for name, words in FACTS.items()]
    if work.truth is not None:
        true = np.degrees(read_truth(work.truth)[0].angles)
        found = np.degrees(work.fit.coefficients.angles)
        error = np.abs(found - true)[~work.fit.gap].mean(0)
        rows += [
            row(f"{name} error, deg", "fit", float(value))
            for name, value in zip(("pitch", "yaw", "roll"), error)
        ]
    return rows, {"facts": facts, "advice": advice_lines(advice(facts))}


def correlate_clip(work: ClipWork) -> tuple[list[Row], dict[str, Any]]:
    """App. A: pairs as stated, without temporal neighbours, lagged; all estimates go to a table."""
    clip, settings, n = work.clip, work.settings, work.settings.n_null
    audio = clip.audio[: int((clip.times[-1] + 1) * SR_HZ)]
    how = PairSettings(min_gap_s=MIN_GAP_S, n_null=n, n_bootstrap=n, seed=settings.seed)
    report = correlate(audio, work.angles, clip.times, settings=how, progress=work.progress)
    lagged = lagged_head(audio, clip.times, work.angles, settings)
    write_table(work.folder / "correlation.csv", tidy_rows(report, lagged))
    return correlation_rows(report, lagged, n)


def correlation_rows(
    report: CorrelationReport, lagged: LaggedCorrelation, n_null: int
) -> tuple[list[Row], dict[str, Any]]:
    """The rows of a clip's correlations, and its curves over lags, see `lag_curves`."""
    rows = []
    for measure, found in ((PAIRS, report.paper), (APART, report.no_neighbours)):
        rows.append(
            row(
                measure,
                "clip",
                found.r,
                **between(found.interval),
                p=found.p_shift,
                n=found.n_pairs,
            )  # fmt: skip
        )
        for method, null, p in (
            (CIRCULAR, found.shift_null, found.p_shift),
            (PHASES, found.phase_null, found.p_phase),
        ):
            if not len(null):
                continue  # no pair of frames is near enough
            rows.append(
                row(
                    measure,
                    method,
                    float(np.mean(null)),
                    p=p,
                    n=len(null),
                    **between(np.percentile(null, (2.5, 97.5)).tolist()),
                )  # fmt: skip
            )
    best = max(lagged.rows(), key=lambda found: abs(found["r"]))
    rows.append(row(LAGGED, "clip", abs(best["r"]), p=best["p_corrected"], n=lagged.n_frames))
    rows.append(row(LAGGED, PHASES, lagged.chance_95, n=n_null))
    about = {name: best[name] for name in ("sound", "motion", "lag_s", "r")}
    return rows, {"strongest_lagged": about, "lags": lag_curves(lagged)}


def lag_curves(lagged: LaggedCorrelation) -> dict[str, Any]:
    """Correlation over lags of each angle with VOICE, and with the sound of the largest |r|.

    Returns:
        lags_s, chance_95 (what the largest |r| of all pairs and lags exceeds in 5 % of surrogate
        tracks), and curves: angle -> sound -> r at each lag.
    """
    curves: dict[str, dict[str, list[float]]] = {}
    for name, motion in HEAD.items():
        m = lagged.motion_names.index(motion)
        strongest = lagged.sound_names[int(np.abs(lagged.best_r[:, m]).argmax())]
        curves[name] = {
            sound: lagged.r[lagged.sound_names.index(sound), m].round(3).tolist()
            for sound in dict.fromkeys((*VOICE, strongest))
        }
    lags = np.round(lagged.lags_s, 4).tolist()
    return {"lags_s": lags, "chance_95": lagged.chance_95, "curves": curves}


def lagged_head(
    audio: Float[np.ndarray, "N"],
    times: Float[np.ndarray, "T"],
    angles_rad: Float[np.ndarray, "T 3"],
    settings: StudySettings,
) -> LaggedCorrelation:
    """The lagged correlations of one clip, as a study makes them."""
    draws = {"n_null": settings.n_null, "n_bootstrap": 0, "seed": settings.seed}
    return correlate_lags(audio, angles_rad, times, MAX_LAG_S, **draws)


def judge_mapping(work: ClipWork) -> tuple[list[Row], dict[str, Any]]:
    """Lips of the held-out part, from its sound, compared with baselines."""
    person, fit, audio = work.person, work.fit, work.clip.audio
    mapping, held, known = person.learned_mapping(), person.held, person.train
    own, true = (person.model, fit.coefficients.id[0]), fit.coefficients.exp
    ours = predict_motion(mapping, audio, fit.times)[0]
    windows = log_mel_windows(audio, fit.times + mapping.norm.lag_s)
    answers = {
        "ours": ours,
        RIDGE: ridge_predict(windows, true, known),
        FROZEN_MOUTH: np.repeat(true[known].mean(0)[None], len(fit), 0),
    }
    scores = {name: compare_lips(*own, exp[held], true[held]) for name, exp in answers.items()}
    others = [predict_motion(mapping, sound, fit.times)[0] for sound in shifted_sounds(audio)]
    shifted = np.array([compare_lips(*own, exp[held], true[held]) for exp in others])
    scores[SHIFTED] = tuple(shifted.mean(0))
    opening, real = (lip_opening(*own, exp[held]) for exp in (ours, true))
    interval = correlation_interval(
        opening, real, fit.times[held], work.settings.n_null, seed=work.settings.seed
    )
    rows = []
    for name, (r, mm) in scores.items():
        if name != FROZEN_MOUTH:  # it has no correlation
            rows.append(row(LIP_R, name, float(r), **(between(interval) if name == "ours" else {})))
        rows.append(row(LIP_MM, name, float(mm)))
    return rows, {"card": mapping.card, "correlation_of_shifted": shifted[:, 0].tolist()}


def judge_heads(work: ClipWork) -> tuple[list[Row], dict[str, Any]]:
    """Eq. 6 of the held-out part's head motion, as driven by its sound, with baselines.

    The tracks are kept: who moves like whom is asked of the whole study.
    """
    person, fit = work.person, work.fit
    held, known, times = person.held, person.train, fit.times
    angles = fit.coefficients.angles.astype(np.float64)
    seed = work.settings.seed
    made = {
        name: drive(person, work.clip.audio, times[held], seed=how).pose[:, :3].astype(np.float64)
        for name, how in ((OURS, seed), (MEAN, None))
    }
    tracks = HeadTracks(times[held], angles[held], made[OURS], made[MEAN], angles[known])
    tracks.save(work.folder / "heads.npz")
    rows = []
    for method, track in made.items():
        report = head_pose_report(
            angles[held], track, times[held],
            training_rad=angles[known], settings=HsSettings(seed=seed),
        )  # fmt: skip
        rows.append(row("HS", method, report.score.hs, **between(report.interval)))
        rows += [row(COMPANION[n], method, report.rows[0][n]) for n in COMPANIONS]
    for name in (FROZEN_TRAINING, FROZEN, REPLAY, HALVES, SHUFFLED):
        rows.append(row("HS", name, report.row(name)["hs"]))
    pitch, yaw, roll = (correlation(made[MEAN][:, k], angles[held, k]) for k in range(3))
    return rows, {"pose_r_of_mean": [pitch, yaw, roll]}
