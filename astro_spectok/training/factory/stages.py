# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The stages that make weights: what each needs, reads and writes. The work itself is done elsewhere in this room."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch

from astro_spectok.engine import Runner
from astro_spectok.engine.device import choose_device
from astro_spectok.heads import ModelConfig
from astro_spectok.redshift.integrated_light import INTEGRATED_LIGHT
from astro_spectok.redshift.templates import TEMPLATES
from astro_spectok.simulate.public_sets import SIMULATED, STORED
from astro_spectok.simulate.stellar_grid import GridStars
from astro_spectok.simulate.stellar_models import ApogeeStars
from astro_spectok.simulate.templates import TemplateStore
from astro_spectok.simulate.white_dwarfs import WhiteDwarfs
from astro_spectok.stellar.infrared_velocity import INFRARED_TEMPLATES
from astro_spectok.stellar.white_dwarfs import WHITE_DWARF_MODELS
from astro_spectok.training.calibrate_galaxy import calibrate_galaxy
from astro_spectok.training.calibrate_redshift import calibrate_redshift
from astro_spectok.training.calibrate_stellar import calibrate_stellar
from astro_spectok.training.embedding_parts import make_embedding_head
from astro_spectok.training.factory.assembly import assemble_weights, find_head, write_head
from astro_spectok.training.galaxy_head import train_galaxy_head
from astro_spectok.training.infrared_templates import make_infrared_templates
from astro_spectok.training.integrated_light import make_integrated_light
from astro_spectok.training.library import make_library
from astro_spectok.training.library_rows import SETS as LIBRARY_SPECTRA
from astro_spectok.training.loop import pretrain
from astro_spectok.training.photometry_head import make_photometry_head
from astro_spectok.training.rest_templates import make_templates
from astro_spectok.training.spectral_type import train_spectral_type
from astro_spectok.training.star_vector import train_star_vector
from astro_spectok.training.stellar_head import train_stellar_head
from astro_spectok.training.stellar_populations import have_sets
from astro_spectok.training.stellar_tokens import add_filtered
from astro_spectok.training.transient_head import make_transient_head
from astro_spectok.training.transient_rules import STAR_SETS
from astro_spectok.training.transient_types import TRANSIENT_SETS
from astro_spectok.training.white_dwarf_models import make_white_dwarf_models
from astro_spectok.weights import load_weights

__all__ = ["HEAD", "STAGES", "WEIGHTS", "Stage", "Work", "find_stage", "gather_parts"]

#: files that stages write
WEIGHTS, HEAD, LEFT_OUT = "weights.safetensors", "head.safetensors", "left_out.safetensors"
#: folder of pairs that a head of photometry is trained on
PAIRS = "pairs"
CALIBRATION, RULES = "calibration.json", "rules.json"
REST, INFRARED = "rest_templates.safetensors", "infrared_templates.safetensors"
DWARFS, MANY_STARS = "white_dwarf_models.safetensors", "integrated_light.safetensors"
#: sets that labelled stars are made of, and what their simulated surveys read besides
LABELLED = (*GridStars.needs, *ApogeeStars.needs, *GridStars.uses, *WhiteDwarfs.needs, *WhiteDwarfs.uses)
STELLAR_SURVEY = (*LABELLED, "sdss_sky_real")
#: sets that a library is made of, and what its simulated objects are made of
LIBRARY_SETS = tuple(
    dict.fromkeys([*SIMULATED, *STORED, *(name for sets in LIBRARY_SPECTRA.values() for name in sets)])
)
#: sets that a library of transients is made of, and what it is to be separated from
TRANSIENT = tuple(dict.fromkeys([*TRANSIENT_SETS, *STAR_SETS, *SIMULATED, *STORED]))
#: what a stellar head depends on
SIZES = ("patch", "dct_coefficients")


class Work(NamedTuple):
    """Inputs of a stage.

    Attributes
    ----------
    settings
        Of the stage, see `~astro_spectok.training.factory.settings`.
    data : `~pathlib.Path` or None
        Directory of the public template sets; None for analytic templates.
    folder : `~pathlib.Path`
        To write into; holds what a run that was cut short has left.
    done : dict of str to `~pathlib.Path`
        Folders of the stages that it needs and the recipe has.
    base : `~pathlib.Path` or None
        Weights that it starts from: of the last pretraining before it, or those that are given.
    model : `~astro_spectok.heads.ModelConfig`
        Of the weights that are being made, before heads are added.
    device : str
    report : callable
        Is given a text now and then.
    """

    settings: object
    data: Path | None
    folder: Path
    done: dict
    base: Path | None
    model: ModelConfig
    device: str
    report: Callable


@dataclass(frozen=True)
class Stage:
    """A stage.

    Attributes
    ----------
    part : str
        What of the weights it makes: ``backbone``, ``templates``, or a kind of head.
    run : callable
        Carries out a `Work`; gives names of the files that it wrote, and figures of how it went, ready for JSON.
    needs : tuple of str
        Stages whose files it reads, where the recipe has them.
    sets : tuple of str, optional
        Public sets that it reads, of those there are; None for all.
    uses_base : bool
        Whether it reads the weights that it starts from.
    sizes : tuple of str
        Sizes of the network that its result depends on.
    needs_data : bool
        Whether there must be a directory of public sets.
    uses_templates : bool
        Whether it reads the templates that come with the package.
    """

    part: str
    run: Callable
    needs: tuple = ()
    sets: tuple | None = None
    uses_base: bool = False
    sizes: tuple = ()
    needs_data: bool = False
    uses_templates: bool = False


def _pretrain(work):
    """Weights, log and loss curve."""
    settings = work.settings
    steps = settings.training.steps

    def show(step, row):
        work.report(f"step {step} of {steps}: loss {row['loss']:.3f}, {row['spectra_per_s']:.0f} spectra/s")

    path = pretrain(
        work.data, work.folder, settings.model, settings.training, start=work.base, train_only=settings.train_only,
        resume=True, device=work.device, on_step=show,
    )  # fmt: skip
    path.rename(work.folder / WEIGHTS)
    return [WEIGHTS], {}


def _templates(work):
    """Rest-frame templates, those of the H band, models of white dwarfs, and the rule for light of many stars."""
    settings = work.settings
    numbers = {"GALAXY": settings.galaxies, "QSO": settings.quasars, "STAR": settings.stars}
    left = make_templates(work.data, work.folder / REST, numbers, settings.seed, report=work.report)
    outputs = [REST]
    store = TemplateStore(work.data)
    if settings.infrared_stars and ApogeeStars.usable(store):
        path, n, seed = work.folder / INFRARED, settings.infrared_stars, settings.infrared_seed
        left["H band"] = make_infrared_templates(work.data, path, n, seed, report=work.report)
        outputs.append(INFRARED)
    if WhiteDwarfs.usable(store):
        left["white dwarfs"] = make_white_dwarf_models(work.data, work.folder / DWARFS, report=work.report)
        outputs.append(DWARFS)
    if settings.single_stars and have_sets(work.data):
        path, n, seed = work.folder / MANY_STARS, settings.single_stars, settings.single_seed
        left["many stars"] = make_integrated_light(work.data, path, n, seed, report=work.report)
        outputs.append(MANY_STARS)
    packaged = {
        REST: TEMPLATES, INFRARED: INFRARED_TEMPLATES, DWARFS: WHITE_DWARF_MODELS, MANY_STARS: INTEGRATED_LIGHT,
    }  # fmt: skip
    same = {name: (work.folder / name).read_bytes() == packaged[name].read_bytes() for name in outputs}
    return outputs, {"left": left, "as packaged": same}


def _library(work):
    """The library of spectra at rest."""
    numbers = work.settings.to_dict()
    head = make_library(work.data, numbers, numbers.pop("seed"), report=work.report)
    write_head(work.folder / HEAD, head)
    return [HEAD], head.domain


def _spectral_type(work):
    """The spectral type head."""
    head = train_spectral_type(
        work.data, **work.settings.to_dict(), device=_choose_torch_device(work.device), report=work.report
    )
    write_head(work.folder / HEAD, head)
    return [HEAD], {}


def _stellar(work, *, second=False):
    """The stellar head, or a second one that has not seen some of the stars."""
    settings, start = work.settings, None
    if (settings.go_on or settings.refine) and not second:
        start = load_weights(work.base, "cpu").network.heads[find_head(work.model, "stellar")]
    head = train_stellar_head(
        work.model.network, work.data, steps=settings.steps, seed=settings.seed,
        go_on=settings.go_on and not second, refine=settings.refine and not second,
        leave_out=second or settings.hold_out, infrared=not second, start=start,
        device=_choose_torch_device(work.device), report=work.report, keep=work.folder,
    )  # fmt: skip
    if settings.filtered and not second:
        head = add_filtered(
            head, work.data, number=settings.filtered, views=settings.views, steps=settings.filtered_steps,
            seed=settings.seed, leave_out=settings.hold_out, refined=settings.refine, report=work.report,
        )  # fmt: skip
    write_head(work.folder / HEAD, head)
    return [HEAD], {}


def _stellar_left_out(work):
    return _stellar(work, second=True)


def _embedding(work):
    """The head of the parts of the embedding."""
    settings, runner = work.settings, Runner(work.base, work.device)
    head = make_embedding_head(
        runner, work.data, objects=settings.objects, pairs=settings.pairs, seed=settings.seed,
        stars=settings.stars > 0, report=work.report,
    )  # fmt: skip
    figures = {}
    if settings.stars:
        figures = train_star_vector(
            runner, head, work.data, stars=settings.stars, views=settings.star_views, pairs=settings.star_pairs,
            steps=settings.star_steps, seed=settings.seed, report=work.report,
        )  # fmt: skip
    write_head(work.folder / HEAD, head)
    return [HEAD], figures


def _galaxy(work):
    """The head for galaxies, with its errors calibrated on galaxies that it has not seen."""
    numbers = work.settings.to_dict()
    calibrated = numbers.pop("calibrated")
    head = train_galaxy_head(work.data, **numbers, report=work.report, keep=work.folder)
    write_head(work.folder / HEAD, head)
    if calibrated:
        name = find_head(work.model, "galaxy") or "galaxy"
        whole = assemble_weights(work.base, work.folder / "whole.safetensors", heads={name: work.folder / HEAD})
        head.calibration = calibrate_galaxy(whole, work.data, calibrated, numbers["seed"] + 1, report=work.report)
        write_head(work.folder / HEAD, head)
    return [HEAD], {"domain": head.domain, "calibration": head.calibration}


def _transients(work):
    """The library of transients, networks, their calibration, and the rule that separates them from all else."""
    base = work.base
    if "calibrate_redshift" in work.done:
        heads, about = gather_parts(work.model, work.done)
        base = assemble_weights(base, work.folder / "whole.safetensors", heads=heads, about=about)
    head, figures = make_transient_head(
        Runner(base, work.device), work.data, **work.settings.to_dict(), folder=work.folder, report=work.report
    )
    write_head(work.folder / HEAD, head)
    for path in work.folder.glob("network_*.pt"):
        path.unlink()
    return [HEAD], figures


def _photometry(work):
    """The head of photometry; pairs that were drawn stay beside it until the stage is done."""
    head = make_photometry_head(
        Runner(work.base, work.device), work.data, **work.settings.to_dict(), folder=work.folder / PAIRS,
        report=work.report,
    )  # fmt: skip
    write_head(work.folder / HEAD, head)
    shutil.rmtree(work.folder / PAIRS)
    return [HEAD], {}


def _calibrate_redshift(work):
    """Probabilities and errors of redshifts, and the rules of their flags."""
    settings = work.settings
    # as they are: no calibration that they may have takes part
    runner = Runner(work.base, work.device)
    calibration, fit = calibrate_redshift(runner, work.data, settings.objects, settings.seed, report=work.report)
    (work.folder / CALIBRATION).write_text(json.dumps(calibration.to_dict()))
    (work.folder / RULES).write_text(json.dumps(calibration.rules.to_dict()))
    return [CALIBRATION, RULES], fit


def _calibrate_stellar(work):
    """Errors of stellar labels; weights with the head that has not seen some of the stars stay there."""
    settings, done = work.settings, work.done
    heads, about = gather_parts(work.model, done)
    whole = assemble_weights(work.base, work.folder / "whole.safetensors", heads=heads, about=about)
    if "stellar_left_out" in done:
        heads = heads | {(find_head(work.model, "stellar") or "stellar"): done["stellar_left_out"] / HEAD}
    other = assemble_weights(work.base, work.folder / LEFT_OUT, heads=heads, about=about)
    training, pulls = calibrate_stellar(
        Runner(whole, work.device), Runner(other, work.device), work.data, settings.stars, settings.seed,
        report=work.report,
    )  # fmt: skip
    (work.folder / CALIBRATION).write_text(json.dumps(training.to_dict()["calibration"]))
    return [CALIBRATION, LEFT_OUT], {"pulls": pulls}


def gather_parts(model, done):
    """Heads made by stages.

    Parameters
    ----------
    model : `~astro_spectok.heads.ModelConfig`
        Of the weights that they are for.
    done : dict of str to `~pathlib.Path`
        Folders of stages.

    Returns
    -------
    heads : dict of str to `~pathlib.Path`
        Files of heads by their names in the network.
    about : dict of str to dict
        Calibrations by the names of heads.
    """
    heads, about = {}, {}
    for kind, stage in (
        ("library", "library"), ("spectral_type", "spectral_type"), ("stellar", "stellar"), ("embedding", "embedding"),
        ("galaxy", "galaxy"),
        ("transient", "transients"),
        ("photometry", "photometry"),
    ):  # fmt: skip
        if stage in done:
            heads[find_head(model, kind) or kind] = done[stage] / HEAD
    for kind, stage in (("redshift", "calibrate_redshift"), ("stellar", "calibrate_stellar")):
        if stage in done:
            calibration = json.loads((done[stage] / CALIBRATION).read_text())
            known = {"calibration": calibration}
            if (done[stage] / RULES).exists():
                known["rules"] = json.loads((done[stage] / RULES).read_text())
            about[find_head(model, kind) or kind] = known
    return heads, about


def _choose_torch_device(device):
    """Device that heads are trained on: a graphics card of CUDA, or else the processor."""
    device = choose_device(device)
    return device if device.type == "cuda" else torch.device("cpu")


#: all stages, ``pretrain`` for each of its runs
STAGES = {
    "pretrain": Stage("backbone", _pretrain, uses_base=True),
    "templates": Stage("templates", _templates),
    "library": Stage("library", _library, sets=LIBRARY_SETS),
    "spectral_type": Stage("spectral_type", _spectral_type),
    "stellar": Stage("stellar", _stellar, sets=LABELLED, sizes=SIZES, needs_data=True),
    "stellar_left_out": Stage("stellar", _stellar_left_out, sets=LABELLED, sizes=SIZES, needs_data=True),
    "embedding": Stage("embedding", _embedding, uses_base=True),
    "galaxy": Stage("galaxy", _galaxy, uses_base=True),
    "photometry": Stage("photometry", _photometry, uses_base=True),
    "calibrate_redshift": Stage("redshift", _calibrate_redshift, uses_base=True, uses_templates=True),
    "calibrate_stellar": Stage(
        "stellar",
        _calibrate_stellar,
        needs=("calibrate_redshift", "stellar", "stellar_left_out"),
        sets=STELLAR_SURVEY,
        uses_base=True,
        needs_data=True,
        uses_templates=True,
    ),
    "transients": Stage(
        "transient",
        _transients,
        needs=("library", "spectral_type", "calibrate_redshift"),
        sets=TRANSIENT,
        uses_base=True,
        needs_data=True,
        uses_templates=True,
    ),
}


def find_stage(name):
    """The `Stage` of a name, such as ``pretrain-2``."""
    return STAGES[name.partition("-")[0]]
