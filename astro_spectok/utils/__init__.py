# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Small tools that every room uses: tables to files, HTML for notebooks."""
