"""`python -m dr_cli` is `dr-lens`."""

import sys

from dr_cli.main import main

sys.exit(main())
