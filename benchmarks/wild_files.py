# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Files as people have them: are they read, is the axis right, is what is measured right or else flagged?

    python benchmarks/wild_files.py --data DIR [--weights NAME|PATH] [--no-measuring] [--json FILE]

``--data`` is the folder ``wild`` of the test sets, with ``labels.csv``; what else is known stands in
``_wild_truth.py``. One row a file, classified as

``read``
    spectra came back. ``axis_right``: lowest and highest wavelength of all of them are those known, to 1e-4. What has
    no wavelengths, and is read all the same, has wrong ones.
``refused``
    an error that names the file within 200 characters. ``as_it_should`` says whether that is right.
``failed``
    any other error.

Of a file's spectra, each is right where class and redshift (to 0.01 (1 + z), stars 0.003) are; supernovae have no
class of ours, and their redshift decides. ``wrong_unflagged`` counts those that are wrong with zwarn 0.
``medium_right`` is null where nobody states the medium, and false where it was only assumed.

The JSON file holds ``weights``, ``version``, ``totals`` and ``files``. Seconds depend on the machine.
"""

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
from _wild_truth import read_truth
from astropy import units as u

from astro_spectok import __version__, read
from astro_spectok.spectra import to_batch
from astro_spectok.spectra.convert import list_items

#: relative error of the ends of a spectral axis that counts as right: half a pixel of SDSS
AXIS_TOLERANCE = 1e-4
#: characters that a message may have
MESSAGE_LENGTH = 200


def read_wavelengths(obj):
    """Lowest and highest wavelength of spectra in Angstrom, as the file means them, without a change of medium."""
    ends = []
    for _, _, reader in list_items(obj):
        for raw in reader():
            try:
                wave = raw.axis_unit.to(u.AA, np.asarray(raw.axis, float), equivalencies=u.spectral())
            except u.UnitsError:  # velocities, pixels
                return None
            ends.append(wave[np.isfinite(wave) & (wave > 0)][[0, -1]])
    return (float(np.min(ends)), float(np.max(ends))) if ends else None


def judge_axis(wave, known):
    """Whether both ends are right; what has no wavelengths to be read cannot have the right ones."""
    return None not in (wave, known) and bool(np.allclose(wave, known, rtol=AXIS_TOLERANCE, atol=0))


def judge_medium(info, known):
    """Whether the medium is that known, and not by chance; None where nobody knows."""
    if known is None or not info:
        return None
    return all(one.medium == known and one.medium_source != "assumed" for one in info)


def judge_row(spectype, z, known_class, known_z):
    """Whether class and redshift are right; None where unknown."""
    if known_class is None or known_z is None:
        return None
    tolerance = 0.003 if known_class == "STAR" else 0.01 * (1 + known_z)
    return bool(abs(z - known_z) < tolerance and known_class in (spectype, "SN"))


def try_reading(path):
    """The spectra of a file, and what is to be said of the attempt."""
    start = time.perf_counter()
    try:
        obj = read(path)
    except Exception as error:  # the point is to see which
        message = str(error)
        explained = isinstance(error, OSError | ValueError) and path.name in message and len(message) <= MESSAGE_LENGTH
        return None, {"status": "refused" if explained else "failed", "message": message[:400]}
    return obj, {"status": "read", "seconds_reading": time.perf_counter() - start}


def measure_file(path, truth, estimator=None):
    """One row of the results."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        obj, row = try_reading(path)
        row = {"file": path.name, "what": truth["what"]} | row
        if obj is None:
            held = truth["wave"] is not None
            return row | {"as_it_should": not held and row["status"] == "refused", "holds_spectrum": held}
        wave = read_wavelengths(obj if isinstance(obj, list) else [obj])
        batch = to_batch(obj, on_error="flag")
        row |= {
            "wave": wave, "spectra": len(batch), "axis_right": judge_axis(wave, truth["wave"]),
            "as_it_should": truth["wave"] is not None, "holds_spectrum": truth["wave"] is not None,
            "medium_right": judge_medium(batch.info, truth["medium"]),
        }  # fmt: skip
        if estimator is None:
            return row
        start = time.perf_counter()
        table = estimator.estimate(obj if isinstance(obj, list) else [obj], progress=False)
    row["seconds_measuring"] = time.perf_counter() - start
    known = truth["z"] or [None]
    known = known * len(table) if len(known) == 1 else known
    right = [
        judge_row(str(found["spectype"]), float(found["z"]), truth["class"], z)
        for found, z in zip(table, known, strict=False)
    ]
    sure = np.asarray(table["zwarn"]) == 0
    return row | {
        "known": [truth["class"], truth["z"]], "class": [str(name) for name in table["spectype"]],
        "z": [round(float(z), 5) for z in table["z"]], "zwarn": [int(flag) for flag in table["zwarn"]], "right": right,
        "wrong_unflagged": sum(good is False and bool(trusted) for good, trusted in zip(right, sure, strict=False)),
    }  # fmt: skip


def count_totals(rows):
    """Totals for the README."""
    count = lambda key, value: sum(row.get(key) == value for row in rows)  # noqa: E731
    right = [good for row in rows for good in row.get("right", [])]
    return {
        "files": len(rows), "read": count("status", "read"), "refused": count("status", "refused"),
        "failed": count("status", "failed"), "as_it_should": count("as_it_should", True),
        "must_be_refused": count("holds_spectrum", False),
        "axis_right": count("axis_right", True), "axis_wrong": count("axis_right", False),
        "medium_right": count("medium_right", True), "medium_wrong": count("medium_right", False),
        "spectra_right": right.count(True), "spectra_wrong": right.count(False),
        "wrong_unflagged": sum(row.get("wrong_unflagged", 0) for row in rows),
        "seconds_reading": float(np.median([row["seconds_reading"] for row in rows if "spectra" in row] or 0)),
    }  # fmt: skip


def measure_files(folder, estimator=None, report=lambda line: None):
    """All rows and their totals, ready for JSON."""
    rows = []
    for name, truth in read_truth(folder).items():
        rows.append(row := measure_file(folder / name, truth, estimator))
        keys = ("file", "status", "axis_right", "medium_right", "known", "class", "z", "zwarn", "message")
        report("  ".join(f"{str(row[key])[:70]}" for key in keys if key in row))
    return {"version": __version__, "totals": count_totals(rows), "files": rows}


def main():
    """Read the arguments, run, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path, help="folder of the files")
    parser.add_argument("--weights")
    parser.add_argument("--no-measuring", action="store_true", help="read only")
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args()
    estimator = None
    if not options.no_measuring:
        from astro_spectok.estimators import RedshiftEstimator

        estimator = RedshiftEstimator(options.weights, device="cpu")
    result = measure_files(options.data, estimator, lambda line: print(line, flush=True))
    if estimator is not None:
        from astro_spectok.weights import load_weights

        loaded = load_weights(options.weights)
        result = {"weights": loaded.name, "sha256": loaded.sha256} | result
    print(result["totals"])
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
