"""``python -m experiments.atlas_app FILE``."""

import sys

from experiments.atlas_app import page
from experiments.console import fail
from tamdp_theory import TamdpError, storage

if __name__ == "__main__":
    try:
        storage.write_atomically(sys.argv[1], page())
    except (TamdpError, IndexError) as error:
        sys.exit(fail(str(error) if isinstance(error, TamdpError) else "give the file to write, e.g. docs/atlas.html"))
