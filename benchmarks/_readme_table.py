# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The table of figures in README.rst: what was aimed at, what was measured, and how much of it is missed."""

import re

from _tables import make_table, show

__all__ = ["BEGIN", "END", "HEADLINES", "collect_bars", "make_readme_block", "replace_block"]

BEGIN = ".. figures begin: written by benchmarks/write_tables.py\n"
END = ".. figures end\n"
NOT_MEASURED = "Not measured for the packaged weights.\n"
#: which figures stand for all: file of results, and beginning of the name of the bar there
HEADLINES = (
    ("small_redshift_estimator", "LAMOST: stars, class right"),
    ("small_redshift_estimator", "LAMOST: scatter of repeat visits"),
    ("small_redshift_estimator", "SDSS/BOSS: class right"),
    ("small_redshift_estimator", "SDSS/BOSS: stars and galaxies"),
    ("small_redshift_estimator", "SDSS/BOSS: quasars"),
    ("small_redshift_estimator", "DESI:"),
    ("small_redshift_estimator", "6dFGS:"),
    ("small_redshift_estimator", "VANDELS:"),
    ("small_redshift_estimator", "sim_redrock: class and z right, S/N 2"),
    ("small_redshift_estimator", "real: right ones at S/N > 2 that zwarn 0 keeps"),
    ("small_redshift_estimator", "real: of those it keeps, right"),
    ("small_redshift_estimator", "real: p_best wrong by, worst bin"),
    ("small_redshift_estimator", "real: PIT"),
    ("small_redshift_estimator", "nothing to find, flagged: SDSS sky fibres"),
    ("redrock", "redrock, one grid"),
    ("redrock", "redrock, grids of their own"),
    ("small_stellar_parameters", "MILES: scatter of teff"),
    ("small_stellar_parameters", "LAMOST: scatter of teff"),
    ("small_stellar_parameters", "LAMOST: scatter of fe_h"),
    ("small_stellar_parameters", "APOGEE emulator, S/N 100: scatter of teff"),
    ("small_real_spectra", "recall@1, LAMOST repeats"),
    ("small_real_spectra", "recall@1, simulated pairs SDSS-like and DESI-like"),
    ("small_real_spectra", "reconstruction: chi2 per good pixel"),
)


def collect_bars(read):
    """All bars of all files of results.

    Parameters
    ----------
    read : callable
        Gives the content of a file of results by its name, None if it is not there.

    Returns
    -------
    dict of str to list of dict
        By file the rows ``name, bar, measured, met, n``. What the network alone and the estimator are both scored for
        stands with the estimator.
    """
    bars = {}
    for file in ("small_redshift_estimator", "small_stellar_parameters", "small_real_spectra"):
        content = read(file)
        bars[file] = content["bars"] if content else []
    named = {bar["name"] for bar in bars["small_redshift_estimator"]}
    bars["small_real_spectra"] = [bar for bar in bars["small_real_spectra"] if bar["name"] not in named]
    redrock = read("redrock")
    bars["redrock"] = [
        {"name": f"spectra per CPU-second over those of redrock, {row['name']}", "bar": str(row["bar"]),
         "measured": row["ratio"], "met": row["met"], "n": row["n"]}
        for row in (redrock["sets"] if redrock else [])
    ]  # fmt: skip
    return bars


def make_readme_block(read):
    """The block, from its first comment to its last."""
    bars = collect_bars(read)
    every = [bar for rows in bars.values() for bar in rows]
    if not every:
        return f"{BEGIN}\n{NOT_MEASURED}\n{END}"
    missed = sum(bar["met"] is False for bar in every)
    rows = [_make_row(next(bar for bar in bars[file] if _fits(bar["name"], name)), file) for file, name in HEADLINES]
    digests = sorted({content["sha256"][:12] for file in bars if (content := read(file))})
    text = (
        f"Of {len(every)} figures that were aimed at, {sum(bar['met'] is True for bar in every)} are met and {missed} "
        f"missed with the packaged weights ({', '.join(digests)}). The main results of both:\n"
    )
    return f"{BEGIN}\n{text}\n{make_table('', ['what', 'aimed at', 'measured', 'met', 'n'], rows)}\n{END}"


def _fits(name, wanted):
    """Whether a bar is the one of a headline."""
    if wanted.startswith("redrock, "):
        return name.endswith(wanted)
    return name.startswith(wanted)


def _make_row(bar, file):
    met = {True: "yes", False: "**no**", None: "not measured"}[bar["met"]]
    name = re.sub(r"\|", r"\\|", bar["name"])
    title = f"network: {name}" if file == "small_real_spectra" else name
    # where a bar says no direction, more is better
    aim = bar["bar"] if re.search(r"[<>]|to", bar["bar"]) else f">= {bar['bar']}"
    return [title, aim, show(bar["measured"], 0 if file == "redrock" else 3), met, bar["n"]]


def replace_block(page, block):
    """The page with its block replaced.

    Raises
    ------
    ValueError
        The page has not exactly one such block.
    """
    found = page.count(BEGIN), page.count(END)
    if found != (1, 1):
        msg = f"page must hold one block from {BEGIN.strip()!r} to {END.strip()!r}; found {found} of these lines"
        raise ValueError(msg)
    before, rest = page.split(BEGIN)
    return before + block + rest.split(END)[1]
