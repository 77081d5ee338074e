"""`python -m avatar_rt` is `avatar-rt`."""

import sys

from avatar_rt.cli.main import main

sys.exit(main())
