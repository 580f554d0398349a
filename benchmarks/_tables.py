# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Figures as the cells and tables of the documentation."""

__all__ = ["make_bars", "make_table", "show", "show_snr"]


def make_table(title, header, rows):
    """A reStructuredText list table."""
    lines = [f".. list-table:: {title}".rstrip(), "   :header-rows: 1", ""]
    for row in [header, *rows]:
        lines += [f"   {'*' if k == 0 else ' '} - {cell}" for k, cell in enumerate(row)]
    return "\n".join(lines) + "\n"


def make_bars(title, content):
    """What was aimed at, and what was measured, of one file of results."""
    words = {True: "yes", False: "**no**", None: "not measured"}
    rows = [
        [bar["name"].replace("|", "\\|"), bar["bar"], show(bar["measured"], 3), words[bar["met"]], bar["n"]]
        for bar in content["bars"]
    ]
    limit = f", at most {content['limit']} spectra of each set" if content["limit"] else ""
    title = f"{title}; weights {content['sha256'][:12]}{limit}"
    return make_table(title, ["figure", "bar", "measured", "met", "n"], rows)


def show(value, digits=2):
    """A figure, shorter where it is large; a dash for what could not be measured."""
    if value is None:
        return "–"
    return f"{value:.{digits}f}" if abs(value) < 100 else f"{value:.0f}"


def show_snr(group):
    """A range of signal-to-noise ratios, from ``snr_low`` to ``snr_high``; None or beyond a million is no bound."""
    low, high = group["snr_low"], group["snr_high"]
    open_low, open_high = low is None or low < -1e6, high is None or high > 1e6
    if open_low:
        return "all" if open_high else f"< {high:g}"
    return f"> {low:g}" if open_high else f"{low:g}-{high:g}"
