"""The command line: parse, call one library function, print. One command a file.

In: words. Out: text, or JSON alone on stdout; exit 0, 1 (failure) or 2 (usage).
Nobody imports it but `cli.py` and the script `dtp-tf`; TensorFlow is imported when a command runs.
"""
