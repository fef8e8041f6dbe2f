"""What stands for what. The same name always gets the same pseudonym, so that what belongs together stays together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from types import MappingProxyType

# Addresses for documentation (RFC 5737), and after them those for benchmarks (RFC 2544): 131,834 in all.
_IPV4_BLOCKS = (("192.0.2.0", 254), ("198.51.100.0", 254), ("203.0.113.0", 254), ("198.18.0.0", 131_070))
_IPV6_BASE = int(IPv6Address("2001:db8::"))  # RFC 3849
_KEPT_NAMES = frozenset({"", "default"})
"""Of a namespace or a service account: every cluster has one."""


class Pseudonyms:
    """Numbers in the order of the names of ``order``, since an order of names may decide; then as names appear."""

    def __init__(self, order: Pseudonyms | None = None) -> None:
        self._known: dict[tuple[str, str], str] = {}
        self._texts: dict[str, str] = {}
        self._numbers: dict[tuple[str, str], int] = {}
        self._counts: dict[str, int] = {}
        for kind, name in sorted(order._known) if order is not None else ():
            self._counts[kind] = self._numbers[kind, name] = self._counts.get(kind, 0) + 1
        self._digits = {kind: len(str(count)) for kind, count in self._counts.items()}

    @property
    def texts(self) -> Mapping[str, str]:
        """What to look for in messages → what to write instead."""
        return MappingProxyType(self._texts)

    def name(self, kind: str, name: str) -> str:
        """``pod-3``. ``kind`` in lower case."""
        if name in _KEPT_NAMES:
            return name
        return self._remember(kind, name, lambda number: f"{kind}-{number:0{self._digits.get(kind, 1)}d}")

    def container(self, name: str, is_sidecar: bool) -> str:
        """``container-1``; what decides in a name stays: ``sidecar-`` in front (Tekton), or that it is a sidecar's."""
        front = "sidecar-" if name.startswith("sidecar-") else "container-"
        end = "-sidecar" if is_sidecar else ""
        return (
            self._remember(
                "container", name, lambda number: f"{front}{number:0{self._digits.get('container', 1)}d}{end}"
            )
            if name
            else ""
        )

    def image(self, image: str) -> str:
        """``registry.example/image-1:tag-1``, with a digest where it had one; its parts are remembered too."""
        if not image:
            return ""
        digest = image.partition("@")[2]
        replaced = self._remember(
            "image",
            image,
            lambda number: f"registry.example/image-{number}:tag-{number}" + (f"@{self.hex(digest)}" if digest else ""),
        )
        self._remember_parts(image.partition("@")[0], replaced.partition("@")[0])
        return replaced

    def uid(self, uid: str) -> str:
        """A UUID of the same form, whatever the UID was."""
        if not uid:
            return ""
        return self._remember("uid", uid, lambda number: f"00000000-0000-4000-8000-{number:012d}")

    def hex(self, text: str) -> str:
        """A digest or a container ID, with its scheme (``containerd://``, ``sha256:``): digits of the same number."""
        front = text.rstrip("0123456789abcdefABCDEF")
        size = max(len(text) - len(front), 12)
        return self._remember("hex", text, lambda number: f"{front}{number:0{size}d}") if text else ""

    def address(self, address: IPv4Address | IPv6Address) -> str:
        """One for documentation; loopback and the unspecified address stay."""
        if address.is_loopback or address.is_unspecified:
            return str(address)
        make = _ipv6 if isinstance(address, IPv6Address) else _ipv4
        return self._remember(f"ipv{address.version}", str(address), make)

    def add_text(self, text: str, replacement: str) -> None:
        """Also look for this in messages."""
        self._texts.setdefault(text, replacement)

    def _remember(self, kind: str, name: str, make: Callable[[int], str]) -> str:
        key = (kind, name)
        if key not in self._known:
            number = self._numbers.get(key) or self._counts.get(kind, 0) + 1
            self._counts[kind] = max(number, self._counts.get(kind, 0))
            self._known[key] = make(number)
            self._texts.setdefault(name, self._known[key])
        return self._known[key]

    def _remember_parts(self, image: str, replaced: str) -> None:
        """As runtimes write it, complete and in parts: ``docker.io/library/busybox:latest``."""
        front, _, tag = image.rpartition(":") if ":" in image.rpartition("/")[2] else (image, "", "")
        host, _, path = front.partition("/")
        if not path or not ("." in host or ":" in host or host == "localhost"):
            host, path = "docker.io", front if "/" in front else f"library/{front}"
        else:
            self.add_text(host, "registry.example")
        repository = replaced.rpartition(":")[0]
        for name in (f"{host}/{path}", front):
            self.add_text(f"{name}:{tag or 'latest'}", replaced)
            self.add_text(name, repository)
        self.add_text(path, repository.partition("/")[2])


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """None: it is no address."""
    try:
        return ip_address(text)
    except ValueError:
        return None


def _ipv4(number: int) -> str:
    left = number
    for first, size in _IPV4_BLOCKS:
        if left <= size:
            return str(IPv4Address(int(IPv4Address(first)) + left))
        left -= size
    return _IPV4_BLOCKS[0][0]


def _ipv6(number: int) -> str:
    return str(IPv6Address(_IPV6_BASE + number))
