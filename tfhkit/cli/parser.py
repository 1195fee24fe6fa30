"""The commands of `tfhkit` and their options."""

import argparse

from tfhkit import __version__
from tfhkit.cli import commands


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def build_parser():
    """The ArgumentParser; `options.command(options)` gives (result, function that shows it)."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print one JSON object")
    common.add_argument("--debug", action="store_true", help="show where an error came from")
    parser = _Parser(prog="tfhkit", description="Audio-driven talking heads, step by step.")
    parser.add_argument("--version", action="version", version=f"tfhkit {__version__}")
    listed = parser.add_subparsers(dest="name", metavar="COMMAND", required=True)

    def add(name, function, text):
        command = listed.add_parser(name, help=text, description=text, parents=[common])
        command.set_defaults(command=function)
        return command

    run = add("run", commands.run, "run the series of notebooks on a clip and a voice")
    run.add_argument("--clip", default="sample", metavar="F", help='a video, or "sample"')
    run.add_argument("--speech", default="sentence", metavar="F", help='a sound, or "sentence"')
    run.add_argument("--profile", default="quick", help="quick (CPU), full (GPU) or tiny (tests)")
    run.add_argument("--out", metavar="DIR", help="run directory (default: runs/ and the clip)")
    run.add_argument("--seed", type=int, default=0, metavar="N", help="random seed")
    run.add_argument("--only", default="", metavar="01,02", help="run these notebooks only")
    run.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="values",
        help="a notebook's parameter; 05.NAME=VALUE for one notebook",
    )
    run.add_argument("--notebooks", metavar="DIR", help="folder of the notebooks")
    run.add_argument(
        "--progress", metavar="FILE", help="write the progress to this file, as JSON lines"
    )
    run.add_argument("--no-report", action="store_true", help=argparse.SUPPRESS)
    fit = add("fit", commands.fit, "fit the face model to a clip")
    fit.add_argument("clip", metavar="CLIP", help='a video, or "sample"')
    fit.add_argument(
        "-o", "--output", metavar="FILE", help="write the fit (.npz), or its coefficients (.mat)"
    )
    fit.add_argument(
        "--report", metavar="FILE", help="draw the fit, before and after, on a page (.png or .pdf)"
    )
    fit.add_argument("--frames", type=int, metavar="N", help="the first N frames only")
    fit.add_argument("--landmarks", default="auto", help="auto, face-alignment or dlib")
    fit.add_argument("--model", default="open", help="face model: open, bfm09 or ict")
    fit.add_argument("--model-path", default="", metavar="P", help="its file or folder")
    portrait = add("portrait", commands.portrait, "make one picture speak")
    portrait.add_argument(
        "picture",
        nargs="?",
        default="astronaut",
        metavar="IMAGE",
        help='a picture of a face, or "astronaut"',
    )
    portrait.add_argument(
        "--speech", default="sentence", metavar="F", help='a sound, or "sentence"'
    )
    portrait.add_argument(
        "-o",
        "--output",
        default="portrait.mp4",
        metavar="FILE.mp4",
        help="the video to write (default: portrait.mp4)",
    )
    portrait.add_argument("--size", type=int, default=512, metavar="PX", help="side of the video")
    portrait.add_argument(
        "--seed", type=int, default=0, metavar="N", help="random seed of blinks and gaze"
    )
    evaluate = add(
        "evaluate", commands.evaluate, "score one stage against ground truth and baselines"
    )
    evaluate.add_argument(
        "stage",
        choices=["face", "motion", "refine"],
        metavar="STAGE",
        help="face (fitting), motion (from sound), refine (GAN)",
    )
    evaluate.add_argument(
        "--clip", metavar="F", help='a video, or "sample" (motion, refine: the default)'
    )
    evaluate.add_argument(
        "--frames",
        type=int,
        default=300,
        metavar="N",
        help="frames of the clip to fit (face) or to learn from (motion, refine)",
    )
    evaluate.add_argument(
        "--heads", type=int, default=20, metavar="N", help="face: number of virtual heads"
    )
    evaluate.add_argument(
        "--speakers", type=int, default=24, metavar="N", help="motion: number of virtual speakers"
    )
    evaluate.add_argument(
        "--fit", metavar="FILE", help="motion, refine: the clip's fit, written by fit -o"
    )
    evaluate.add_argument(
        "--curve", action="store_true", help="motion: also train with fewer and with more frames"
    )
    evaluate.add_argument(
        "--steps", type=int, metavar="N", help="refine: training steps (default: the profile's)"
    )
    evaluate.add_argument(
        "--size", default="small", help="refine: size of the generator: small, medium or paper"
    )
    evaluate.add_argument(
        "--ablations",
        action="store_true",
        help="refine: also leave out each part of the method in turn",
    )
    evaluate.add_argument(
        "--seed", type=int, default=0, metavar="N", help="motion, refine: random seed"
    )
    correlate = add("correlate", commands.correlate, "correlate sound and head pose (App. A)")
    correlate.add_argument(
        "clip", nargs="?", default="sample", metavar="CLIP", help='a video, or "sample"'
    )
    correlate.add_argument(
        "-o",
        "--output",
        metavar="FILE.csv",
        help="write all estimates, with their settings, as a table",
    )
    correlate.add_argument(
        "--fit", metavar="FILE", help="the fit of the whole clip, written by fit -o"
    )
    correlate.add_argument("--frames", type=int, metavar="N", help="the first N frames only")
    correlate.add_argument(
        "--radius",
        type=float,
        default=0.5,
        metavar="R",
        help="radius of the neighbourhood, as a share of |s|",
    )
    correlate.add_argument(
        "--min-gap",
        type=float,
        default=1.0,
        metavar="S",
        help="least time between the two frames of a pair, in seconds",
    )
    correlate.add_argument(
        "--max-lag",
        type=float,
        default=1.0,
        metavar="S",
        help="largest lag between head and voice, in seconds",
    )
    correlate.add_argument(
        "--axis", default="all", help="angle to compare: all, pitch, yaw or roll"
    )
    correlate.add_argument(
        "--nulls",
        type=int,
        default=200,
        metavar="N",
        help="surrogate tracks in each null distribution",
    )
    correlate.add_argument("--seed", type=int, default=0, metavar="N", help="random seed")
    hs = add("hs", commands.hs, "compare how two heads move (Eq. 6), with baselines")
    hs.add_argument(
        "real",
        metavar="A",
        help="the real motion: a fit (.npz), coefficients (.mat), a table "
        "(.csv: time,pitch,yaw,roll in degrees), a video, or a part of its "
        'frames: "FILE[300:]"',
    )
    hs.add_argument(
        "generated", metavar="B", help="the motion to compare with it, in any of these forms"
    )
    hs.add_argument("--training", metavar="C", help="the training part of the same person's motion")
    hs.add_argument(
        "--span", default="real", metavar="S", help="divisor of W1: real, real95, both, or degrees"
    )
    hs.add_argument("--bins", type=int, default=64, metavar="N", help="bins of the histograms")
    hs.add_argument(
        "--fps", type=float, default=25.0, metavar="R", help="frames per second of a .mat file"
    )
    hs.add_argument("--seed", type=int, default=0, metavar="N", help="random seed of the bootstrap")
    corpus = add("corpus", commands.corpus, "make a corpus of virtual speakers")
    corpus.add_argument(
        "-o",
        "--output",
        metavar="FILE.npz",
        help="write sound features, expression and pose for training",
    )
    corpus.add_argument(
        "--speakers", type=int, default=40, metavar="N", help="number of virtual speakers"
    )
    corpus.add_argument(
        "--seconds", type=float, default=180.0, metavar="S", help="speech per speaker, in seconds"
    )
    corpus.add_argument(
        "--language", metavar="L", help="one language for all, such as en-us (default: many)"
    )
    corpus.add_argument(
        "--lrw", metavar="DIR", help="write clips of single words, laid out like LRW"
    )
    corpus.add_argument("--words", metavar="A,B", help="--lrw: English words")
    for split, count in (("train", 4), ("val", 1), ("test", 1)):
        corpus.add_argument(
            f"--{split}", type=int, default=count, metavar="N", help="--lrw: clips of each word"
        )
    corpus.add_argument("--seed", type=int, default=0, metavar="K", help="random seed")
    corpus.add_argument("--workers", type=int, default=2, metavar="W", help="number of processes")
    doctor = add("doctor", commands.doctor, "check the installation, or a clip before you use it")
    doctor.add_argument("clip", nargs="?", metavar="CLIP", help="a video to check")
    bench = add("bench", commands.bench, "time parts of the kit against a peer, as ratios")
    bench.add_argument(
        "names", nargs="*", metavar="NAME", help="what to time (default: everything)"
    )
    lab = add("lab", commands.lab, "open JupyterLab on your own copies of the notebooks, in work/")
    lab.add_argument("--port", type=int, metavar="N", help="port (default: the next free one)")
    lab.add_argument("--no-browser", action="store_true", help="only print the address")
    lab.add_argument(
        "options",
        nargs="*",
        metavar="OPTION",
        help="options for jupyter lab, after --, such as -- --allow-root",
    )
    app = add("app", commands.app, "open a page that makes a video from your clip and voice")
    app.add_argument(
        "--port", type=int, metavar="N", help="port (default: 8866, or the next free one)"
    )
    app.add_argument("--no-browser", action="store_true", help="only print the address")
    add("notebooks", commands.notebooks, "list the notebooks with their parameters")
    return parser
