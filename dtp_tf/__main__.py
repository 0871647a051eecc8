"""`python -m dtp_tf ...` is `dtp-tf ...`."""

from dtp_tf.commands.main import main

if __name__ == "__main__":
    main(prog_name="python -m dtp_tf")
