# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What weights must have to measure stars."""

from astro_spectok.exceptions import WeightsError

__all__ = ["require_stellar_head"]


def require_stellar_head(runner):
    """Refuse weights without stellar labels.

    Parameters
    ----------
    runner : `~astro_spectok.engine.Runner`

    Raises
    ------
    WeightsError
    """
    # weights of earlier versions have no such part at all
    if getattr(runner.network, "stellar_head", None) is None:
        msg = (
            f"weights {runner.loaded.name!r} give no stellar parameters: their network has no stellar head; use "
            "others, see `spectok weights list`, or train one with `spectok pretrain --train-only stellar_head`"
        )
        raise WeightsError(msg)
