# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`Rules`: base of what code does with numbers that were fitted to a head."""

from dataclasses import asdict, dataclass, fields
from typing import ClassVar

__all__ = ["Rules"]


@dataclass(frozen=True)
class Rules:
    """Thresholds and limits of a head: without defaults, since its numbers are those of the weights.

    A subclass lists in ``_former_names`` the names that rules had in files written earlier.
    """

    _former_names: ClassVar[dict] = {}

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
        values = {cls._former_names.get(name, name): value for name, value in values.items()}
        if missing := [name for name in names if name not in values]:
            msg = (
                f"the rules of a head must hold {', '.join(names)}; {', '.join(missing)} are missing: write the "
                "weights again with this version, which puts them in"
            )
            raise ValueError(msg)
        return cls(**{name: values[name] for name in names})

    def to_dict(self):
        """The numbers as JSON holds them.

        Returns
        -------
        dict
        """
        return asdict(self)
