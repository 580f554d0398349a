# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What all estimators have in common: parameters that are stored as they are given, and files as input."""

import inspect

from astro_spectok.inputs import read_inputs
from astro_spectok.results.html import make_html_table

__all__ = ["Estimator"]


class Estimator:
    """An estimator in the manner of scikit-learn: parameters are stored unchanged, and validated when they are used.

    Subclasses take their parameters by name and store each under its name, and have
    ``estimate(obj, *, medium=None, resolution=None, progress=None)``.

    Examples
    --------
    >>> from astro_spectok.estimators import RedshiftEstimator
    >>> from astro_spectok.estimators.base import Estimator
    >>> estimator = RedshiftEstimator(device="cpu")
    >>> isinstance(estimator, Estimator)
    True
    >>> estimator.set_params(n_best=5, classes="GALAXY")
    RedshiftEstimator(device='cpu', classes='GALAXY', n_best=5)
    >>> estimator.get_params()["n_best"]
    5

    Files become rows of a table:

    >>> from astro_spectok.example import EXAMPLE_PATH
    >>> table = estimator.estimate_files([EXAMPLE_PATH])
    >>> print(f"{table['name'][0]}: {table['z'][0]:.3f}")
    made-up galaxy: 0.086
    """

    def get_params(self, deep=True):
        """The parameters by name.

        Parameters
        ----------
        deep : bool, optional
            Is there for scikit-learn and changes nothing.

        Returns
        -------
        dict
        """
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params):
        """Change parameters by name.

        Parameters
        ----------
        **params
            New values; they are checked when ``estimate`` uses them.

        Returns
        -------
        Estimator
            The same one.

        Raises
        ------
        ValueError
            There is no parameter of that name.
        """
        known = self.get_params()
        for name in params:
            if name not in known:
                msg = f"{type(self).__name__} has no parameter {name!r}; there are {', '.join(known)}"
                raise ValueError(msg)
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def estimate_files(self, paths, *, file_format=None, medium=None, resolution=None, progress=None, **kwargs):
        """Estimate for the spectra in files.

        Parameters
        ----------
        paths : str, path-like, or sequence of these
            Files of any format that specutils or this package reads.
        file_format : str, optional
            specutils' name of the format of all of them; found out from each file if not given.
        medium, resolution, progress, **kwargs
            As for ``estimate``.

        Returns
        -------
        `~astropy.table.QTable`
            As of ``estimate`` for many spectra, with the columns ``file`` and ``name`` before and ``message`` after
            them, which says why a spectrum could not be measured. A file that cannot be read is one flagged row.

        Raises
        ------
        ValueError
            ``paths`` is empty, or an option is not one of those there are.
        """
        batch, names = read_inputs(paths, file_format=file_format, medium=medium, resolution=resolution)
        table = self.estimate(batch, progress=progress, **kwargs)
        table.add_columns([names, [info.name for info in batch.info]], indexes=[0, 0], names=["file", "name"])
        table["message"] = [info.message for info in batch.info]
        return table

    def __repr__(self):
        changed = [
            f"{name}={getattr(self, name)!r}"
            for name, parameter in inspect.signature(type(self)).parameters.items()
            if getattr(self, name) is not parameter.default
        ]
        return f"{type(self).__name__}({', '.join(changed)})"

    def _repr_html_(self):
        return make_html_table(type(self).__name__, [(name, repr(x)) for name, x in self.get_params().items()])
