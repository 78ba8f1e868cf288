"""``python -m ziyan``."""

import sys

from ziyan.cli import main

if __name__ == "__main__":
    sys.exit(main())
