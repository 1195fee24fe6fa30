"""What each command does: (result, function that shows it). Imports wait until one runs."""

import sys


def run(options):
    from tfhkit.series.course import Course, closing
    from tfhkit.series.report import run_and_report

    say = print if not options.json else (lambda line: print(line, file=sys.stderr))
    course, more = Course(options.progress), {}
    with closing(course, more):
        result = run_and_report(
            clip=options.clip,
            speech=options.speech,
            out=options.out,
            profile=options.profile,
            seed=options.seed,
            only=[part for part in options.only.split(",") if part],
            set_values=options.values,
            notebooks=options.notebooks,
            write=not options.no_report,
            say=say,
            course=course,
        )
        more |= {key: result[key] for key in ("report", "videos") if key in result}
    return result, _show_run


def _show_run(result):
    if "report" not in result:
        return f"done in {result['seconds']:.0f} s"
    videos = [f"  {video}" for video in result["videos"]]
    return "\n".join(
        [f"done in {result['seconds']:.0f} s: {result['report']}", *videos]
    )  # fmt: skip


def fit(options):
    from tfhkit.series.measure import fit_file
    from tfhkit.series.tables import table

    result = fit_file(
        options.clip,
        options.output,
        options.frames,
        options.landmarks,
        options.model,
        options.model_path,
        options.report,
    )
    return result, table


def portrait(options):
    from tfhkit.series.portrait import make_portrait
    from tfhkit.series.progress import terminal_progress
    from tfhkit.series.tables import table

    result = make_portrait(
        options.picture,
        options.speech,
        options.output,
        options.size,
        options.seed,
        progress=terminal_progress(),
    )
    return result, table


def evaluate(options):
    from tfhkit.series import judge

    if options.stage == "face":
        result = judge.evaluate_face(options.clip, options.frames, options.heads)
    elif options.stage == "motion":
        result = judge.evaluate_motion(
            options.clip,
            options.frames,
            options.speakers,
            options.fit,
            options.curve,
            options.seed,
        )
    else:
        result = judge.evaluate_refine(
            options.clip,
            options.fit,
            options.frames,
            options.steps,
            options.size,
            options.ablations,
            options.seed,
        )
    return result, judge.show


def correlate(options):
    from tfhkit.series.correlate import correlate_file, show

    result = correlate_file(
        options.clip,
        options.output,
        options.fit,
        options.frames,
        options.radius,
        options.min_gap,
        options.max_lag,
        options.axis,
        options.nulls,
        options.seed,
    )
    return result, show


def hs(options):
    from tfhkit.series.head_pose import compare_heads, show

    result = compare_heads(
        options.real,
        options.generated,
        options.training,
        options.span,
        options.bins,
        options.fps,
        options.seed,
    )
    return result, show


def corpus(options):
    from tfhkit.series.corpus import write_corpus
    from tfhkit.series.progress import terminal_progress
    from tfhkit.series.tables import table

    result = write_corpus(
        options.output,
        options.lrw,
        options.speakers,
        options.seconds,
        options.language,
        options.words,
        options.train,
        options.val,
        options.test,
        options.seed,
        options.workers,
        terminal_progress(),
    )
    return result, table


def doctor(options):
    from tfhkit.series.doctor import examine, show

    return examine(options.clip), show


def bench(options):
    from tfhkit.series.measure import run_benchmarks

    return run_benchmarks(options.names), _show_bench


def _show_bench(result):
    from itertools import groupby

    from tfhkit.series.tables import rows_table

    parts = []
    for name, rows in result.items():  # rows of another kind begin a table of their own
        tables = (rows_table(list(alike)) for _, alike in groupby(rows, list))
        parts.append(f"{name}\n" + "\n\n".join(tables))
    return "\n\n".join(parts)


def notebooks(options):
    from tfhkit.series.runner import describe

    return describe(), _show_notebooks


def _show_notebooks(result):
    lines = []
    for name, parameters in result.items():
        lines.append(name)
        for p in parameters:
            lines.append(f"  {p['name']}: {p['type']} = {p['default']!r}  {p['comment']}")
    return "\n".join(lines)


def lab(options):
    from tfhkit.teach.lab import open_lab

    further = [f"--ServerApp.port={options.port}"] if options.port else []
    further += ["--no-browser"] if options.no_browser else []
    code = open_lab([*further, *options.options])
    return {"ok": code == 0, "exit_code": code}, lambda _: ""


def app(options):
    from tfhkit.teach.app import open_page

    say = (lambda line: print(line, file=sys.stderr, flush=True)) if options.json else (
        lambda line: print(line, flush=True))  # fmt: skip
    open_page(options.port, not options.no_browser, say)
    return {}, lambda _: "the page is closed"
