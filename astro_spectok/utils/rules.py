# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`Rules`: base of what code does with numbers that were fitted to a head."""

from dataclasses import dataclass, fields
from typing import ClassVar

from astro_spectok.utils.settings import Settings

__all__ = ["Rules"]


@dataclass(frozen=True)
class Rules(Settings):
    """Thresholds and limits of a head: without defaults, since its numbers are those of the weights.

    A subclass lists in ``_added`` what files written earlier have not, with what stands in its place.
    """

    _added: ClassVar[dict] = {}

    @classmethod
    def from_dict(cls, values):
        """The rules that a head holds.

        Parameters
        ----------
        values : dict
            As of `to_dict`; what is not known here is left out.

        Returns
        -------
        Rules

        Raises
        ------
        ValueError
            A number is missing.
        """
        names = [one.name for one in fields(cls)]
        values = cls._added | cls._rename(values)
        if missing := [name for name in names if name not in values]:
            msg = (
                f"the rules of a head must hold {', '.join(names)}; {', '.join(missing)} are missing: write the "
                "weights again with this version, which puts them in"
            )
            raise ValueError(msg)
        return cls(**{name: values[name] for name in names})
