"""One line per change, with its context as key=value, to standard error.

Plain text for people by default, one JSON object per line with MCNET_LOG_FORMAT=json. What to log and when is
the caller's matter; secrets never are.
"""

import json
import logging
import os
import sys
from datetime import UTC, datetime

FORMAT_VARIABLE = "MCNET_LOG_FORMAT"
LEVEL_VARIABLE = "MCNET_LOG_LEVEL"


class Log:
    """A logger whose calls carry context: `log.info("cable is up", cluster="west", rtt=0.003)`."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(f"mcnet.{name}")

    def debug(self, message: str, **context: object) -> None:
        self._logger.debug(message, extra={"context": context})

    def info(self, message: str, **context: object) -> None:
        self._logger.info(message, extra={"context": context})

    def warning(self, message: str, **context: object) -> None:
        self._logger.warning(message, extra={"context": context})

    def error(self, message: str, *, error: BaseException | None = None, **context: object) -> None:
        """With `error`, its traceback follows: for what is a fault of the program, not of its surroundings."""
        self._logger.error(message, exc_info=error, extra={"context": context})


def setup() -> None:
    """Send everything at or above $MCNET_LOG_LEVEL (default INFO) to standard error; called once, at the entry."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if os.environ.get(FORMAT_VARIABLE) == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    level = logging.getLevelName(os.environ.get(LEVEL_VARIABLE, "INFO").upper())
    root.setLevel(level if isinstance(level, int) else logging.INFO)


class TextFormatter(logging.Formatter):
    """`2026-01-31T12:00:00.123Z INFO gateway: cable is up cluster=west reason="probe answered"`."""

    def format(self, record: logging.LogRecord) -> str:
        context = "".join(f" {key}={_word(value)}" for key, value in _context(record).items())
        trace = "\n" + self.formatException(record.exc_info) if record.exc_info else ""
        return f"{_time(record)} {record.levelname} {_name(record)}: {record.getMessage()}{context}{trace}"


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time, level, component, message and the context's keys."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {"time": _time(record), "level": record.levelname, "component": _name(record)}
        line["message"] = record.getMessage()
        line |= {key: _plain(value) for key, value in _context(record).items() if key not in line}
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def _context(record: logging.LogRecord) -> dict[str, object]:
    context = getattr(record, "context", {})
    return context if isinstance(context, dict) else {}


def _name(record: logging.LogRecord) -> str:
    return record.name.removeprefix("mcnet.")


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(value: object) -> object:
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def _word(value: object) -> str:
    text = str(value)
    plain = text and not any(character.isspace() or character in '"=' for character in text)
    return text if plain else json.dumps(text, ensure_ascii=False)
