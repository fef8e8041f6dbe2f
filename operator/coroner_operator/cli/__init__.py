"""The subcommands of ``coroner``.

run              the operator in the foreground
lint             errors of rules and redaction files
clean            removes what Coroner has written to the cluster
explain          why pods failed, from files or a cluster:
input_bytes      … a file or standard input, bounded, as UTF-8
input_documents  … as JSON documents, from JSON or YAML
safe_yaml        … YAML as plain values, bounded
input_objects    … as pods, workloads and events
cluster_reader   … or the same objects from a cluster
connection       … and how it is reached
explanations     … objects → one explanation each, and which pod of a workload failed first
render           … as text, JSON, YAML or an HTML page
rules_argument   rules files as arguments
errors           how a command fails: one line, exit status 2
"""
