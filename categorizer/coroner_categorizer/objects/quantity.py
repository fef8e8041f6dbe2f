"""Kubernetes quantities: ``256Mi``, ``1500m``, ``1e3``. Source: k8s.io/apimachinery/pkg/api/resource/quantity.go."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from coroner_categorizer.linear_regex import LinearRegex

_QUANTITY = LinearRegex(r"^([+-]?[0-9.]+)([EPTGMK]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$")
_SUFFIX = {
    "n": "1e-9",
    "u": "1e-6",
    "m": "1e-3",
    "k": "1e3",
    "M": "1e6",
    "G": "1e9",
    "T": "1e12",
    "P": "1e15",
    "E": "1e18",
}
_READABLE_BELOW = Decimal(10_000)
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")


def total(quantities: list[str]) -> str | None:
    """The sum of Kubernetes quantities, in the largest unit that writes it without a fraction.

    A single quantity is returned as written. None where one cannot be parsed.
    """
    if len(quantities) == 1:
        return quantities[0]
    values = [parse_quantity(q) for q in quantities]
    known = [v for v in values if v is not None]
    if not known or len(known) != len(values):
        return None
    amount = sum(known, Decimal(0))
    if any(q.endswith("i") for q in quantities):
        power = 0
        while power + 1 < len(_BINARY) and amount % 1024 == 0 and amount >= 1024:
            amount, power = amount / 1024, power + 1
        return f"{amount.normalize():f}{_BINARY[power]}"
    return f"{amount * 1000:.0f}m" if amount % 1 else f"{amount:.0f}"


def parse_quantity(text: str) -> Decimal | None:
    """Source: k8s.io/apimachinery/pkg/api/resource/quantity.go."""
    found = _QUANTITY.match(text)
    if not found:
        return None
    number, suffix = found.groups
    try:
        if not suffix:
            return Decimal(number)
        if suffix.endswith("i"):
            return Decimal(number) * Decimal(1024 ** _BINARY.index(suffix))
        return Decimal(number) * Decimal(_SUFFIX[suffix]) if suffix in _SUFFIX else Decimal(number + suffix)
    except (InvalidOperation, ValueError):
        return None


def readable(quantity: str | None) -> str | None:
    """An amount of memory as people write it: ``614Mi`` for 644245094400m, ``1000 bytes`` for 1000.

    One with another unit is returned as written.
    """
    amount = parse_quantity(quantity) if quantity else None
    if quantity is None or amount is None or not (quantity.isdigit() or quantity.endswith("m")):
        return quantity
    return bytes_text(amount)


def bytes_text(amount: Decimal) -> str:
    """Bytes as people write them: ``104.3Mi``, ``1000 bytes``, ``0``."""
    if not amount:
        return "0"
    power = 0
    while power + 1 < len(_BINARY) and amount >= _READABLE_BELOW:
        amount, power = amount / 1024, power + 1
    number = f"{amount:.1f}".removesuffix(".0")
    return f"{number}{_BINARY[power]}" if power else f"{number} bytes"
