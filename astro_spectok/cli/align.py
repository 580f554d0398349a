# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""``spectok align``: an image tower from a folder of pairs."""

from astro_spectok.cli.options import add_common_options, make_report, positive_int, split_names

__all__ = ["add_align"]


def add_align(subparsers):
    """Add ``spectok align``."""
    description = (
        "Train an image tower on pairs of an image and a spectrum, so that both lie in one space. The pairs are HDF5 "
        "or Parquet files in the layout of the Multimodal Universe. Repeat the command to resume a stopped run."
    )
    parser = subparsers.add_parser(
        "align", help="train an image tower on pairs of an image and a spectrum", description=description
    )
    parser.add_argument(
        "pairs",
        metavar="PAIRS",
        help="folder of .hdf5 or .parquet files, such as those from 'spectok simulate --images'",
    )
    parser.add_argument("-o", "--out", required=True, metavar="FILE", help="output: .safetensors")
    parser.add_argument("--bands", type=split_names, metavar="A,B", help="bands to use, in order (default: all)")
    parser.add_argument(
        "--filters",
        type=split_names,
        metavar="A,B",
        help="filters of the bands, in order, such as decamDR1-g,decamDR1-r: begin with the head for photometry",
    )
    parser.add_argument("--network", metavar="NAME", help="network of timm, such as resnet18 (default: a small one)")
    parser.add_argument("--size", type=positive_int, metavar="N", help="pixels of the images (default: at most 64)")
    for name, default, text in (
        ("width", 16, "channels of the first layer"),
        ("batch", 256, "pairs per step"),
        ("steps", 1000, "steps"),
    ):
        parser.add_argument(
            f"--{name}", type=positive_int, default=default, metavar="N", help=f"{text} (default: {default})"
        )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the random numbers (default: 0)")
    parser.add_argument(
        "--validation",
        type=float,
        default=0.1,
        metavar="SHARE",
        help="share of the objects used to measure recall (default: 0.1)",
    )
    parser.add_argument("--folder", metavar="DIR", help="folder for checkpoints (default: FILE.run)")
    parser.add_argument("--medium", choices=("vacuum", "air"), help="medium of the wavelengths (default: vacuum)")
    parser.add_argument("--card", default="", metavar="TEXT", help="note for users of the file, stored in it")
    add_common_options(parser, "weights", "device", "overwrite")
    parser.set_defaults(run=_run_align)


def _run_align(args):
    """Train, with a line now and then, and write the file."""
    from astro_spectok.align.image_training import align_images

    names = (
        "bands", "filters", "network", "size", "width", "batch", "steps", "seed", "validation", "folder", "medium",
        "card",
    )  # fmt: skip
    options = {name: getattr(args, name) for name in (*names, "weights", "device", "overwrite")}
    align_images(args.pairs, args.out, **options, report=make_report(args.quiet))
