"""What a finding's evidence observed, as cyber-observables: windows of traffic, and where they came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import msgspec

from indicators.dedup.observables import deterministic_id
from indicators.patterns import values
from indicators.sources.ocsf import schema
from indicators.stix import profile
from indicators.stix.json import MAX_INTEGER, Refused, is_written_as_large_integer
from indicators.stix.markings import TLP, marking_id
from indicators.stix.timestamps import to_sortable

#: A finding shows a sample; more observables than these are refused.
MAX_OBSERVABLES = 1000

_ADDRESSES = (("ipv6-addr", values.ipv6), ("ipv4-addr", values.ipv4), ("domain-name", values.domain))
_FEATURE_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")
_number = msgspec.json.Decoder(int | float)


class Observables:
    """The observables of one finding, each once, in the order of the evidence."""

    def __init__(self, tlp: TLP) -> None:
        self.tlp = tlp
        self.by_id: dict[str, dict[str, Any]] = {}
        #: Values that must not be read below TLP:AMBER+STRICT.
        self.blinded: list[str] = []
        self.notes: list[str] = []
        self._windows: list[_Window] = []

    def read(self, finding: Mapping[str, Any]) -> None:
        """Takes what the evidence and the anomalies of a valid finding say; raises `Refused`."""
        endpoints = []
        for index, evidence in enumerate(finding.get("evidences", ())):
            place = f"/evidences/{index}"
            given = evidence.get("data")
            window = None
            if type(given) is dict and "llm_api_activity" in given:
                window = self._window(f"{place}/data/llm_api_activity", given["llm_api_activity"])
            if "src_endpoint" in evidence:
                endpoints.append((place, evidence, window))
        for place, evidence, window in endpoints:
            refs = list(self._endpoint(f"{place}/src_endpoint", evidence["src_endpoint"]))
            window = window or self._of_cluster(evidence.get("uid"))
            if window is not None:
                window.refer("src_refs", refs)
            elif self._windows:
                self.notes.append(
                    f"{place}: it names none of several windows; it is observed, but of no window's sources"
                )
        for index, analysis in enumerate(finding.get("anomaly_analyses", ())):
            self._features(f"/anomaly_analyses/{index}", analysis)

    def finished(self) -> tuple[dict[str, Any], ...]:
        """The observables, whole."""
        return tuple(self.by_id.values())

    def span(self) -> tuple[str, str] | None:
        """Start of the first window and end of the last; None without windows."""
        if not self._windows:
            return None
        said = [window.said for window in self._windows]
        return min(each["start"] for each in said), max(each["end"] for each in said)

    def families(self) -> list[str]:
        """The kinds of evidence that the observables are of themselves."""
        said = [window.said for window in self._windows]
        kinds = {each["type"] for each in self.by_id.values()}
        counted = ("account_count", "exchange_count", "input_tokens", "output_tokens")
        found = {
            "identity": any("account_refs" in each for each in said),
            "payment": any("payment_refs" in each for each in said),
            "network": bool(kinds & {"ipv4-addr", "ipv6-addr", "domain-name", "autonomous-system"}),
            "content": "prompt-template" in kinds,
            "volume": any(name in each for name in counted for each in said),
        }
        return [name for name, is_one in found.items() if is_one]

    # ------------------------------------------------------------------------------------------------

    def _window(self, place: str, given: dict[str, Any]) -> _Window | None:
        for name in ("start", "end"):
            _check_time(f"{place}/{name}", given[name])
        if given["end"] < given["start"]:
            raise Refused("wrong-order-in-time", f"{place}/end", '"end" is before "start"')
        said = {name: given[name] for name in schema.WINDOW if name in given}
        identifier = deterministic_id({"type": "llm-api-activity", **said})
        assert identifier is not None
        if identifier in self.by_id:
            self.notes.append(f"{place}: this window stands in the finding twice; the first one counts")
            return None
        # Its place is the first; what it refers to follows.
        self.by_id[identifier] = said
        window = _Window(said)
        self._windows.append(window)
        window.refer(
            "model_refs", [self._add("software", model, self.tlp) for model in given.get("models", ())]
        )
        for name, subject, refs in (
            ("accounts", "account-id", "account_refs"),
            ("payments", "payment-method", "payment_refs"),
        ):
            if given.get(name):
                if "key_id" not in given:
                    reason = "what is blinded needs the key_id of the key that blinded it"
                    raise Refused("missing-property", f"{place}/key_id", reason)
                self.blinded += given[name]
                window.refer(refs, [self._blinded(subject, given["key_id"], value) for value in given[name]])
        window.refer(
            "prompt_refs",
            [self._add("prompt-template", prompt, self.tlp) for prompt in given.get("prompts", ())],
        )
        sources = [
            self._source(f"{place}/sources/{index}", text)
            for index, text in enumerate(given.get("sources", ()))
        ]
        if "asn" in given:
            sources.append(self._add("autonomous-system", {"number": given["asn"]}, self.tlp))
        window.refer("src_refs", sources)
        self.by_id[identifier] = window.said = self._object("llm-api-activity", identifier, said, self.tlp)
        return window

    def _endpoint(self, place: str, endpoint: Mapping[str, Any]) -> Iterator[str]:
        for name in ("ip", "hostname"):
            if name in endpoint:
                try:
                    yield self._source(f"{place}/{name}", endpoint[name].strip())
                except Refused:
                    # A host's own name need not be one of the Internet's, and an address may name an interface.
                    self.notes.append(f"{place}/{name}: it is neither an address nor a domain name; left out")
        system = endpoint.get("autonomous_system", {})
        if "number" in system:
            if not 0 <= system["number"] <= 0xFFFFFFFF:
                place = f"{place}/autonomous_system/number"
                raise Refused("invalid-finding", place, "the number of an autonomous system is below 2^32")
            number = {name: system[name] for name in ("number", "name") if name in system}
            yield self._add("autonomous-system", number, self.tlp)

    def _source(self, place: str, text: str) -> str:
        kind, value = address(text) or (None, None)
        if kind is None:
            reason = "it is neither an IP address, nor a CIDR block, nor a domain name"
            raise Refused("invalid-finding", place, reason)
        return self._add(kind, {"value": value}, self.tlp)

    def _blinded(self, subject: str, key_id: str, value: str) -> str:
        said = {"subject": subject, "scheme": "hmac-sha-256", "key_id": key_id, "value": value}
        return self._add("blinded-identifier", said, max(self.tlp, TLP.AMBER_STRICT))

    def _add(self, kind: str, said: dict[str, Any], tlp: TLP) -> str:
        identifier = deterministic_id({"type": kind, **said})
        assert identifier is not None
        known = self.by_id.get(identifier)
        if known is None:
            if len(self.by_id) >= MAX_OBSERVABLES:
                reason = (
                    f"it names more than the {MAX_OBSERVABLES:,} observables that are taken; a sample will do"
                )
                raise Refused("too-many-observables", "/evidences", reason)
            self.by_id[identifier] = self._object(kind, identifier, said, tlp)
        else:
            for name, value in said.items():
                known.setdefault(name, value)
        return identifier

    def _object(self, kind: str, identifier: str, said: dict[str, Any], tlp: TLP) -> dict[str, Any]:
        found = {"type": kind, "spec_version": "2.1", "id": identifier, **said}
        extension = _extension(kind)
        if extension is not None:
            found["extensions"] = {extension: {"extension_type": "new-sco"}}
        found["object_marking_refs"] = [marking_id(tlp)]
        return found

    def _of_cluster(self, name: str | None) -> _Window | None:
        if len(self._windows) == 1:
            return self._windows[0]
        named = [window for window in self._windows if window.said["cluster_id"] == name]
        return named[0] if len(named) == 1 else None

    def _features(self, place: str, analysis: Mapping[str, Any]) -> None:
        window = None
        for target in analysis["analysis_targets"]:
            window = window or self._of_cluster(target["name"])
        if window is None:
            if self._windows:
                self.notes.append(f"{place}: it names none of several windows; left out")
            return
        features: dict[str, int | float] = {}
        for index, anomaly in enumerate(analysis["anomalies"]):
            name, observed = anomaly["observation_parameter"], anomaly["observations"]
            number = _measure(observed[0]["value"]) if observed else None
            if number is None or not _is_feature(name):
                self.notes.append(
                    f"{place}/anomalies/{index}: it is no feature of traffic with a number; left out"
                )
                continue
            if len(observed) > 1:
                self.notes.append(
                    f"{place}/anomalies/{index}: the first of {len(observed)} observations is taken"
                )
            features.setdefault(name, number)
        if features:
            window.said["features"] = features | window.said.get("features", {})


class _Window:
    __slots__ = ("said",)

    def __init__(self, said: dict[str, Any]) -> None:
        self.said = said

    def refer(self, name: str, refs: list[str]) -> None:
        """Adds references, each once; a list of references is never empty (STIX 2.1 §2.9)."""
        if refs:
            self.said[name] = list(dict.fromkeys([*self.said.get(name, ()), *refs]))


def address(text: str) -> tuple[str, str] | None:
    """The type and normal value of an address: IPv4, IPv6, a CIDR block or a domain name; None for anything else."""
    kinds = _ADDRESSES if ":" in text else _ADDRESSES[::-1] if text[-1:].isalpha() else _ADDRESSES[1:]
    for kind, normal in kinds:
        try:
            return kind, normal(text)
        except ValueError:
            continue
    return None


def _check_time(place: str, text: str) -> None:
    try:
        to_sortable(text)
    except Refused as refused:
        raise Refused(refused.code, place, refused.reason) from None


def _measure(text: str) -> int | float | None:
    try:
        number = _number.decode(text)
    except ValueError:  # msgspec's errors are ValueErrors
        return None
    if type(number) is int:
        return number if abs(number) <= MAX_INTEGER else None
    return None if is_written_as_large_integer(number) or abs(number) > 1e300 else number


def _is_feature(name: str) -> bool:
    return 3 <= len(name) <= 64 and "a" <= name[0] <= "z" and _FEATURE_LETTERS.issuperset(name)


@cache
def _extension(kind: str) -> str | None:
    found = profile.observables().get(kind)
    return None if found is None else found.id
