"""What the termination message of a container says about how it ended. Phrases are data: see ``vocabulary/``.

error_lines         which lines name an error, and after which of them the program continued
runtimes/           how each runtime prints an uncaught exception
tekton_message      the part of a message of Tekton's that says why a step ended
uncaught_exception  the uncaught exception that a message ends with
cause               the part of a message in which rules look for the cause
stop_reports        whether a program ended because it was asked to
summary_line        the line to quote if no exception is recognized
"""
