"""A small Kubernetes API server for tests and the demo: in-process, over real HTTP, with nothing to install.

The same behaviour tests (``tests/apiserver_conformance``) run on it and on a real kube-apiserver. There are no
controllers and no authorization, and CEL rules of CRDs are not evaluated.

server             ``EmbeddedApiServer``: start, stop, and what a test may do to it
http               requests and responses, URL paths, discovery, injected faults
reads              GET, LIST, WATCH, selectors, Tables
writes             create, update, patch, apply, delete
server_side_apply  field ownership and conflicts
schema             structural schemas of CRDs
kinds              the kinds that are served
store              objects, resource versions, history
errors             errors as Status objects, with the messages of kube-apiserver
"""

from embedded_apiserver.errors import Object
from embedded_apiserver.http.fault_injection import Call, Fault, Faults
from embedded_apiserver.server import EmbeddedApiServer, ServerThread, running_server

__all__ = ["Call", "EmbeddedApiServer", "Fault", "Faults", "Object", "ServerThread", "running_server"]
