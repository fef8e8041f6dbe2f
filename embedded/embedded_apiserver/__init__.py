"""A small Kubernetes API server for tests and the demo: in this process, real HTTP, nothing installed.

The same behaviour tests (``tests/apiserver_conformance``) run on it and on a real kube-apiserver. No controllers run
behind it, nothing is authorised, CEL rules of CRDs are not evaluated.

status      Status errors, in the API's words          resources   the kinds, built-in and from CRDs
discovery   what kubectl and kopf ask first            routing     URL paths
store       objects, versions, history                 selectors   label and field selectors
schema, validation   CRD schemas at work               crds        CRDs become kinds
metadata    names, uids, preconditions                 patches     merge, JSON and strategic patches
fieldset, merging, apply   field ownership             writes, deletion   every change of an object
events_view, builtin_rules   built-in kinds' own ways  reads, watching, tables, jsonpath   LIST, WATCH, Tables
faults      trouble on demand                          handling, bodies, server    HTTP, and the public face
"""

from embedded_apiserver.faults import Call, Fault, Faults
from embedded_apiserver.server import EmbeddedApiServer, ServerThread, running_server
from embedded_apiserver.status import Object

__all__ = ["Call", "EmbeddedApiServer", "Fault", "Faults", "Object", "ServerThread", "running_server"]
