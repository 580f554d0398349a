# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A survey as a HATS catalogue, for LSDB."""

import logging

import numpy as np

__all__ = ["write_hats"]

log = logging.getLogger(__name__)

#: names by which inputs call right ascension and declination in degrees
POSITIONS = (("ra", "dec"), ("RA", "DEC"), ("TARGET_RA", "TARGET_DEC"))


def write_hats(found, path, **options):
    """Write the results as a HATS catalogue; all of them are in memory.

    Parameters
    ----------
    found : `~astro_spectok.survey.Survey`
    path : path-like
        Folder of the catalogue.
    **options
        Of ``lsdb.from_dataframe``.

    Raises
    ------
    ImportError
        lsdb is not installed.
    ValueError
        There are no columns of positions.
    """
    try:
        import lsdb
    except ImportError as error:
        msg = "HATS catalogues need lsdb: pip install lsdb"
        raise ImportError(msg) from error
    import pyarrow.parquet as parquet

    names = parquet.read_schema(found.paths[0]).names
    pair = next((pair for pair in POSITIONS if set(pair) <= set(names)), None)
    if pair is None:
        msg = f"a HATS catalogue needs positions, and the results have none of {POSITIONS}; name theirs with keep"
        raise ValueError(msg)
    table = parquet.read_table(found.out / "results")
    import pandas as pd

    frame = table.to_pandas(types_mapper=pd.ArrowDtype)
    known = np.isfinite(frame[list(pair)].to_numpy(float)).all(axis=1)
    if not known.all():
        log.warning("%d of %d spectra have no position and are not in %s", (~known).sum(), len(known), path)
    options = {"catalog_name": "spectok", "ra_column": pair[0], "dec_column": pair[1]} | options
    lsdb.from_dataframe(frame[known].reset_index(drop=True), **options).write_catalog(path)
