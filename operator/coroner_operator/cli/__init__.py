"""The subcommands of ``coroner``, one module each: run, explain, lint."""
