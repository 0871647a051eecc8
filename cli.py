#!/usr/bin/env python3
"""`python cli.py ...` is `dtp-tf ...`, for use from a clone."""

from dtp_tf.commands.main import main

if __name__ == "__main__":
    main(prog_name="python cli.py")
