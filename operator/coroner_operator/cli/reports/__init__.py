"""What the operator has reported, as a person asks for it: ``coroner why`` and ``coroner top``.

selection            which reports are meant, by the options that both commands have; newest first
report_reader        … from the API server
live_classification  … or, where there is no report, from the objects themselves
table                one line a workload
watch                … kept up to date
report_text          one workload in full, and its history
plain_reports        reports as JSON or YAML
why                  the command
top                  … and how often each cause occurs
"""
