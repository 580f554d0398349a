# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The kinds of heads that are known by name, and how to make another one known."""

from typing import TypeVar

from astro_spectok.heads.protocol import ABOUT, NEEDS, Head, HeadConfig

__all__ = ["build_head", "find_kind", "list_heads", "register_head"]

_KINDS: dict[str, type[Head]] = {}
_Kind = TypeVar("_Kind", bound=Head)


def register_head(head: type[_Kind]) -> type[_Kind]:
    """Register a kind of head for this session; a decorator.

    Registering the same class again does nothing.

    Parameters
    ----------
    head : type
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
    >>> from astro_spectok.heads import Head, list_heads, register_head
    >>> @register_head
    ... class BrightnessHead(Head):
    ...     kind = "brightness"
    >>> list_heads()["brightness"] is BrightnessHead
    True
    """
    if not (isinstance(head, type) and issubclass(head, Head) and issubclass(head.config_class, HeadConfig)):
        msg = f"`head` must be a subclass of Head whose config_class is one of HeadConfig, got {head!r}"
        raise TypeError(msg)
    if not (head.kind.isidentifier() and set(head.needs) <= set(NEEDS)):
        msg = (
            f"`head` must have a name as its kind, and needs out of {', '.join(NEEDS)}; got {head.kind!r} and "
            f"{', '.join(head.needs)}"
        )
        raise ValueError(msg)
    other = _KINDS.setdefault(head.kind, head)
    # a module that is read again makes its classes anew
    if (other.__module__, other.__qualname__) != (head.__module__, head.__qualname__):
        msg = f"`head` must have a kind of its own, got {head.kind!r}, which is {other.__module__}.{other.__qualname__}"
        raise ValueError(msg)
    _KINDS[head.kind] = head
    return head


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
