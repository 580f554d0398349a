# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""``spectok weights``: list, describe and download sets of weights."""

from astro_spectok.cli.options import add_common_options, write_line

__all__ = ["add_weights"]


def add_weights(subparsers):
    """Add ``spectok weights list|info|download``."""
    description = "List, describe and download sets of weights."
    parser = subparsers.add_parser("weights", help=description, description=description)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    listing = actions.add_parser("list", help="list the sets that have a name")
    add_common_options(listing)
    listing.set_defaults(run=_run_weights_list)

    info = actions.add_parser("info", help="describe a set")
    info.add_argument("name", metavar="NAME|PATH", help="registry name or .safetensors file")
    add_common_options(info)
    info.set_defaults(run=_run_weights_info)

    download = actions.add_parser("download", help="download a set, unless it is already here, and print its path")
    download.add_argument("name", metavar="NAME", help="registry name")
    download.add_argument(
        "--mirror", action="append", default=[], metavar="URL", help="base URL to try first; may be repeated"
    )
    add_common_options(download)
    download.set_defaults(run=_run_weights_download)


def _run_weights_list(args):
    """Print the table of known sets."""
    from astro_spectok.weights import list_weights

    columns = ["name", "size", "wavelength_min", "wavelength_max", "packaged", "licence", "description"]
    for line in list_weights()[columns].pformat(max_lines=-1, max_width=-1, align="<"):
        write_line(line.rstrip())


def _run_weights_info(args):
    """Print what is known about one set or file."""
    from astro_spectok.weights import describe_weights
    from astro_spectok.weights.store import describe_file, is_path

    write_line(describe_file(args.name) if is_path(args.name) else describe_weights(args.name))


def _run_weights_download(args):
    """Find or download one set and print where it is."""
    from astro_spectok.config import conf
    from astro_spectok.weights import find_weights, get_entry

    entry = get_entry(args.name)
    with conf.set_temp("weights_mirrors", [*args.mirror, *conf.weights_mirrors]):
        write_line(find_weights(entry.name, progress=False if args.quiet else None))
