"""Access to the API server.

client          requests, authentication, the fence before writes
errors          the errors of a request
paths           the paths of resources
paging          LIST in pages
list_watch      LIST, then WATCH, of one kind
crd_watch       one CustomResourceDefinition
resources       kinds, their names on the command line, and where they are served
owner_resolver  from a pod to its workload
event_cache     Events about pods
apply_body      the body of a server-side apply
lease           the Lease for leader election
backoff         delays between retries
workqueue       keyed work: delayed, retried, de-duplicated
"""
