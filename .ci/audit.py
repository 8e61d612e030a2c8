"""Known vulnerabilities in what requirements.lock pins, by pip-audit; `make audit` runs it.

A known vulnerability fails, unless .ci/audit-ignore.txt has its name and a reason. What cannot be
looked up is told and passes: builds without a network stay possible.
"""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def ignored(text: str) -> dict[str, str]:
    """Reasons by name of advisory: a line each, the name first; "#" starts a comment.

    Raises:
        ValueError: An advisory without a reason.
    """
    lines = [line.partition("#")[0].split(None, 1) for line in text.splitlines()]
    for line in lines:
        if len(line) == 1:
            raise ValueError(f"{line[0]}: say why it is ignored")
    return {line[0]: line[1].strip() for line in lines if line}


def verdict(stdout: str, stderr: str) -> tuple[list[str], int]:
    """What to tell of pip-audit's answer, and the exit code.

    Args:
        stdout: Its report as JSON, or nothing where it failed.
        stderr: Its messages.
    """
    try:
        packages = json.loads(stdout)["dependencies"]
    except (ValueError, KeyError):
        last = (stderr.strip().splitlines() or ["no answer"])[-1]
        return [f"not audited: {last}"], 0
    found = [
        f"{one['name']} {one['version']}: {hole['id']}, mended in "
        f"{', '.join(hole['fix_versions']) or 'no version yet'}"
        for one in packages
        for hole in one.get("vulns", [])
    ]
    unknown = sum("skip_reason" in one for one in packages)
    lines = [f"{len(packages) - unknown} of {len(packages)} packages audited"]
    if unknown:
        lines.append(f"{unknown} could not be looked up; is the advisory service reachable?")
    return [*lines, *found], int(bool(found))


def main() -> None:
    """Audit, tell, and exit."""
    reasons = ignored((ROOT / ".ci/audit-ignore.txt").read_text(encoding="utf-8"))
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off"]
    command += ["--disable-pip", "--no-deps", "--requirement", str(ROOT / "requirements.lock")]
    command += [word for name in reasons for word in ("--ignore-vuln", name)]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    except subprocess.TimeoutExpired:
        lines, code = ["not audited: no answer within 300 s"], 0
    else:
        lines, code = verdict(answer.stdout, answer.stderr)
    print("\n".join([*lines, *(f"ignored: {name}: {why}" for name, why in reasons.items())]))
    sys.exit(code)


if __name__ == "__main__":
    main()
