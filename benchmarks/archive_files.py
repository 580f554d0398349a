# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Class and redshift of single files as archives serve them, read and measured as anybody would.

    python benchmarks/archive_files.py --data DIR [--weights NAME|PATH] [--json FILE]

``--data`` is the folder ``fits`` of the test sets. Each file holds one spectrum. What is known of it is what the file,
or the survey's file of redshifts beside it, says; else what kind of object it is.

The JSON file holds ``weights``, ``sha256``, ``version`` and ``files``, each with ``file, what, class_known, z_known,
class, z, z_err, p_best, zwarn`` (names of the bits) and ``snr``; what is not known is null.
"""

import argparse
import json
import warnings
from pathlib import Path

from astropy.io import fits
from specutils import Spectrum, SpectrumList

from astro_spectok import __version__
from astro_spectok.estimators import RedshiftEstimator
from astro_spectok.redshift import RedshiftFlag
from astro_spectok.weights import load_weights

#: what each file is, by the beginning of its name; class where the file does not say
FILES = {
    "1407080064012031": ("GALAH, tau Ceti, blue arm", "STAR"),
    "1407080064012032": ("GALAH, tau Ceti, green arm", "STAR"),
    "1407080064012033": ("GALAH, tau Ceti, red arm", "STAR"),
    "1407080064012034": ("GALAH, tau Ceti, infrared arm", "STAR"),
    "aaomega_emlLinearSkyAirHelio": ("AAOmega, wavelengths in air", None),
    "aaomega_emlLogVacuumNoHelio": ("AAOmega, wavelengths in vacuum", None),
    "apVisit": ("APOGEE, a visit, three chips", "STAR"),
    "calspec_16cygb": ("CALSPEC, 16 Cyg B, a G star, 0.2 to 1 micron", "STAR"),
    "desi_coadd": ("DESI, three arms", None),
    "gtc_osiris_gp121903": ("GTC/OSIRIS, a green pea, no errors", "GALAXY"),
    "jwst_ceers": ("JWST/NIRSpec, a far galaxy of CEERS", "GALAXY"),
    "lamost_spec-55859": ("LAMOST, DR7", None),
    "lamost_spec-55862": ("LAMOST, DR2", None),
    "sdss_SHOC579": ("SDSS, a starburst", None),
    "spec-0266": ("SDSS, a white dwarf", None),
    "spec-3655": ("BOSS", None),
}


def read_known(path):
    """Class and redshift as the survey gives them, in the file or in that of redshifts beside it; None if nowhere."""
    beside = path.with_name(path.name.replace("coadd", "redrock"))
    with fits.open(beside if beside.exists() else path) as hdus:
        for hdu in hdus[1:3]:
            names = {name.upper() for name in hdu.columns.names} if isinstance(hdu, fits.BinTableHDU) else set()
            for kind in sorted({"CLASS", "SPECTYPE"} & names):
                if "Z" in names:
                    return str(hdu.data[kind][0]).strip(), float(hdu.data["Z"][0])
        header = hdus[0].header
        known = str(header.get("CLASS", "")).strip()
        return (known, float(header["Z"])) if known and "Z" in header else (None, None)


def measure_file(path, estimator):
    """One row of the results."""
    what, known = next(value for key, value in FILES.items() if path.name.startswith(key))
    class_known, z_known = read_known(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # archives' headers, ranges beyond the trained one
        # three arms of one target are joined; any other file is a list of one, so that a table comes back
        arms = path.name.startswith("desi")
        obj = SpectrumList.read(path) if arms else [Spectrum.read(path)]
        row = estimator.estimate(obj, progress=False)[0]
    return {
        "file": path.name, "what": what, "class_known": class_known or known, "z_known": z_known,
        "class": str(row["spectype"]), "z": float(row["z"]), "z_err": float(row["z_err"]),
        "p_best": float(row["p_best"]), "zwarn": [flag.name for flag in RedshiftFlag(int(row["zwarn"]))],
        "snr": float(row["snr"]),
    }  # fmt: skip


def measure_files(folder, weights, report):
    """All results, ready for JSON."""
    estimator, rows = RedshiftEstimator(weights, device="cpu"), []
    for path in sorted(folder.glob("*.fits*")):
        if any(path.name.startswith(name) for name in FILES):
            rows.append(measure_file(path, estimator))
            report(
                " ".join(
                    f"{rows[-1][key]}" for key in ("what", "class_known", "z_known", "class", "z", "p_best", "zwarn")
                )
            )
    loaded = load_weights(weights)
    return {"weights": loaded.name, "sha256": loaded.sha256, "version": __version__, "files": rows}


def main():
    """Read the arguments, run, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path, help="folder of the files")
    parser.add_argument("--weights")
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args()
    result = measure_files(options.data, options.weights, lambda line: print(line, flush=True))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
