# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The kinds of heads that are known by name, and how to make another one known."""

from typing import TypeVar

from astro_spectok.heads.protocol import ABOUT, NEEDS, Head, HeadConfig

__all__ = ["build_head", "find_kind", "list_heads", "register_head"]

_KINDS: dict[str, type[Head]] = {}
_Kind = TypeVar("_Kind", bound=Head)


def register_head(cls: type[_Kind]) -> type[_Kind]:
    """Make a kind of head known, for this session; a decorator.

    Registering the same class again does nothing.

    Parameters
    ----------
    cls : type
        A subclass of `Head` with a ``kind`` of its own.

    Returns
    -------
    type
        The class.

    Raises
    ------
    TypeError
        It is no subclass of `Head`, or its ``config_class`` none of `HeadConfig`.
    ValueError
        ``kind`` or ``needs`` is not what it may be, or another class has that ``kind``.

    Examples
    --------
    >>> from astro_spectok.heads import Head, register_head
    >>> @register_head
    ... class Brightness(Head):
    ...     kind = "brightness"
    ...     needs = ("patches",)
    >>> Brightness.kind, Brightness.needs
    ('brightness', ('patches',))
    """
    if not (isinstance(cls, type) and issubclass(cls, Head) and issubclass(cls.config_class, HeadConfig)):
        msg = f"`cls` must be a subclass of Head whose config_class is one of HeadConfig, got {cls!r}"
        raise TypeError(msg)
    if not (cls.kind.isidentifier() and set(cls.needs) <= set(NEEDS)):
        msg = (
            f"`cls` must have a name as its kind, and needs out of {', '.join(NEEDS)}; got {cls.kind!r} and "
            f"{', '.join(cls.needs)}"
        )
        raise ValueError(msg)
    other = _KINDS.setdefault(cls.kind, cls)
    # a module that is read again makes its classes anew
    if (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
        msg = f"`cls` must have a kind of its own, got {cls.kind!r}, which is {other.__module__}.{other.__qualname__}"
        raise ValueError(msg)
    _KINDS[cls.kind] = cls
    return cls


def list_heads():
    """The kinds of heads that are known.

    Returns
    -------
    dict of str to type
    """
    return dict(sorted(_KINDS.items()))


def find_kind(kind):
    """The class of a kind of head.

    Parameters
    ----------
    kind : str

    Returns
    -------
    type

    Raises
    ------
    ValueError
        There is none of that name; the message lists those there are.
    """
    if kind not in _KINDS:
        msg = (
            f"`kind` must be one of the heads that are known, {', '.join(sorted(_KINDS))}; got {kind!r}; import the "
            "module that defines it and puts @astro_spectok.heads.register_head before its class"
        )
        raise ValueError(msg)
    return _KINDS[kind]


def build_head(kind, config, network, **about):
    """Make a head with random parameters.

    Parameters
    ----------
    kind : str
        Out of `list_heads`.
    config : `HeadConfig` or dict
    network : `~astro_spectok.network.NetworkConfig`
        Sizes of the network that it is for.
    **about : dict
        ``domain``, ``calibration``, ``rules``, ``provenance``, where known.

    Returns
    -------
    Head

    Raises
    ------
    ValueError
        The kind is not known, or ``config`` does not fit it.
    """
    cls = find_kind(kind)
    head = cls(config if isinstance(config, HeadConfig) else cls.config_class.from_dict(config), network)
    for name in ABOUT:
        setattr(head, name, dict(about.get(name) or getattr(head, name)))
    return head
