# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Small tables for notebooks."""

from html import escape

__all__ = ["make_html_table"]


def make_html_table(title, facts):
    """An HTML table of two columns.

    Parameters
    ----------
    title : str
    facts : iterable of (str, str)
        Names and texts; both are escaped.

    Returns
    -------
    str
    """
    rows = "".join(
        f'<tr><th style="text-align:left">{escape(str(name))}</th>'
        f'<td style="text-align:left">{escape(str(text))}</td></tr>'
        for name, text in facts
    )
    return f'<table><caption style="text-align:left"><b>{escape(title)}</b></caption><tbody>{rows}</tbody></table>'
