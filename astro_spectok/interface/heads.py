# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The head that an estimator needs, or words for weights that have none."""

from astro_spectok.exceptions import WeightsError

__all__ = ["require_head"]


def require_head(runner, kind, gives, remedy):
    """Name of the first head of a kind.

    Parameters
    ----------
    runner : `~astro_spectok.engine.Runner`
    kind : str
        As of `~astro_spectok.heads.list_heads`.
    gives, remedy : str
        What it gives, and how weights get one.

    Returns
    -------
    str

    Raises
    ------
    WeightsError
        The weights have none.
    """
    name = runner.find_head(kind)
    if name is None:
        msg = (
            f"weights {runner.loaded.name!r} give no {gives}: their network has no {kind} head; use others, see "
            f"`spectok weights list`, or {remedy}"
        )
        raise WeightsError(msg)
    return name
