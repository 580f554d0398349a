# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The table of figures in README.rst: what was aimed at, what was measured, and how much of it is missed."""

import re

from _tables import make_table

__all__ = ["BEGIN", "END", "HEADLINES", "collect_bars", "make_readme_block", "replace_block"]

BEGIN = ".. figures begin: written by benchmarks/write_tables.py\n"
END = ".. figures end\n"
NOT_MEASURED = "Not measured for the packaged weights.\n"
#: which figures stand for all: what they say, file of results, beginning of the name of the bar, how they are written
HEADLINES = (
    ("class of stars, LAMOST", "small_redshift_estimator", "LAMOST: stars, class right", "{:.1%} right"),
    ("class, SDSS and BOSS", "small_redshift_estimator", "SDSS/BOSS: class right", "{:.1%} right"),
    ("redshift of galaxies and stars within 1000 km/s, SDSS and BOSS", "small_redshift_estimator",
     "SDSS/BOSS: stars and galaxies", "{:.1%}"),
    ("redshift of quasars within 3000 km/s, SDSS and BOSS", "small_redshift_estimator", "SDSS/BOSS: quasars", "{:.1%}"),
    ("redshift within 1000 km/s, DESI commissioning", "small_redshift_estimator", "DESI:", "{:.1%}"),
    ("redshift within 1000 km/s, 6dFGS", "small_redshift_estimator", "6dFGS:", "{:.1%}"),
    ("redshift within 3000 km/s, VANDELS, z = 2.8 to 6.2", "small_redshift_estimator", "VANDELS: |dz|", "{:.1%}"),
    ("answers with ``zwarn`` 0 at S/N > 2, all surveys", "small_redshift_estimator", "real: of those it keeps, right",
     "{:.1%} right"),
    ("sky fibres of SDSS, flagged as empty", "small_redshift_estimator", "nothing to find, flagged: SDSS sky fibres",
     "{:.0%}"),
    ("radial velocity, scatter between visits, LAMOST", "small_redshift_estimator",
     "LAMOST: scatter of repeat visits", "{:.1f} km/s"),
    ("effective temperature, LAMOST", "small_stellar_parameters", "LAMOST: scatter of teff", "{:.0f} K"),
    ("surface gravity, LAMOST", "small_stellar_parameters", "LAMOST: scatter of logg", "{:.2f} dex"),
    ("[Fe/H], LAMOST", "small_stellar_parameters", "LAMOST: scatter of fe_h", "{:.2f} dex"),
)  # fmt: skip
OURS = "class, redshift, parameters of stars and galaxies, transients, tokens, embeddings, models"
#: other tools: what they give, and what they need
PEERS = (
    ("`redrock <https://github.com/desihub/redrock>`__", "class, redshift", "templates, resolution matrix"),
    ("specutils ``template_correlate``", "redshift", "a template, a rough redshift"),
    ("`ppxf <https://arxiv.org/abs/2208.14974>`__", "kinematics, stellar populations", "templates, a redshift"),
    ("`spender <https://github.com/pmelchior/spender>`__", "model of galaxies", "a redshift, weights for a survey"),
    (
        "`AION-1 <https://github.com/PolymathicAI/AION>`__",
        "tokens, embeddings",
        "a graphics card, spectra of SDSS or DESI",
    ),
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
    rows = [_make_row(next(bar for bar in bars[file] if bar["name"].startswith(name)), title, form)
            for title, file, name, form in HEADLINES]  # fmt: skip
    real = make_table("On real spectra that were not used in training", ["what", "measured", "spectra"], rows)
    galaxies = read("small_galaxies")
    peers = make_table("Compared with other tools", ["tool", "gives", "needs", "accuracy", "speed"],
                       _compare(read("redrock"), read("specutils"), read("encoders"), galaxies))  # fmt: skip
    digests = {file: content["sha256"][:12] for file in bars if (content := read(file))}
    now = digests.get("small_redshift_estimator", "")
    note = f"Measured with the packaged weights ({now})"
    others = (digests.get("redrock", now), galaxies["sha256"][:12] if galaxies else now)
    earlier = [digest for digest in dict.fromkeys(others) if digest != now]
    if earlier:
        note += f"; the comparison with earlier ones ({', '.join(earlier)})"
    note += "."
    return f"{BEGIN}\n{real}\n{peers}\n{note}\n\n{END}"


def _compare(redrock, specutils, encoders, galaxies):
    """Rows of the table of tools: accuracy and rate on the same spectra, where they were measured.

    Of encoders, which give no redshift, the rate is that of encoding beside ours.
    """
    costs = {row["name"]: row["ms"] for row in (encoders or {}).get("peers", []) if "ms" in row}
    one = next((row for row in redrock["sets"] if row["name"] == "one grid"), None) if redrock else None
    right, rate, ages = {}, {}, {}
    if one:
        unit = one["sides"]["redrock"]["per_second"]
        right["redrock"], rate["redrock"] = one["sides"]["redrock"]["within_0033"], 1
        right["astro_spectok"], rate["astro_spectok"] = one["sides"]["astro_spectok"]["within_0033"], one["ratio"]
        for tool in (specutils or {}).get("tools", []):
            name = f"specutils ``{tool['tool']}``"
            right[name], rate[name] = tool["within_0033"], tool["per_second"] / unit
    for row in (galaxies or {}).get("ppxf", []):
        if row["property"] == "age":
            ages = {"astro_spectok": row["estimator"]["scatter"], "ppxf": row["ppxf"]["scatter"]}
    rows = []
    for name, gives, needs in (("astro_spectok", OURS, "nothing"), *PEERS):
        short = re.sub(r"`([\w-]+) <.*", r"\1", name)
        cost = costs.get(short.lower().removesuffix("-1"))
        accuracy = [f"z right {right[short]:.0%}".replace("%", " %")] if short in right else []
        accuracy += [f"log age {ages[short]:.2f} dex"] if short in ages else []
        if short in rate:
            speed = f"{rate[short]:.3g} times redrock's" if rate[short] != 1 else "1"
        elif cost and "spectok" in costs:
            speed = f"encodes at {costs['spectok'] / cost:.2g} of ours"
        else:
            speed = "not measured"
        rows.append([name, gives, needs, "; ".join(accuracy) or "gives no redshift", speed])
    return rows


def _make_row(bar, title, form):
    """A line of the table: what, the figure as it is written, and of how many spectra."""
    measured = "not measured" if bar["measured"] is None else form.format(bar["measured"]).replace("%", " %")
    return [title, measured, bar["n"]]


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
