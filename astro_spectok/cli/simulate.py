# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""``spectok simulate``: labelled spectra, with images where they are asked for."""

from astro_spectok.cli.options import add_common_options, count_spectra, positive_int, split_names, write_line

__all__ = ["add_simulate"]


def add_simulate(subparsers):
    """Add ``spectok simulate``."""
    description = "Simulate labelled spectra of every kind of object, seen with every kind of instrument."
    parser = subparsers.add_parser("simulate", help=description, description=description)
    parser.add_argument("-n", "--number", type=positive_int, required=True, metavar="N", help="number of objects")
    parser.add_argument(
        "-o", "--out", required=True, metavar="DIR|FILE", help="directory for FITS files, or a .parquet file"
    )
    parser.add_argument("--data", metavar="DIR", help="public template sets (default: analytic templates, cruder)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the random numbers (default: 0)")
    parser.add_argument(
        "--families", type=split_names, metavar="A,B",
        help="galaxies, quasars, stars, blends, supernovae, sky, blazars (default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--instruments", type=split_names, metavar="A,B",
        help="names of instruments, or random; a wrong name lists them (default: all those used in training)",
    )  # fmt: skip
    parser.add_argument(
        "--snr", nargs=2, type=float, metavar=("LOW", "HIGH"),
        help="range of the median signal-to-noise ratio per pixel (default: mostly 1 to 100)",
    )  # fmt: skip
    parser.add_argument(
        "--views", type=positive_int, default=1, metavar="N", help="number of instruments that see each object"
    )
    parser.add_argument(
        "--max-pixels",
        type=positive_int,
        default=8192,
        metavar="N",
        help="cut spectra longer than this (default: 8192)",
    )
    parser.add_argument(
        "--images", metavar="SURVEY",
        help="legacy or sdss: also make an image of each object, in HDF5 files in --out (needs GalSim)",
    )  # fmt: skip
    # not the common option: what is drawn depends on it
    parser.add_argument(
        "--device", default="cpu",
        help="cpu, cuda, cuda:0 or auto (default: cpu; other devices draw different spectra from the same seed)",
    )  # fmt: skip
    add_common_options(parser, "overwrite")
    parser.set_defaults(run=_run_simulate)


def _run_simulate(args):
    """Write the spectra and say how many."""
    from astro_spectok.simulate.export import write_simulated

    if args.images is not None:
        _simulate_pairs(args)
        return
    names = ("seed", "data", "families", "instruments", "snr", "views", "max_pixels")
    options = {name: getattr(args, name) for name in names}
    path = write_simulated(
        args.out, args.number, **options, device=args.device, overwrite=args.overwrite,
        progress=False if args.quiet else None,
    )  # fmt: skip
    if not args.quiet:
        made = "" if args.data else ", made of analytic templates (coarser than those of --data)"
        objects = f"{args.number} object{'s' * (args.number > 1)}"
        write_line(f"{path}: {count_spectra(args.number * args.views)} of {objects}{made}")


def _simulate_pairs(args):
    """Write pairs of a spectrum and an image; the same command goes on where one before it was stopped."""
    from astro_spectok.training.image_pairs import write_image_pairs

    for name, usual in (("views", 1), ("max_pixels", 8192), ("device", "cpu"), ("overwrite", False)):
        if getattr(args, name) != usual:
            msg = f"{name} must be left out with --images, whose files are made once, on the processor"
            raise ValueError(msg)
    options = {name: getattr(args, name) for name in ("seed", "data", "families", "instruments", "snr")}
    write_image_pairs(
        args.out, args.number, imaging=args.images, **options, report=None if args.quiet else write_line
    )  # fmt: skip
    if not args.quiet:
        made = "" if args.data else ", made of analytic templates (coarser than those of --data)"
        write_line(f"{args.out}: {args.number} pairs of a spectrum and an image{made}")
