"""Audit records in Envoy's log: `portcullis_audit` and one JSON object, at the end of a line."""

import json


def record(line):
    """The audit record in one line of Envoy's log, or None."""
    _, mark, text = line.partition(" portcullis_audit {")
    return json.loads("{" + text) if mark else None


class Log:
    """Follows Envoy's log file; what was written before is skipped with `skip`."""

    def __init__(self, path):
        self.file = open(path, encoding="utf-8", errors="replace")
        self.partial = ""

    def skip(self):
        """Forgets what is in the log by now."""
        self.file.seek(0, 2)
        self.partial = ""

    def records(self):
        """The records of the lines that are complete by now and not yet seen."""
        text = self.partial + self.file.read()
        *lines, self.partial = text.split("\n")
        return [found for found in map(record, lines) if found]
