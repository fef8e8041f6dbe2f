"""What a command reads: files, standard input, or a cluster.

input_bytes      a file or standard input, bounded, as UTF-8
input_documents  … as JSON documents, from JSON or YAML
safe_yaml        … YAML as plain values, bounded
input_objects    … as pods, workloads and events
cluster_reader   … or the same objects from a cluster
"""
