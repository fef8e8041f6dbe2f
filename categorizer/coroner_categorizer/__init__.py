"""Why a pod failed, decided by rules over what the cluster recorded. Pure: no client, no I/O, no clock, no logging.

In the order in which data reaches them:

objects/              pods, events and workloads of the API as typed structs; any JSON shape can be read
findings/             facts read from them, the primary one first
termination_message/  what the text that a container left says of its end
stuck/                what is normal for a while, and a failure if it lasts
rules/                YAML text → rules, or every error in it; what a rule asks for, and what it is tried on
categorizer           findings → rules → verdict
verdict_builder       the message, the hint and the evidence of a verdict
redaction/            what every text passes before it is written
verdict               the answer: verdicts, and the failures that they are about
vocabulary/           texts that programs and the cluster print, as data
linear_regex          patterns over text from the cluster: RE2
"""

from coroner_categorizer.categorizer import Categorizer, default, load
from coroner_categorizer.objects.event import Event, parse_event
from coroner_categorizer.objects.pod import Pod, parse_pod
from coroner_categorizer.objects.workload import Workload, parse_workload
from coroner_categorizer.rules.field_path import ConfigError, FieldError
from coroner_categorizer.stuck.patience import Patience
from coroner_categorizer.verdict import Classification, Evidence, Failure, FailureKey, Verdict, Wait

__all__ = [
    "Categorizer",
    "Classification",
    "ConfigError",
    "Event",
    "Evidence",
    "Failure",
    "FailureKey",
    "FieldError",
    "Patience",
    "Pod",
    "Verdict",
    "Wait",
    "Workload",
    "default",
    "load",
    "parse_event",
    "parse_pod",
    "parse_workload",
]
