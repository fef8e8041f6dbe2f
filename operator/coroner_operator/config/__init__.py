"""What a site can configure.

settings        flags, environment and settings file
durations       durations such as ``1h30m``
rules_files     rules and redaction patterns, read and validated together
rules_reloader  detects changed files and reloads them
"""
