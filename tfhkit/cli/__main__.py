"""`python -m tfhkit.cli` is the command `tfhkit`."""

import sys

from tfhkit.cli import main

sys.exit(main())
