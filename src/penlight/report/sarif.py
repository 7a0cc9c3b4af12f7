"""A diagnosis as SARIF 2.1.0, the format in which code hosts and editors take findings."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import quote

from penlight import __version__, page
from penlight.catalogue import catalogue
from penlight.core.finding import Diagnosis, Finding
from penlight.core.pitfall import Pitfall
from penlight.core.run import Run
from penlight.report import told
from penlight.report import words as w
from penlight.report.places import Place, place

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
LEVELS = {"critical": "error", "warning": "warning", "note": "note"}
ROOT = "%SRCROOT%"  # the folder that relative names start from, which the reader knows


def sarif(diagnosis: Diagnosis, run: Run, here: Path) -> dict[str, Any]:
    """The log: one run with a result for each finding and a rule for each pitfall found.

    Args:
        diagnosis: what was found.
        run: the run it was found in.
        here: the folder that the script was started from.
    """
    names = list(dict.fromkeys(x.pitfall for x in diagnosis.findings))
    exit_code = diagnosis.meta.get("script_exit")
    notices = [("note", x) for x in diagnosis.blind] + [("error", x) for x in diagnosis.faults]
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "Penlight",
                        "version": __version__,
                        "rules": [_rule(name) for name in names],
                    }
                },
                "invocations": [
                    {
                        "executionSuccessful": not exit_code,
                        **({"exitCode": exit_code} if exit_code is not None else {}),
                        "toolExecutionNotifications": [
                            {"level": level, "message": {"text": w.sentence(w.clean(text))}}
                            for level, text in notices
                        ],
                    }
                ],
                "columnKind": "unicodeCodePoints",
                "results": [
                    _result(x, names.index(x.pitfall), place(x, run, here))
                    for x in diagnosis.findings
                ],
            }
        ],
    }


def message(finding: Finding) -> str:
    """What was found, by what evidence, and what to change, as plain text of a few lines."""
    lines = [w.sentence(finding.says)]
    lines += [w.sentence(w.capital(x.says)) for x in finding.evidence]
    if finding.because_of:
        lines.append(f"It follows from {finding.because_of}: repair that first.")
    elif finding.prescriptions:
        lines.append(f"Change: {w.sentence(finding.prescriptions[0].do)}")
    return "\n".join(dict.fromkeys(w.clean(x) for x in lines))


def _rule(name: str) -> dict[str, Any]:
    card = catalogue().get(name)
    if card is None:  # found by a plug-in that is gone
        return {"id": name}
    return {
        "id": name,
        "name": type(card).__name__,
        "shortDescription": {"text": w.sentence(card.title)},
        "fullDescription": {"text": card.picture or w.sentence(card.title)},
        "help": {"text": _help(card), "markdown": page.markdown(card, demo=False)},
        "properties": {"tags": [card.family]},
    }


def _help(card: Pitfall) -> str:
    remedies = [f"{w.sentence(x.do)}{page.reasons(x)}" for x in card.prescriptions]
    return "\n\n".join([card.section("What happens"), *remedies])


def _result(finding: Finding, index: int, where: Place | None) -> dict[str, Any]:
    symptom = finding.role == "symptom"
    key = "|".join((finding.pitfall, finding.where, where.file if where else ""))
    return {
        "ruleId": finding.pitfall,
        "ruleIndex": index,
        "level": "note" if symptom else LEVELS[finding.severity],
        "message": {"text": message(finding)},
        "locations": _locations(finding, where),
        # Not the line: it moves with every edit above it.
        "partialFingerprints": {"penlight/v1": hashlib.sha256(key.encode()).hexdigest()[:32]},
        "rank": round(100 * finding.confidence, 1),
        "properties": {
            "severity": finding.severity,
            "role": finding.role,
            "becauseOf": finding.because_of,
            "sure": w.sure(finding),
            "evidence": [
                w.clean(f"{w.sentence(x.says)}{told.numbers(x)}") for x in finding.evidence
            ],
            "prescriptions": [x.do for x in finding.prescriptions],
        },
    }


def _locations(finding: Finding, where: Place | None) -> list[dict[str, Any]]:
    location: dict[str, Any] = {}
    if where is not None:
        absolute = where.file.startswith("/") or where.file[1:2] == ":"
        location["physicalLocation"] = {
            "artifactLocation": {"uri": f"file:///{quote(where.file.lstrip('/'), safe='/:')}"}
            if absolute
            else {"uri": quote(where.file), "uriBaseId": ROOT},
            **({"region": {"startLine": where.line}} if where.line else {}),
        }
    if finding.where:
        location["logicalLocations"] = [{"fullyQualifiedName": w.clean(finding.where)}]
    return [location] if location else []
