# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Fitted estimators on the Hugging Face hub, through its own library, which is an extra."""

import os
import tempfile
from pathlib import Path

from astro_spectok.adapt.files import describe_model

__all__ = ["FILE", "download_model", "make_card", "upload_model"]

#: name of a fitted estimator in a repository
FILE = "model.safetensors"


def _import_hub():
    try:
        import huggingface_hub
    except ImportError as error:
        msg = "the hub needs its own library: pip install 'astro_spectok[hub]'; save(...) and load(...) do without"
        raise ImportError(msg) from error
    return huggingface_hub


def _check_repo(repo_id):
    parts = repo_id.split("/") if isinstance(repo_id, str) else []
    if len(parts) != 2 or not all(parts):
        msg = f"repo_id must be the name of a repository, 'owner/name'; got {repo_id!r}"
        raise ValueError(msg)
    return repo_id


def _find_folder(repo_id):
    """The folder on this machine that is meant, None for a repository: a path, or text that names one that exists."""
    if isinstance(repo_id, str):
        folder = Path(repo_id).expanduser()
        return folder if folder.is_dir() else None
    return Path(repo_id).expanduser() if isinstance(repo_id, os.PathLike) else None


def _write_repo(model, folder, name, card):
    """Write what a repository holds: the model, and its page."""
    model.save(folder / FILE, card=card, overwrite=True)
    (folder / "README.md").write_text(make_card(folder / FILE, name))


def upload_model(model, repo_id, *, token=None, private=False, message="", card=""):
    """Write a fitted estimator to a repository; the arguments are those of its method ``push_to_hub``."""
    model._check_fitted()
    local = _find_folder(repo_id)
    if local is not None:
        local.mkdir(parents=True, exist_ok=True)
        _write_repo(model, local, local.name, card)
        return str(local)
    _check_repo(repo_id)
    hub = _import_hub()
    api = hub.HfApi(token=token)
    with tempfile.TemporaryDirectory() as folder:
        _write_repo(model, Path(folder), repo_id, card)
        api.create_repo(repo_id, private=private, exist_ok=True, repo_type="model")
        done = api.upload_folder(
            repo_id=repo_id, folder_path=folder, repo_type="model", commit_message=message or f"Upload {model._kind}"
        )
    return str(done)


def download_model(repo_id, *, revision=None, token=None, filename=FILE):
    """Path of a fitted estimator of a repository, in the cache of the hub's library; or in a local folder."""
    local = _find_folder(repo_id)
    if local is not None:
        # a repository that was cloned, or that a colleague has sent
        return local / filename
    _check_repo(repo_id)
    return Path(_import_hub().hf_hub_download(repo_id, filename, revision=revision, token=token))


def make_card(path, repo_id):
    """The page of a repository, in Markdown: what the file says about itself, and how it is used."""
    about = describe_model(path)
    cls = "SpectrumRegressor" if about["kind"] == "regressor" else "SpectrumClassifier"
    lines = [
        "---", "library_name: astro_spectok", "tags: [astronomy, spectroscopy]", "---", "", f"# {repo_id}", "",
        about["card"] or "An estimator of astro_spectok for labels of one's own.", "",
        f"- learned from {about['n_labelled']} labelled spectra of {about['n_spectra']}",
        f"- needs the weights {about['backbone']['name']} (backbone {about['backbone']['sha256'][:12]})",
    ]  # fmt: skip
    for name, figures in about["validation"].items():
        if isinstance(figures, dict):
            said = ", ".join(f"{k} {v:.4g}" for k, v in figures.items() if isinstance(v, int | float))
            lines.append(f"- {name}, spectra that were left out: {said}")
        elif isinstance(figures, int | float):
            lines.append(f"- {name}, spectra that were left out: {figures:.4g}")
    lines += ["", "```python", f"from astro_spectok.adapt import {cls}", f'model = {cls}.from_hub("{repo_id}")', "```"]
    return "\n".join([*lines, ""])
