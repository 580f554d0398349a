# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What the program around has set for NumPy is set aside while the package works."""

import numpy as np

__all__ = ["own_errstate"]

#: decorator of what users call: floating-point errors are handled as NumPy does by default, as all of the package
#: expects, and not as the program around has chosen for itself: numbers that underflow in a tail are no error
own_errstate = np.errstate(divide="warn", over="warn", under="ignore", invalid="warn")
