# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Small tables and sparklines for notebooks, light or dark: they take the colour of the text around them."""

from html import escape

import numpy as np

__all__ = ["make_html_table", "make_sparkline"]

#: width and height of a sparkline, and what stays free around it, in pixels
WIDTH, HEIGHT, MARGIN = 300, 40, 3
#: places across a sparkline: of the values at each, the lowest and the highest are drawn
PLACES = 150


def make_html_table(title, facts, pictures=()):
    """An HTML table of two columns.

    Parameters
    ----------
    title : str
    facts : iterable of (str, str)
        Names and texts; both are escaped.
    pictures : iterable of (str, str), optional
        Names, which are escaped, and pictures as HTML, which are not: those that this module makes.

    Returns
    -------
    str
    """
    cell = 'style="text-align:left;vertical-align:top"'
    rows = [(escape(str(name)), escape(str(text))) for name, text in facts]
    rows += [(escape(str(name)), picture) for name, picture in pictures if picture]
    body = "".join(f"<tr><th {cell}>{name}</th><td {cell}>{content}</td></tr>" for name, content in rows)
    caption = f'<caption style="text-align:left"><b>{escape(title)}</b></caption>'
    return f"<table>{caption}<tbody>{body}</tbody></table>"


def make_sparkline(x, y, *, label, marks=()):
    """A curve as a small picture without axes, in SVG.

    Parameters
    ----------
    x, y : array_like, shape (n,)
        NaN in ``y`` leaves a gap. Single wild values are cut off.
    label : str
        For those who do not see it.
    marks : sequence of float, optional
        Values of ``x`` to be marked by a line from top to bottom, the first one solid, the others dotted.

    Returns
    -------
    str
        '' if there are fewer than two values.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    good = np.isfinite(x) & np.isfinite(y)
    if np.count_nonzero(good) < 2 or not np.ptp(x[good]) > 0:
        return ""
    first, last = x[good].min(), x[good].max()
    low, high = _find_range(y[good])
    order = np.argsort(x, kind="stable")
    across = (x[order] - first) / (last - first)
    up = np.clip((y[order] - low) / (high - low), -0.1, 1.1)
    strokes = _make_path(across, np.where(good[order], up, np.nan))
    lines = ""
    for rank, mark in enumerate(marks):
        if first <= mark <= last:
            place = _across((mark - first) / (last - first))
            dots = ' stroke-dasharray="2 3"' if rank else ""
            lines += f'<path d="M{place:.1f} 0V{HEIGHT}" opacity="0.6"{dots}/>'
    return _wrap(f'{lines}<path d="{strokes}"/>', HEIGHT, label)


def _find_range(y):
    """Range of a plot: all values but single outliers, which peaks are not."""
    low, high = np.percentile(y, [0.2, 99.8])
    if len(y) < 500:
        low, high = y.min(), y.max()
    return low, high if high > low else low + 1.0


def _across(share):
    """Pixels from the left."""
    return MARGIN + share * (WIDTH - 2 * MARGIN)


def _make_path(across, up):
    """The commands of a path through the lowest and highest values of each place, with gaps where all are NaN."""
    place = np.minimum((across * PLACES).astype(int), PLACES - 1)
    out, pen = [], "M"
    thin = len(across) <= 2 * PLACES
    parts = np.arange(len(across)) if thin else place
    for part in np.unique(parts):
        values, where = up[parts == part], across[parts == part]
        if np.isnan(values).all():
            pen = "M"
            continue
        seen = np.array([np.nanargmin(values), np.nanargmax(values)])
        for k in dict.fromkeys(np.sort(seen).tolist()):
            height = HEIGHT - MARGIN - values[k] * (HEIGHT - 2 * MARGIN)
            out.append(f"{pen}{_across(where[k]):.1f} {height:.1f}")
            pen = "L"
    return "".join(out)


def _wrap(content, height, label):
    """A picture whose lines have the colour of the text around it, and which shrinks on small screens."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(label)}" width="{WIDTH}" '
        f'height="{height}" viewBox="0 0 {WIDTH} {height}" style="max-width:100%;overflow:hidden" fill="none" '
        f'stroke="currentColor" stroke-width="1">{content}</svg>'
    )
