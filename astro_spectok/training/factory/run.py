# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""`build_weights`: from the data to the file of weights, stage by stage; it can be killed and gone on with."""

import time
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from os import PathLike
from pathlib import Path
from typing import Any

from astro_spectok.engine.device import choose_device
from astro_spectok.redshift.templates import TEMPLATES
from astro_spectok.simulate.public_sets import LIBRARY, find_sets
from astro_spectok.stellar.infrared_velocity import INFRARED_TEMPLATES
from astro_spectok.training.factory.assembly import PROVENANCE_KEY, assemble_weights, find_head, read_model
from astro_spectok.training.factory.folders import StageFolder
from astro_spectok.training.factory.provenance import describe_heads, describe_rest, describe_stages
from astro_spectok.training.factory.recipe import read_recipe
from astro_spectok.training.factory.stages import WEIGHTS, Work, find_stage, gather_parts
from astro_spectok.training.provenance import describe_code
from astro_spectok.utils.host import own_state
from astro_spectok.weights.integrity import compute_sha256
from astro_spectok.weights.store import find_weights

__all__ = ["build_weights"]

#: name of the last stage, which puts the parts together
LAST = "weights"


@own_state
def build_weights(
    recipe: str | PathLike[str],
    out: str | PathLike[str],
    *,
    data: str | PathLike[str] | None = None,
    start: str | PathLike[str] | None = None,
    stages: Sequence[str] = (),
    overwrite: bool = False,
    device: str = "auto",
    report: Callable[[str], Any] | None = None,
) -> Path | None:
    """Make a file of weights as a recipe says, from the data from beginning to end.

    Each stage writes into a folder of its own, whole or not at all, with the settings, the digests of the data, and
    those of what earlier stages made. The same call goes on where one before it was killed: stages that are done are
    taken as they are. What other settings or data made is refused.

    Parameters
    ----------
    recipe : str or path-like
        Name of a packaged recipe, or path of a TOML file; see `~astro_spectok.training.factory.read_recipe`.
    out : path-like
        Directory of the build; the file is ``weights/<name of the recipe>.safetensors`` in it.
    data : path-like, optional
        Directory of the public template sets; without it there are analytic templates alone, which are coarser, and no
        labelled stars.
    start : str or path-like, optional
        Weights, by name or path, that a recipe without pretraining gives new heads or calibrations.
    stages : sequence of str, optional
        Those that are carried out, all if not given: names of tables of the recipe, ``pretrain`` for all of its runs,
        and ``weights`` for the file. What they need must be among them or done.
    overwrite : bool, optional
        Whether a stage that other settings or data made is made anew.
    device : str, optional
        Where to compute; 'auto' takes the best there is.
    report : callable, optional
        Called with texts that report progress.

    Returns
    -------
    `~pathlib.Path` or None
        The file of weights; None where ``weights`` is not among the stages.

    Raises
    ------
    FileExistsError
        A stage in ``out`` was made of other settings or data, and ``overwrite`` is False.
    FileNotFoundError
        There is no such recipe or directory, a set that a stage needs is not there, or the stage before it is not done.
    TypeError, ValueError
        The recipe breaks a rule, needs ``start`` or data, or has no such stage.

    Examples
    --------
    One stage of the smallest recipe, on analytic stars:

    >>> import pathlib, tempfile
    >>> from astro_spectok.training.factory import build_weights
    >>> out = pathlib.Path(tempfile.mkdtemp())
    >>> build_weights("tiny", out, stages=["spectral_type"], device="cpu")
    >>> sorted(path.name for path in out.glob("*/*"))
    ['head.safetensors', 'inputs.json', 'stage.json']
    """
    return _Build(recipe, Path(out), data, start, overwrite, device, report or (lambda text: None)).run(stages)


class _Build:
    """One recipe in one directory."""

    def __init__(self, recipe, out, data, start, overwrite, device, report):
        self.recipe, self.out = read_recipe(recipe), out
        self.data = None if data is None else Path(data)
        self.start = None if start is None else find_weights(start)
        self.overwrite, self.device, self.report = overwrite, device, report
        self._digests = {}
        runs = [name for name in self.recipe.stages if find_stage(name).part == "backbone"]
        if runs and start is not None:
            msg = (
                f"start must not be given with a recipe that pretrains, got {start}; take [[pretrain]] out of the "
                "recipe, or take 'heads' or 'calibrate'"
            )
            raise ValueError(msg)
        if not runs and start is None:
            msg = (
                f"start must name the weights (--start-from) that {self.recipe.name!r} starts from, as it does not "
                "pretrain; give a registry name or a path"
            )
            raise ValueError(msg)

    @cached_property
    def sets(self):
        """The public sets that there are: dict of name to path."""
        return {} if self.data is None else find_sets(self.data, more=LIBRARY)

    @cached_property
    def model(self):
        """`~astro_spectok.heads.ModelConfig` of the weights that are being made, before heads are added."""
        runs = [one.model for one in self.recipe.stages.values() if hasattr(one, "model")]
        return runs[-1] if runs else read_model(self.start)

    def _check_stages(self, chosen):
        """Refuse what would fail after hours."""
        stages = self.recipe.stages
        for name in chosen:
            if find_stage(name).needs_data and not any(one in self.sets for one in find_stage(name).sets):
                msg = (
                    f"data must hold labelled stars for {name}: {' or '.join(find_stage(name).sets[:2])}; got "
                    f"{self.data}; see the documentation on training for where to get them"
                )
                raise FileNotFoundError(msg)
        held_out = getattr(stages.get("stellar"), "hold_out", False)
        if "calibrate_stellar" in chosen and not ("stellar_left_out" in stages or held_out):
            msg = (
                "calibrate_stellar needs a head that has not seen some of the stars; add a table [stellar_left_out] to "
                "the recipe, or hold_out = true to [stellar]"
            )
            raise ValueError(msg)
        for name, kind, remedy in (
            ("calibrate_redshift", "redshift", "give a network with one"),
            ("calibrate_stellar", "stellar", "add a table [stellar]"),
        ):
            if name in chosen and kind not in stages and find_head(self.model, kind) is None:
                msg = f"{name} needs a head to calibrate, which {self.model.name!r} has not; {remedy}, or take it out"
                raise ValueError(msg)
        if not self.model.network.dct_coefficients and any(find_stage(name).part == "stellar" for name in chosen):
            msg = (
                f"network.dct_coefficients must be above 0 for a stellar head, got 0 in {self.model.name!r}; give 16, "
                "say, or take the stages of stellar heads out"
            )
            raise ValueError(msg)

    def run(self, wanted):
        """Carry out the stages that are wanted, all if none is named."""
        names = [*self.recipe.stages, LAST]
        unknown = [one for one in wanted if one not in {*names, *(name.partition("-")[0] for name in names)}]
        if unknown:
            msg = f"stages must be among {', '.join(names)}; got {unknown[0]!r}; correct it, or add it to the recipe"
            raise ValueError(msg)
        chosen = [name for name in names if not wanted or name in wanted or name.partition("-")[0] in wanted]
        self._check_stages([name for name in chosen if name != LAST])
        self.out.mkdir(parents=True, exist_ok=True)
        for name in chosen:
            if name == LAST:
                return self._write_weights()
            self._run_stage(name)
        return None

    def _run_stage(self, name):
        """Carry out one stage, unless it is done."""
        stage, folder, report = find_stage(name), StageFolder(self.out, name), partial(self._report, name)
        inputs = self._describe_inputs(name)
        if folder.is_done(inputs, overwrite=self.overwrite):
            report("taken as it is")
            return
        folder.begin(inputs)
        report("begins")
        begin = time.monotonic()
        work = Work(
            self.recipe.stages[name], self.data, folder.part, self._find_needed(name), self._find_base(name),
            self.model, self.device, report,
        )  # fmt: skip
        outputs, figures = stage.run(work)
        about = {
            "seconds": round(time.monotonic() - begin, 1),
            "device": str(choose_device(self.device)),
            "code": describe_code(),
            "figures": figures,
        }
        folder.finish(outputs, about)
        report(f"done in {about['seconds']:.0f} s")

    def _report(self, name, text):
        self.report(f"{name}: {text}")

    def _find_done(self, name, asked_by):
        """Folder of a stage that is done, as the recipe has it now."""
        folder = StageFolder(self.out, name)
        if not folder.is_done(self._describe_inputs(name)):
            msg = f"{asked_by} needs {name}, which is not done in {self.out}; name it in stages too, or leave them out"
            raise FileNotFoundError(msg)
        return folder.path

    def _find_needed(self, name):
        """Folders of the stages whose files a stage reads: dict by name."""
        return {one: self._find_done(one, name) for one in find_stage(name).needs if one in self.recipe.stages}

    def _find_base(self, name):
        """Weights that a stage starts from: of the last pretraining before it, or those given; None for none."""
        settings = None if name == LAST else self.recipe.stages[name]
        goes_on = getattr(settings, "go_on", False) or getattr(settings, "refine", False)
        if name != LAST and not (find_stage(name).uses_base or goes_on):
            return None
        runs = [one for one in self.recipe.stages if find_stage(one).part == "backbone"]
        before = runs[: runs.index(name)] if name in runs else runs
        return self._find_done(before[-1], name) / WEIGHTS if before else self.start

    def _digest(self, path):
        """SHA-256 digest of a file that stays as it is, computed once."""
        if path not in self._digests:
            self._digests[path] = compute_sha256(path)
        return self._digests[path]

    def _describe_inputs(self, name):
        """All that the result of a stage depends on, but for the code."""
        stage, base = find_stage(name), self._find_base(name)
        wanted = [one for one in self.sets if one not in LIBRARY] if stage.sets is None else stage.sets
        read = {one: path for one, path in self.sets.items() if one in wanted}
        inputs = {
            "settings": self.recipe.stages[name].to_dict(),
            "data": {one: self._digest(path) for one, path in sorted(read.items())},
            "needs": {one: StageFolder(self.out, one).read()["outputs"] for one in self._find_needed(name)},
        }
        if base is not None:
            inputs["needs"]["base"] = compute_sha256(base)
        if stage.sizes:
            values = self.model.network.to_dict()
            inputs["network"] = {field: values[field] for field in stage.sizes}
        if stage.uses_templates:
            inputs["templates"] = {path.name: self._digest(path) for path in (TEMPLATES, INFRARED_TEMPLATES)}
        return inputs

    def _write_weights(self):
        """Put the parts together."""
        done = {name: self._find_done(name, LAST) for name in self.recipe.stages}
        base, folder = self._find_base(LAST), StageFolder(self.out, LAST)
        records = {name: StageFolder(self.out, name).read() for name in done}
        inputs = {
            "recipe": {"name": self.recipe.name, "sha256": self.recipe.sha256},
            "needs": {name: record["outputs"] for name, record in records.items()} | {"base": compute_sha256(base)},
        }
        path = f"{self.recipe.name}.safetensors"
        # cheap, and made of what has been looked at: whatever is there gives way
        if not folder.is_done(inputs, overwrite=True):
            folder.begin(inputs)
            stages = describe_stages(records)
            heads, about = gather_parts(self.model, done)
            for name, provenance in describe_heads(stages, self.model, base, heads).items():
                about.setdefault(name, {})["provenance"] = provenance
            metadata = {"name": self.recipe.name, PROVENANCE_KEY: describe_rest(stages, self.recipe, self.start)}
            assemble_weights(base, folder.part / path, heads=heads, about=about, metadata=metadata)
            folder.finish([path], {"code": describe_code()})
        return folder.path / path
