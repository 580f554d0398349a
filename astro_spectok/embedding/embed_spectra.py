# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`embed`: from anything specutils holds to vectors, alone or in a table."""

from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np
from astropy import units as u
from astropy.table import QTable

from astro_spectok.interface.columns import Column, lay_out, make_table
from astro_spectok.interface.containment import Containment, require_finite
from astro_spectok.interface.inputs import measure_facts, note_flags, prepare_inputs
from astro_spectok.interface.provenance import make_provenance, word_call
from astro_spectok.interface.streaming import measure_in_chunks
from astro_spectok.utils.host import own_state
from astro_spectok.utils.parts import check_parts

__all__ = ["embed", "embed_files", "embed_table"]

#: most characters of a message
LONGEST = 200
#: of a table of embeddings
COLUMNS = {
    "name": Column("name of the spectrum, where it has one", kind="text"),
    "embedding": Column("the spectrum as a vector", digits=3),
    "snr": Column("median signal-to-noise ratio of the good pixels", digits=1),
    "n_good": Column("number of good pixels", kind="int"),
    "wave_min": Column("first good wavelength, vacuum", u.AA, digits=1),
    "wave_max": Column("last good wavelength, vacuum", u.AA, digits=1),
    "warn": Column("what was noticed: bits of InputFlag", kind="int"),
    "message": Column("why it could not be used", kind="text"),
}


@own_state
def embed(
    obj: Any,
    *,
    parts: str | Sequence[str] | None = None,
    redshift: Any = None,
    weights: str | PathLike[str] | None = None,
    medium: str | None = None,
    resolution: Any = None,
    device: str = "auto",
    batch_tokens: int | None = None,
    progress: bool | None = None,
) -> np.ndarray:
    """Turn spectra into vectors, one for each.

    Compare vectors by their angle (cosine); they do not depend on the unit or scale of the flux, nor on the values in
    bad pixels. A vector has parts, each of which can be used alone:

    - ``'lines'``: principal components of the flux over its continuum, at rest: what an object is, whatever the
      calibration; found under the noise of the spectrum, and whitened by how the same star differs between instruments.
    - ``'colours'``: the same of the logarithm of the flux in wide bins at rest, 900 to 26000 Angstrom.
    - ``'redshift'``: which redshifts and classes are probable, as long as they are sure; zero for stars.
    - ``'learned'``: what the transformer has learned.
    - ``'stars'``, of weights that have it: which star it is and how it moves, learned from pairs of observations.

    ``parts='photometry'`` gives another vector instead, to be compared with those of fluxes in filters alone
    (`~astro_spectok.align.embed_photometry`).

    Parts that a spectrum does not constrain are zero.

    Parameters
    ----------
    obj, weights, medium, resolution, device, batch_tokens, progress
        As for `~astro_spectok.tokenize`, whose errors and warnings are raised here too.
    parts : str or sequence of str, optional
        Parts to return, in the order above. Default: all that the weights have.
    redshift : float or array_like of shape (n,), optional
        Redshifts of the objects, since lines and colours are those at rest. Where it is not given, or NaN, it is
        measured; ``spec.redshift`` is never used.

    Returns
    -------
    ndarray of float32, shape (E,), (n, E) or (y, x, E)
        (E,) for one spectrum; for several one row each, in their order, NaN for those that cannot be used. (y, x, E)
        for a cube.

    Raises
    ------
    TypeError, ValueError
        ``parts`` is not the name of a part, or the weights have no head for it; ``redshift`` is not a number above -1
        for each spectrum.

    Notes
    -----
    Weights without a head for the parts give ``'learned'`` alone, which is then the network's own vector as it is.
    Lines and colours of spectra with a given redshift need no transformer.

    Examples
    --------
    The same object on another scale and in another unit has the same vector:

    >>> import numpy as np
    >>> from astropy import units as u
    >>> from astro_spectok import embed
    >>> wavelength = np.linspace(4000, 7000, 640) * u.AA
    >>> flux = (2 + np.sin(wavelength.value / 200) + 0.01 * np.sin(np.arange(640))) * u.Jy
    >>> vectors = embed([(wavelength, flux), (wavelength.to(u.nm), 50 * flux)], medium="vacuum", device="cpu")
    >>> vectors.shape
    (2, 376)
    >>> a, b = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    >>> print(f"{a @ b:.3f}")
    1.000
    """
    check_parts(parts)
    batch, runner, single = prepare_inputs(
        obj, weights=weights, medium=medium, resolution=resolution, device=device, batch_tokens=batch_tokens
    )
    contained = Containment(batch, note_flags(batch, runner.loaded, single=single), single=single)
    vectors = _embed_batch(contained, runner, parts, redshift, progress)
    contained.warn()
    if batch.layout is not None:
        return vectors.reshape(*batch.layout.shape, -1)
    return vectors[0] if single else vectors


@own_state
def embed_table(
    obj: Any,
    *,
    parts: str | Sequence[str] | None = None,
    redshift: Any = None,
    weights: str | PathLike[str] | None = None,
    medium: str | None = None,
    resolution: Any = None,
    device: str = "auto",
    batch_tokens: int | None = None,
    progress: bool | None = None,
) -> QTable:
    """Turn spectra into vectors, in a table that also says what was noticed about each spectrum.

    One spectrum gives one row, and one that cannot be used a row with a flag.

    Parameters
    ----------
    obj, weights, medium, resolution, device, batch_tokens, progress
        As for `~astro_spectok.tokenize`, whose errors and warnings are raised here too.
    parts, redshift
        As for `embed`, whose errors are raised here too.

    Returns
    -------
    `~astropy.table.QTable`
        Columns ``name``, ``embedding`` (n, E), ``snr`` (median per good pixel), ``n_good`` (pixels), ``wave_min``,
        ``wave_max`` (of the good pixels, vacuum), ``warn`` (bits of `~astro_spectok.spectra.InputFlag`) and
        ``message``; of a cube they have its shape (y, x). The metadata name the weights, their sha256, the versions of
        the packages, the date (UTC), the call, and the parts of the embedding with their sizes (``embedding_parts``).

    Examples
    --------
    >>> import numpy as np
    >>> from astropy import units as u
    >>> from astro_spectok import embed_table
    >>> wavelength = np.linspace(4000, 7000, 640) * u.AA
    >>> flux = np.linspace(1, 2, 640) + 0.01 * np.sin(np.arange(640))
    >>> table = embed_table((wavelength, flux * u.Jy, np.full(640, 0.02) * u.Jy), medium="vacuum", device="cpu")
    >>> table.colnames
    ['name', 'embedding', 'snr', 'n_good', 'wave_min', 'wave_max', 'warn', 'message']
    >>> print(f"{table['n_good'][0]} pixels to {table['wave_max'][0]:.0f}, S/N {table['snr'][0]:.0f}")
    640 pixels to 7000 Angstrom, S/N 75
    """
    check_parts(parts)
    batch, runner, _ = prepare_inputs(
        obj, weights=weights, medium=medium, resolution=resolution, device=device, batch_tokens=batch_tokens,
        on_error="flag",
    )  # fmt: skip
    contained = Containment(batch, note_flags(batch, runner.loaded, single=False), single=False)
    vectors = _embed_batch(contained, runner, parts, redshift, progress)
    contained.warn()
    facts = np.array([measure_facts(batch, i) for i in range(len(batch))], dtype=float).reshape(-1, 4)
    arrays = {
        "name": np.array([info.name for info in batch.info], dtype=str),
        "embedding": vectors,
        "snr": facts[:, 0],
        "n_good": facts[:, 1].astype(np.int64),
        "wave_min": facts[:, 2],
        "wave_max": facts[:, 3],
        "warn": contained.flags,
        "message": np.array(contained.messages, dtype=str),
    }
    call = word_call("embed_table", parts=parts, weights=weights, medium=medium, resolution=resolution)
    # as text, which every format of tables can hold
    sizes = ", ".join(f"{name} {runner.embedder.find_size((name,))}" for name in runner.embedder.choose(parts))
    columns = COLUMNS if batch.axis.is_light else _name_axis(batch.axis, arrays)
    made = make_table(columns, arrays, make_provenance(runner.loaded, call) | {"embedding_parts": sizes})
    return lay_out(made, batch.layout)


@own_state
def embed_files(
    paths: str | PathLike[str] | Sequence[str | PathLike[str]],
    *,
    parts: str | Sequence[str] | None = None,
    file_format: str | None = None,
    weights: str | PathLike[str] | None = None,
    medium: str | None = None,
    resolution: Any = None,
    device: str = "auto",
    batch_tokens: int | None = None,
    progress: bool | None = None,
    **reading: Any,
) -> QTable:
    """Turn the spectra in files into vectors, in a table.

    Parameters
    ----------
    paths : str, path-like, or sequence of these
        Files of any format that specutils or this package reads; for weights of another axis (:ref:`sequences`) tables
        of sequences.
    parts : str or sequence of str, optional
        As for `embed`.
    file_format : str, optional
        specutils' name of the format of all of them; found out from each file if not given.
    weights, medium, resolution, device, batch_tokens, progress
        As for `~astro_spectok.tokenize`.
    **reading
        ``wave_unit``, ``flux_unit``, ``columns``, ``hdu``, ``join`` and ``spaxel`` of `~astro_spectok.read`, for what
        the files do not say.

    Returns
    -------
    `~astropy.table.QTable`
        As of `embed_table`, with a first column ``file``; one row for each spectrum, in order. A file that cannot be
        read is one flagged row.

    Raises
    ------
    ValueError
        ``paths`` is empty, or an option is not one of those there are.

    Warns
    -----
    WavelengthRangeWarning, FlaggedSpectraWarning
        As for `~astro_spectok.tokenize`.

    Examples
    --------
    >>> from astro_spectok import embed_files
    >>> from astro_spectok.example import EXAMPLE_PATH
    >>> table = embed_files([EXAMPLE_PATH], device="cpu")
    >>> print(table["name"][0], table["embedding"].shape)
    made-up galaxy (1, 376)
    """
    check_parts(parts)

    def measure(batch, progress):
        return embed_table(
            batch, parts=parts, weights=weights, device=device, batch_tokens=batch_tokens, progress=progress
        )

    table = measure_in_chunks(
        paths, measure, label="embed", file_format=file_format, medium=medium, resolution=resolution,
        progress=progress, weights=weights, **reading,
    )  # fmt: skip
    table.meta["call"] = word_call(
        "embed_files",
        parts=parts,
        file_format=file_format,
        weights=weights,
        medium=medium,
        resolution=resolution,
        **reading,
    )
    return table


def _name_axis(axis, arrays):
    """Columns of sequences along an axis that is none of wavelengths; their arrays get the new names."""
    ends = {"wave_min": ("axis_min", "first"), "wave_max": ("axis_max", "last")}
    columns = {}
    for old, column in COLUMNS.items():
        name, word = ends.get(old, (old, ""))
        columns[name] = Column(f"{word} good point, {axis.kind}", u.Unit(axis.unit), digits=4) if word else column
        arrays[name] = arrays.pop(old)
    return columns


def _embed_batch(contained, runner, parts, redshift, progress):
    """Vectors (n, E) of the spectra of a batch, NaN for those that cannot be used."""
    redshift = _check_redshift(redshift, len(contained.batch))
    names = runner.embedder.choose(parts)
    vectors = np.full((len(contained.batch), runner.embedder.find_size(names)), np.nan, np.float32)

    def measure(batch, index):
        known = None if redshift is None else redshift[index]
        return runner.embed_batch(batch, names, redshift=known, progress=progress)

    for i, vector in contained.run(measure):
        with contained.member(i):
            require_finite("embedding", vector)
            vectors[i] = vector
    return vectors


def _check_redshift(redshift, n):
    """Redshifts that are given, (n,), or None: above -1, or NaN where they are to be found."""
    if redshift is None:
        return None
    try:
        values = np.broadcast_to(u.Quantity(redshift, u.dimensionless_unscaled).value.astype(float), (n,))
    except (TypeError, ValueError, u.UnitsError):
        values = np.array([-np.inf])
    if np.isinf(values).any() or (values <= -1).any():
        msg = f"redshift must be a number above -1, or {n} of them, NaN where it is to be found; got {redshift!r}"
        raise ValueError(msg if len(msg) < LONGEST else f"{msg[: LONGEST - 3]}...")
    return values
