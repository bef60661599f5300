"""`python -m sharing.verifier`, for a checkout where `stillwatch` is not on the path."""

import sys

from sharing.verifier.cli import main

sys.exit(main())
