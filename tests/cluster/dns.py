"""The smallest cluster DNS (UDP, standard library only): dns.py LISTEN_IP SERVICE_IP APISERVER_URL CA CERT KEY

`kubernetes.default.svc.cluster.local` is SERVICE_IP. There is no kube-proxy, so NAME.NS.svc.cluster.local of any other
service (ClusterIP or headless) answers with the addresses of its ready pods: works where port == targetPort.
Everything else is NXDOMAIN: nothing is forwarded.
"""

import json
import socket
import ssl
import struct
import sys
import threading
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

A_RECORD = 1
NXDOMAIN, SERVFAIL = 3, 2
Get = Callable[[str], Any]


def getter(api: str, ca: str, cert: str, key: str) -> Get:
    context = ssl.create_default_context(cafile=ca)
    context.load_cert_chain(cert, key)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))

    def get(path: str) -> Any:
        with opener.open(api + path, timeout=2) as response:
            return json.load(response)

    return get


def lookup(name: str, service_ip: str, get: Get) -> list[str] | None:
    """IPv4 addresses, or None for NXDOMAIN."""
    labels = name.lower().rstrip(".").split(".")
    if labels[-3:] != ["svc", "cluster", "local"] or len(labels) not in (5, 6):
        return None
    service, namespace = labels[-5], labels[-4]
    if (service, namespace) == ("kubernetes", "default") and len(labels) == 5:
        return [service_ip]
    selector = urllib.parse.quote(f"kubernetes.io/service-name={service}")
    path = f"/apis/discovery.k8s.io/v1/namespaces/{urllib.parse.quote(namespace)}/endpointslices"
    slices = get(f"{path}?labelSelector={selector}")["items"]
    if not slices:
        return None
    ends = [end for part in slices for end in part.get("endpoints") or []]
    ends = [end for end in ends if (end.get("conditions") or {}).get("ready", True)]
    if len(labels) == 6:  # POD-HOSTNAME.SERVICE...
        ends = [end for end in ends if end.get("hostname") == labels[0]]
    addresses = [address for end in ends for address in end["addresses"] if ":" not in address]
    return addresses or (None if len(labels) == 6 else [])


def answer(query: bytes, service_ip: str, get: Get) -> bytes:
    query_id, flags, _ = struct.unpack("!HHH", query[:6])
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode("ascii", "replace"))
        at += 1 + query[at]
    (kind,) = struct.unpack("!H", query[at + 1 : at + 3])
    question, code = query[12 : at + 5], 0
    addresses: list[str] | None = []
    try:
        addresses = lookup(".".join(labels), service_ip, get)
        if addresses is None:
            code = NXDOMAIN
    except (OSError, ValueError, KeyError) as error:
        print(".".join(labels), repr(error), flush=True)
        code = SERVFAIL
    found = (addresses or [])[:25] if kind == A_RECORD else []
    records = b"".join(
        b"\xc0\x0c" + struct.pack("!HHIH", A_RECORD, 1, 5, 4) + socket.inet_aton(address) for address in found
    )
    header = struct.pack("!HHHHHH", query_id, 0x8580 | (flags & 0x0100) | code, 1, len(found), 0, 0)
    return header + question + records


def main() -> None:
    listen, service_ip, api, ca, cert, key = sys.argv[1:7]
    get = getter(api, ca, cert, key)
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((listen, 53))

    def serve(query: bytes, peer: Any) -> None:
        try:
            server.sendto(answer(query, service_ip, get), peer)
        except (OSError, IndexError, struct.error) as error:
            print(peer, repr(error), flush=True)

    while True:
        query, peer = server.recvfrom(4096)
        threading.Thread(target=serve, args=(query, peer), daemon=True).start()


if __name__ == "__main__":
    main()
