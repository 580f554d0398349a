# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What was learned as a file, and as a repository of the Hugging Face hub."""

from collections.abc import Callable
from os import PathLike
from typing import Any, Self

from astro_spectok.utils.host import own_state

__all__ = ["StoredModel"]


class StoredModel:
    """The doors of a fitted estimator to files and to the hub; `~astro_spectok.adapt.base.SpectrumModel` has them."""

    _check_fitted: Callable[[], None]

    def save(self, path: str | PathLike[str], *, overwrite: bool = False, card: str = "") -> Any:
        """Write what was learned, without the network, as one safetensors file.

        Parameters
        ----------
        path : str or path-like
            Must end in ``.safetensors``.
        overwrite : bool, optional
            Whether to replace a file that exists.
        card : str, optional
            A note for others: where the labels come from, what it is for.

        Returns
        -------
        `~pathlib.Path`
            The file.

        Raises
        ------
        FileExistsError
            The file exists and ``overwrite`` is False.
        """
        from astro_spectok.adapt.files import write_model

        self._check_fitted()
        return write_model(self, path, overwrite=overwrite, card=card)

    @classmethod
    @own_state
    def load(
        cls, path: str | PathLike[str], *, weights: Any = None, device: str = "auto", batch_tokens: int | None = None
    ) -> Self:
        """Read what ``save`` wrote.

        Parameters
        ----------
        path : str or path-like
            The file.
        weights : str or path-like, optional
            Registry name or path of the weights that it was fitted with; found by their name if not given.
        device : str, optional
        batch_tokens : int, optional
            As for `~astro_spectok.tokenize`.

        Returns
        -------
        SpectrumRegressor or SpectrumClassifier

        Raises
        ------
        `~astro_spectok.exceptions.WeightsError`
            The file is none of this kind, damaged or altered, or the weights are others than it needs.
        """
        from astro_spectok.adapt.files import read_model

        return read_model(path, cls, weights=weights, device=device, batch_tokens=batch_tokens)

    def push_to_hub(
        self,
        repo_id: str | PathLike[str],
        *,
        token: str | None = None,
        private: bool = False,
        message: str = "",
        card: str = "",
    ) -> str:
        """Write what was learned to a repository of the Hugging Face hub, with a card; needs the extra ``hub``.

        Parameters
        ----------
        repo_id : str or path-like
            ``owner/name``, or a folder on this machine, which needs no library; made if it is not there.
        token : str, optional
            Of the owner; that of ``hf auth login`` if not given.
        private : bool, optional
            Whether a new repository is.
        message : str, optional
            Of the commit.
        card : str, optional
            As for ``save``; it heads the page of the repository, whose figures are those of the validation.

        Returns
        -------
        str
            Where it is.

        Raises
        ------
        ImportError
            The library of the hub is not installed.
        ValueError
            ``repo_id`` is no name of a repository.
        sklearn.exceptions.NotFittedError
            Nothing was fitted yet.
        """
        from astro_spectok.adapt.hub import upload_model

        return upload_model(self, repo_id, token=token, private=private, message=message, card=card)

    @classmethod
    def from_hub(
        cls,
        repo_id: str | PathLike[str],
        *,
        revision: str | None = None,
        token: str | None = None,
        weights: Any = None,
        device: str = "auto",
        batch_tokens: int | None = None,
    ) -> Self:
        """Read what ``push_to_hub`` wrote; needs the extra ``hub``, but for a local folder.

        Parameters
        ----------
        repo_id : str or path-like
            ``owner/name``, or a folder on this machine that holds such a repository.
        revision : str, optional
            Branch, tag or commit.
        token : str, optional
            For what is private.
        weights, device, batch_tokens
            As for ``load``.

        Returns
        -------
        SpectrumRegressor or SpectrumClassifier

        Raises
        ------
        ImportError
            The library of the hub is not installed.
        ValueError
            ``repo_id`` is neither a name nor a folder.
        `~astro_spectok.exceptions.WeightsError`
            The file is none of this kind, damaged or altered, or the weights are others than it needs.
        """
        from astro_spectok.adapt.hub import download_model

        path = download_model(repo_id, revision=revision, token=token)
        return cls.load(path, weights=weights, device=device, batch_tokens=batch_tokens)
