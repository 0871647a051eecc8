"""How the command line is called here, for commands that a person may copy."""

import pathlib

_IN_A_CLONE = (pathlib.Path(__file__).parents[2] / "cli.py").is_file()
#: The command, which is not on the PATH of whoever has a clone and has activated nothing.
PROGRAM = "python cli.py" if _IN_A_CLONE else "dtp-tf"
