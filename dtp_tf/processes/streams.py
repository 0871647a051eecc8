"""Standard input, output and error, whatever a caller has made of them."""

import os
import sys


def ready_streams():
    """Make the standard streams safe to write to; it may be called again.

    A stream that the caller closed leads nowhere: otherwise the next file that is opened gets its
    number, and what TensorFlow says to standard error is written into that file. What a stream's
    encoding has no sign for is written as an escape.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest number that is free
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            nowhere = open(os.devnull, "w", encoding="utf-8")
            setattr(sys, name, nowhere)
            setattr(sys, f"__{name}__", nowhere)  # which children inherit
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
