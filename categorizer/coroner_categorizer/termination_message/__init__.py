"""What the termination message of a container says of its end.

vocabulary.yaml  what a list can say of such texts: error words, levels, frames, traces, shutdown lines
vocabulary       that file, read and compiled once
error_lines      which lines name an error, and which of them the program survived
runtimes/        how each runtime prints an uncaught exception
exceptions       the uncaught exception that a message ends with
cause            the part of a message in which rules look for the cause
summary_line     the one line to quote where no exception is recognized
"""
