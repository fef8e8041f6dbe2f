"""The subcommands of ``coroner``.

run             the operator in the foreground
explain         verdicts for files, standard input or a cluster; with
  input_bytes     … a file or standard input as text, with a size limit
  input_documents … text as JSON or YAML documents
  input_objects   … documents as pods, workloads and events
  cluster_reader  … the same from a cluster
  connection      … the API server to read from
  explanations    … one answer per object
  render          … as text, JSON or YAML
lint            checks rules and redaction files
rules_argument  rules and redaction files as arguments
safe_yaml       YAML with limits
lazy_import     imports without the garbage collector
errors          one line on stderr, exit status 2
"""
