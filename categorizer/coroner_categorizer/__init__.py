"""Why a pod failed, decided by rules over what the cluster recorded. Pure: no client, no I/O, no clock, no logging.

In the order in which data meets them:

pod, events, workload     the API's objects, cut down to typed structs (tolerant: any JSON shape is read)
containers, pod_level,    findings: facts read from a pod; helped by who_ended (probes, kernel_oom), last_words,
pending, job, findings    complaints, image_pull, scheduling; and put in the order in which they may speak for the pod
config, reading           YAML text → rules, or every mistake at once
matchers, rules, context    what a rule asks for, and what it is tried on; patterns: one RE2 set for all
categorizer               findings → rules → verdict
facts, last_line,         the sentence, the hint, the evidence
template, wording
redaction, text           what every text passes before it is written
rules/default.yaml        the default pack
"""

from coroner_categorizer.categorizer import Categorizer, default, load
from coroner_categorizer.objects.event import Event, parse_event
from coroner_categorizer.objects.pod import Pod, parse_pod
from coroner_categorizer.objects.workload import Workload, parse_workload
from coroner_categorizer.rules.field_path import ConfigError, FieldError
from coroner_categorizer.verdict import Classification, Evidence, Failure, FailureKey, Verdict

__all__ = [
    "Categorizer",
    "Classification",
    "ConfigError",
    "Event",
    "Evidence",
    "Failure",
    "FailureKey",
    "FieldError",
    "Pod",
    "Verdict",
    "Workload",
    "default",
    "load",
    "parse_event",
    "parse_pod",
    "parse_workload",
]
