"""`python -m runwright` is the program `runwright`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
