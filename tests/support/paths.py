"""Paths as text, for tests that ask the API server for something with the operator's client."""

from coroner_operator.kube.paths import ResourcePath


def parse_path(text: str) -> ResourcePath:
    """``/apis/batch/v1/namespaces/ml/jobs/train/status`` as the value that the client takes."""
    parts = text.strip("/").split("/")
    root, rest = parts[0], parts[1:]
    group = rest.pop(0) if root == "apis" else ""
    version = rest.pop(0)
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    resource, name, subresource = (*rest, "", "")[:3]
    return ResourcePath(group, version, resource, namespace, name, subresource)
