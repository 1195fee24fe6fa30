"""The command line `tfhkit`: parses, calls, prints. Heavy imports wait until a command runs."""

import argparse
import contextlib
import json
import os
import sys
import warnings

from tfhkit import __version__
from tfhkit.errors import TfhkitError


def main(argv=None):
    """Run one command; returns the exit code: 0 done, 1 a fault of the kit, 2 a refused input."""
    options = _parser().parse_args(argv)
    if not options.debug:
        warnings.simplefilter("ignore")  # of third parties; the kit says what matters itself
    try:
        with _json_alone(options.json):
            result, show = options.command(options)
        print(json.dumps(result, indent=1) if options.json else show(result))
        return 0 if result.get("ok", True) else 2
    except TfhkitError as error:
        return _fail(options, str(error), getattr(error, "exit_code", 2), error)
    except KeyboardInterrupt:
        return _fail(options, "stopped; finished steps are kept, the same command goes on", 130)
    except Exception as error:
        text = f"unforeseen {type(error).__name__}: {error}; --debug shows where"
        return _fail(options, text, 1, error)


def _fail(options, text, code, error=None):
    line = " ".join(text.split())
    if options.debug and error is not None:
        print(getattr(error, "traceback", ""), file=sys.stderr)
        raise error
    print(f"tfhkit: {line}", file=sys.stderr)
    if options.json:
        print(json.dumps({"error": line, "exit_code": code}))
    return code


@contextlib.contextmanager
def _json_alone(wanted):
    """Send all that is printed meanwhile, by libraries too, to standard error."""
    if not wanted:
        yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def _parser():
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print one JSON object")
    common.add_argument("--debug", action="store_true", help="show where an error came from")
    parser = _Parser(prog="tfhkit", description="Audio-driven talking heads, step by step.")
    parser.add_argument("--version", action="version", version=f"tfhkit {__version__}")
    commands = parser.add_subparsers(dest="name", metavar="COMMAND", required=True)

    def add(name, function, text):
        command = commands.add_parser(name, help=text, description=text, parents=[common])
        command.set_defaults(command=function)
        return command

    run = add("run", _run, "run the series of notebooks on a clip and a voice")
    run.add_argument("--clip", default="sample", metavar="F", help='a video, or "sample"')
    run.add_argument("--speech", default="sentence", metavar="F", help='a sound, or "sentence"')
    run.add_argument("--profile", default="quick", help="quick (CPU), full (GPU) or tiny (tests)")
    run.add_argument("--out", metavar="DIR", help="run directory (default: runs/ and the clip)")
    run.add_argument("--seed", type=int, default=0, metavar="N", help="of everything random")
    run.add_argument("--only", default="", metavar="01,02", help="run these notebooks only")
    run.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="values",
                     help="a notebook's parameter; 05.NAME=VALUE for one notebook")  # fmt: skip
    run.add_argument("--notebooks", metavar="DIR", help="folder of the notebooks")
    run.add_argument("--no-report", action="store_true", help=argparse.SUPPRESS)
    fit = add("fit", _fit, "fit the face model to a clip")
    fit.add_argument("clip", metavar="CLIP", help='a video, or "sample"')
    fit.add_argument("-o", "--output", metavar="FILE",
                     help="write the fit (.npz), or its coefficients (.mat)")  # fmt: skip
    fit.add_argument("--report", metavar="FILE",
                     help="draw the fit, before and after, on a page (.png or .pdf)")  # fmt: skip
    fit.add_argument("--frames", type=int, metavar="N", help="the first N frames only")
    fit.add_argument("--landmarks", default="auto", help="auto, fan or dlib")
    fit.add_argument("--model", default="open", help="face model: open, bfm09 or ict")
    fit.add_argument("--model-path", default="", metavar="P", help="its file or folder")
    portrait = add("portrait", _portrait, "let one picture speak")
    portrait.add_argument("picture", nargs="?", default="astronaut", metavar="IMAGE",
                          help='a picture of a face, or "astronaut"')  # fmt: skip
    portrait.add_argument("--speech", default="sentence", metavar="F", help="as for run")
    portrait.add_argument("-o", "--output", default="portrait.mp4", metavar="FILE.mp4")
    portrait.add_argument("--size", type=int, default=512, metavar="PX", help="side of the video")
    portrait.add_argument("--seed", type=int, default=0, metavar="N", help="of blinks and gaze")
    evaluate = add("evaluate", _evaluate, "judge a stage against what is known")
    evaluate.add_argument("stage", choices=["face"], metavar="STAGE", help="face")
    evaluate.add_argument("--clip", metavar="F", help='a clip to be fitted, too, or "sample"')
    evaluate.add_argument("--frames", type=int, default=300, metavar="N", help="of the clip")
    evaluate.add_argument("--heads", type=int, default=20, metavar="N", help="virtual heads")
    doctor = add("doctor", _doctor, "examine the installation, and a clip before it is used")
    doctor.add_argument("clip", nargs="?", metavar="CLIP")
    bench = add("bench", _bench, "time parts of the kit beside a peer, as ratios")
    bench.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    add("notebooks", _notebooks, "list the notebooks with their parameters")
    return parser


def _run(options):
    from tfhkit.series.report import run_and_report

    say = print if not options.json else (lambda line: print(line, file=sys.stderr))
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
    )
    return result, _show_run


def _show_run(result):
    if "report" not in result:
        return f"done in {result['seconds']:.0f} s"
    videos = [f"  {video}" for video in result["videos"]]
    return "\n".join(
        [f"done in {result['seconds']:.0f} s: {result['report']}", *videos]
    )  # fmt: skip


def _fit(options):
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


def _portrait(options):
    from tfhkit.series.measure import terminal_progress
    from tfhkit.series.portrait import make_portrait
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


def _evaluate(options):
    from tfhkit.series.measure import evaluate_face
    from tfhkit.series.tables import table

    result = evaluate_face(options.clip, options.frames, options.heads)
    return result, lambda r: table({n: v for n, v in r.items() if n != "landmarks_only"})


def _doctor(options):
    from tfhkit.series.doctor import examine, show

    return examine(options.clip), show


def _bench(options):
    from tfhkit.series.measure import run_benchmarks

    return run_benchmarks(options.names), _show_bench


def _show_bench(result):
    from tfhkit.series.tables import rows_table

    return "\n\n".join(f"{name}\n{rows_table(rows)}" for name, rows in result.items())


def _notebooks(options):
    from tfhkit.series.runner import describe

    return describe(), _show_notebooks


def _show_notebooks(result):
    lines = []
    for name, parameters in result.items():
        lines.append(name)
        for p in parameters:
            lines.append(f"  {p['name']}: {p['type']} = {p['default']!r}  {p['comment']}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
