# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""General reader of spectra in text: columns with or without names, separated and commented in any habit."""

import re

import numpy as np

from astro_spectok.spectra.column_names import pick_roles
from astro_spectok.spectra.loaders._column_groups import find_numbered
from astro_spectok.spectra.loaders._draft import Draft, break_orders, build_spectra, guess_axis_unit, is_pixel_axis
from astro_spectok.spectra.loaders._formats import register_format
from astro_spectok.spectra.loaders._header_axis import read_header_axis
from astro_spectok.spectra.loaders._tables import Columns, read_columns, say_what
from astro_spectok.spectra.loaders._text_block import (
    are_dates,
    find_block,
    guess_names,
    read_block,
    read_text_header,
)
from astro_spectok.spectra.loaders._text_tidy import LEAST_ROWS, tidy_text

__all__ = ["read_text_table"]

#: fluxes that are all between these can only be logarithms
_LOGARITHMS = (-40.0, -5.0)
#: names of PHOENIX's spectra, whose fluxes are logarithms and whose wavelengths are in disorder
_PHOENIX = re.compile(r"^lte.*\.7(\.|$)|^lte.*bt-(settl|dusty|cond|nextgen)", re.IGNORECASE)
_VALUES = re.compile(r"^[-+.\d\s]+(?:[eEdD][-+\d.\s]+)*$")
#: share of wavelengths that may repeat the one before, as rounded ones do
_MOST_REPEATED = 0.4
#: fewest pixels of an order, on the mean, of a column that counts these
_LEAST_OF_ORDER = 50
#: letters that are looked at first, and rows among them, without another line, that are enough for a table
_GLANCE, _ENOUGH = 6000, 40


#: where a text begins that lists the pixels of an image below its cards, as IRAF's wtextimage does
_AXIS = re.compile(r"^\W*CRVAL1\s*=\s*[-+.\d]", re.MULTILINE)


def _read_pixels(source):
    """The axis of the cards of a text and the fluxes below them, or None: of one column, or as many as NAXIS1 says."""
    if not _AXIS.search(source.head):
        return None
    lines = source.text.split("\n")
    start = next((number for number, line in enumerate(lines) if _VALUES.match(line)), len(lines))
    header = read_text_header([line.lstrip("#;!% \t") for line in lines[:start]])
    try:
        values = np.array(" ".join(lines[start:]).split(), float)
    except ValueError:
        return None
    one_column = len(values) == sum(1 for line in lines[start:] if line.strip())
    axis = read_header_axis(header, len(values))
    if len(values) < LEAST_ROWS or axis is None or not (one_column or header.get("NAXIS1") == len(values)):
        return None
    return Draft(axis.wave, values, wave_unit=axis.unit, flux_unit=header.get("BUNIT"), header=header)


def _is_text(source):
    if _AXIS.search(source.head):
        return True
    # of most files the first lines are enough
    first = source.head[:_GLANCE].rpartition("\n")[0]
    _, rows, skipped = find_block(tidy_text(first).split("\n"))
    if len(rows) >= _ENOUGH and not skipped:
        return True
    rows = find_block(tidy_text(source.head).split("\n")[:4000])[1]
    return len(rows) >= LEAST_ROWS


@register_format("spectok text", kind="text", sniff=_is_text, general=True, takes=("columns",))
def read_text_table(source, options):
    """
    Read a spectrum from columns of text.

    Columns are separated by blanks, tabs, commas, semicolons or bars, and named in a line above the numbers, in a
    comment or not; without names the first two are wavelength and flux, and the third is an error. Comments begin with
    ``#``, ``;``, ``!``, ``%``, ``//``, ``@`` or ``\\``, and ``KEY = value`` in them goes into the header.

    Parameters
    ----------
    source : Source
    options : ReadOptions

    Returns
    -------
    list of `~specutils.Spectrum`

    Raises
    ------
    UnreadableFileError
        There are no columns of numbers.
    """
    if options.columns is None and (pixels := _read_pixels(source)) is not None:
        return build_spectra(pixels, source, options)
    wanted = {name.lower() for name in (options.columns or {}).values() if isinstance(name, str)}
    block = read_block(source.text, wanted)
    if block is None:
        raise source.refuse("is a text without columns of numbers", "give wavelength and flux in columns")
    _drop_count(block, options)
    if options.columns is None and block.names is not None and _contradict(block):
        block.names, block.units = None, {}
    names, guesses = (block.names, []) if block.names is not None else guess_names(block.numbers)
    if block.names is None and options.columns is None:
        names = _name_logarithms(block, source, names, guesses)
    if block.skipped:
        guesses.append(f"{block.skipped} lines among the numbers cannot be read: left out")
    if options.columns is None and block.names is None:
        _check_first_column(block, source, options)
    elif options.columns is None and "flux" not in pick_roles(names) and not find_numbered(names):
        raise source.refuse(say_what(names), "name them with columns='WAVE,FLUX,ERR'")
    names = [name if name not in names[:k] else f"{name} ({k + 1})" for k, name in enumerate(names)]
    units = {names[k]: unit for k, unit in block.units.items()}
    columns = Columns(names, lambda name: block.numbers[:, names.index(name)], units, {}, block.header)
    spectra = read_columns(columns, source, options)
    for spectrum in spectra:
        if guesses:
            spectrum.meta["guesses"] = (*guesses, *spectrum.meta.get("guesses", ()))
    return spectra


def _name_logarithms(block, source, names, guesses):
    """Names in which a flux of logarithms is called so."""
    flux = block.numbers[:, 1]
    flux = flux[np.isfinite(flux)]
    is_phoenix = _PHOENIX.search(source.name) is not None
    if is_phoenix and flux.size and 0.1 < np.median(np.abs(flux)) < np.abs(flux).max() < 100:
        # behind them stand a black body and departures from equilibrium: no errors
        block.numbers = block.numbers[np.argsort(block.numbers[:, 0], kind="stable"), :2]
        guesses[:] = []
        return ["wavelength", "log_flux"]
    if flux.size and _LOGARITHMS[0] < flux.min() and flux.max() < _LOGARITHMS[1]:
        return [name if name != "flux" else "log_flux" for name in names]
    return names


def _drop_count(block, options):
    """Take out a first row that counts the others, and a first column that counts pixels beside wavelengths."""
    if block.names is None and block.numbers[0, 0] == len(block.numbers) - 1 and (block.numbers[0] % 1 == 0).all():
        block.numbers = block.numbers[1:]
    if block.names is not None or options.columns is not None or block.numbers.shape[1] < 3:
        return
    if (order := _find_orders(block.numbers)) is not None:
        block.numbers = np.delete(block.numbers, order, axis=1)
        block.units = {k - (k > order): unit for k, unit in block.units.items() if k != order}
        if block.numbers.shape[1] < 3:
            return
    first, second = block.numbers[:, :2].T
    if is_pixel_axis(first) and not is_pixel_axis(second) and guess_axis_unit(second) is not None:
        step = np.diff(second)
        if (step > 0).all() or (step < 0).all():
            block.numbers = block.numbers[:, 1:]
            block.units = {k - 1: unit for k, unit in block.units.items() if k}


def _find_orders(numbers):
    """The column, first or second, that counts the orders of an echelle beside wavelengths; None without."""
    for k in (0, 1):
        column, other = numbers[:, k], numbers[:, 1 - k]
        if not (np.isfinite(column).all() and np.all(column == np.round(column))):
            continue
        step = np.diff(column)
        changes = np.count_nonzero(step)
        one_way = (step >= 0).all() or (step <= 0).all()
        if one_way and 0 < changes <= len(step) / _LEAST_OF_ORDER and guess_axis_unit(other) is not None:
            return k
    return None


def _contradict(block):
    """Whether the numbers say that names are none: the wavelengths by name are in disorder, the first column is not."""
    roles = pick_roles(block.names)
    if "wave" not in roles:
        return False
    named = block.names.index(roles["wave"][0])
    if named == 0 or not np.isfinite(block.numbers[:, [0, named]]).all():
        return False
    first, other = (np.diff(block.numbers[:, k]) for k in (0, named))
    ordered = (first > 0).all() or (first < 0).all()
    return bool(ordered and break_orders(block.numbers[:, named]) is None and not is_pixel_axis(block.numbers[:, 0])
                and np.ptp(np.sign(other)) > 0)  # fmt: skip


def _check_first_column(block, source, options):
    """Refuse a first column without a name that cannot hold wavelengths."""
    first = block.numbers[:, 0]
    if options.wave_unit is not None or 0 in block.units or is_pixel_axis(first):
        return
    if guess_axis_unit(first) is None:
        low, high = np.nanmin(first), np.nanmax(first)
        reason = f"has a first column from {low:.6g} to {high:.6g}, which are no wavelengths"
        raise source.refuse(reason, "name the columns with columns, wave_unit")
    finite = first[np.isfinite(first)]
    if break_orders(finite) is None or np.mean(np.diff(finite) == 0) > _MOST_REPEATED:
        raise source.refuse("has a first column in disorder: is a list of lines or another table", "name its columns")
    if are_dates(first):
        raise source.refuse("has a first column of Julian dates: is a light curve", "give a spectrum, or wave_unit")
