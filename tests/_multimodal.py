# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Small files in the layout of the Multimodal Universe."""

import numpy as np

N_PIXEL, PADDING = 300, 20


def make_rows(n, *, seed=0, step=1.0, level=1.0):
    """Arrays of ``n`` padded spectra with a standard deviation of 0.1; the flux of row ``i`` is about ``level + i``."""
    rng = np.random.default_rng(seed)
    wavelength = np.tile(5000 + step * np.arange(N_PIXEL), (n, 1))
    flux = level + np.arange(n)[:, None] + 0.1 * rng.normal(size=(n, N_PIXEL))
    ivar = np.full((n, N_PIXEL), 100.0)
    ivar[:, 7] = 0
    ivar[:, 8] = -1
    flux[:, 9] = np.nan
    flux[:, 11] = 1e6
    mask = np.zeros((n, N_PIXEL), bool)
    mask[:, 11] = True
    fill = {"lambda": -1, "flux": flux[:, -1:], "ivar": 0, "mask": True, "lsf_sigma": 1.0}
    rows = {"lambda": wavelength, "flux": flux, "ivar": ivar, "mask": mask, "lsf_sigma": np.ones((n, N_PIXEL))}
    padded = {key: np.broadcast_to(fill[key], (n, PADDING)) for key in rows}
    rows = {key: np.concatenate([array, padded[key]], axis=1) for key, array in rows.items()}
    return {key: array if key == "mask" else array.astype(np.float32) for key, array in rows.items()}


def write_hdf5(path, rows):
    """As the project's own scripts write it."""
    import h5py

    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for key, array in rows.items():
            file[f"spectrum_{key}"] = array
        file["object_id"] = np.arange(len(rows["flux"]))
        file["Z"] = np.zeros(len(rows["flux"]))


def write_parquet(path, rows, *, layout="struct of lists", row_group_size=2):
    """As the datasets library writes it, in this or an older version, or with flat columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    lists = {key: [row.tolist() for row in array] for key, array in rows.items()}
    n = len(rows["flux"])
    if layout == "flat":
        columns = {f"spectrum_{key}": values for key, values in lists.items()}
    elif layout == "struct of lists":
        columns = {"spectrum": [{key: values[i] for key, values in lists.items()} for i in range(n)]}
    else:
        pixels = [zip(*(values[i] for values in lists.values()), strict=True) for i in range(n)]
        columns = {"spectrum": [[dict(zip(lists, pixel, strict=True)) for pixel in row] for row in pixels]}
    columns |= {"object_id": [str(i) for i in range(n)], "image": [b"large"] * n}
    pq.write_table(pa.table(columns), path, row_group_size=row_group_size)
