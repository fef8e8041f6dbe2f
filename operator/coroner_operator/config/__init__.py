"""What a site can set.

settings        flags, environment and file → Settings, or every error
durations       ``1h30m`` → seconds
rules_files     rules and redaction files → Categorizer, or every error; also for ``lint`` and ``explain``
rules_reloader  the same when the files change
"""
