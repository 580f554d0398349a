# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Files of weights written again with more in their metadata."""

from astro_spectok.weights.format import CONFIG_KEY, read_metadata, read_weights, write_weights

__all__ = ["rewrite_weights"]


def rewrite_weights(source, target, values, *, overwrite=False):
    """Write a file of weights again, with some of its metadata replaced or added.

    Parameters
    ----------
    source, target : path-like
        May be the same with ``overwrite``.
    values : dict
        By key of the metadata, ready for JSON.
    overwrite : bool

    Returns
    -------
    `~pathlib.Path`
    """
    config, tensors = read_weights(source)
    own = {CONFIG_KEY, "astro_spectok_version", "content_sha256"}  # written anew
    metadata = {key: value for key, value in read_metadata(source).items() if key not in own}
    return write_weights(target, config, tensors, metadata=metadata | values, overwrite=overwrite)
