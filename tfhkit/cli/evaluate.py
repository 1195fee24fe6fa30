"""`tfhkit evaluate`: score one stage against ground truth and baselines."""

TEXT = "score one stage against ground truth and baselines"


def add_arguments(command):
    """The options of this command."""
    command.add_argument(
        "stage",
        choices=["face", "motion", "refine"],
        metavar="STAGE",
        help="face (fitting), motion (from sound), refine (GAN)",
    )
    command.add_argument(
        "--clip", metavar="F", help='a video, or "sample" (motion, refine: the default)'
    )
    command.add_argument(
        "--frames",
        type=int,
        default=300,
        metavar="N",
        help="frames of the clip to fit (face) or to learn from (motion, refine)",
    )
    command.add_argument(
        "--heads", type=int, default=20, metavar="N", help="face: number of virtual heads"
    )
    command.add_argument(
        "--speakers", type=int, default=24, metavar="N", help="motion: number of virtual speakers"
    )
    command.add_argument(
        "--fit", metavar="FILE", help="motion, refine: the clip's fit, written by fit -o"
    )
    command.add_argument(
        "--curve", action="store_true", help="motion: also train with fewer and with more frames"
    )
    command.add_argument(
        "--steps", type=int, metavar="N", help="refine: training steps (default: the profile's)"
    )
    command.add_argument(
        "--size", default="small", help="refine: size of the generator: small, medium or paper"
    )
    command.add_argument(
        "--ablations",
        action="store_true",
        help="refine: also leave out each part of the method in turn",
    )
    command.add_argument(
        "--seed", type=int, default=0, metavar="N", help="motion, refine: random seed"
    )


def call(options):
    """Run the command: its result, and the function that shows it."""
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
