"""HTTP: from a request to the part that serves it, and back.

routing          URL paths
discovery        versions, groups, kinds, OpenAPI
bodies           request and response bodies
fault_injection  requests that fail on demand
handler          one request, from start to end
"""
