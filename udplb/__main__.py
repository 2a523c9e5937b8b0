"""`python -m udplb` is the command `udplb`."""

import sys

from udplb.cli import main

sys.exit(main())
