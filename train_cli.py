"""DR Lens on the command line; `python train_cli.py --help` lists the commands."""

import sys

from dr_cli.main import main

if __name__ == "__main__":
    sys.exit(main())
