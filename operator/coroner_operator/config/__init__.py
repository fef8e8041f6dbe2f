"""What a site can set.

settings        flags, environment and file → Settings, or every error
presets         the custom kinds of well-known controllers: what is walked, what is written, how an object has ended
label_selector  ``team=ml,!batch`` → requirements, or what is wrong
lifetimes       how a kind shows that it has ended, and whether it ends at all
durations       ``1h30m`` → seconds
rules_files     rules and redaction files → Categorizer, or every error; also for ``lint`` and ``explain``
rules_reloader  the same when the files change
"""
