"""The subcommands of ``coroner``.

run              the operator in the foreground
workbench        lint, and what else helps to write rules
clean            removes what Coroner has written to the cluster
reports          why workloads failed, from the operator's reports, and how often
explain          why pods failed, from files or a cluster:
inputs           … the pods, workloads and events of files or of a cluster
connection       … and how the cluster is reached
explanations     … objects → one explanation each, and which pod of a workload failed first
render           … as text, JSON, YAML or an HTML page
completion       the completion scripts of shells and of kubectl
rules_argument   rules files as arguments
errors           how a command fails: one line, exit status 2
lines            text on one line, and its print helper
"""
