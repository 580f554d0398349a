# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`Settings`: base of dataclasses that are stored in files, and read from them; `Rules`: those of a head."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self

__all__ = ["Rules", "Settings"]


@dataclass(frozen=True)
class Settings:
    """Numbers, strings and tuples of these, as attributes of a frozen dataclass that JSON can hold.

    A subclass lists in ``_former_names`` the names that attributes had in files written earlier.
    """

    _former_names: ClassVar[dict] = {}

    def to_dict(self) -> dict[str, Any]:
        """The attributes as JSON holds them.

        Returns
        -------
        dict
        """
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Inverse of `to_dict`; lists become tuples.

        Parameters
        ----------
        values : dict

        Returns
        -------
        Settings

        Raises
        ------
        ValueError
            There is no attribute of a name that is given, or a value is refused.
        """
        values = cls._rename(values)
        if unknown := sorted(set(values) - {one.name for one in fields(cls)}):
            msg = (
                f"{cls.__name__} has no field {', '.join(unknown)}: the weights were made by a newer version; "
                "upgrade astro_spectok, or what defines it"
            )
            raise ValueError(msg)
        return cls(**{name: _to_tuple(value) for name, value in values.items()})

    @classmethod
    def _rename(cls, values):
        """The values by the names that they have now."""
        return {cls._former_names.get(name, name): value for name, value in values.items()}


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


def _to_tuple(value):
    """Lists, which JSON makes of tuples, as tuples again."""
    return tuple(map(_to_tuple, value)) if isinstance(value, list | tuple) else value
