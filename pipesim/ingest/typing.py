"""From raw text to canonical types, as SQL: what is missing becomes NULL, what is damaged is told from what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipesim.catalog import quote
from pipesim.schema import SIGNED, Column, Type

#: Words by which logs say that they do not know.
MISSING = (
    "", "-", "na", "NA", "n/a", "N/A", "nan", "NaN", "NAN", "nil", "null", "Null", "NULL", "none", "None", "NONE",
    "unknown", "Unknown", "UNKNOWN",
)  # fmt: skip
_LONGEST_MISSING = max(map(len, MISSING))
#: An instant whose text ends in Z or an offset after the time of day names its zone.
NAMED_ZONE = r":\d\d(\.\d+)? ?([zZ]|[+-]\d\d(:?\d\d)?)$"
#: The calendar that Python and Parquet readers have; infinity lies beyond it too.
FIRST_INSTANT, LAST_INSTANT = "TIMESTAMP '0001-01-01'", "TIMESTAMP '9999-12-31 23:59:59.999999'"
_EPOCHS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
#: Columns whose words are the log's own, or whose closed set has a word that reads like a missing one.
_VERBATIM = frozenset({"raw_status", "raw_type", "error", "status"})


@dataclass(frozen=True)
class Field:
    """How one canonical column is had from a record.

    Args:
        sql: An SQL expression over the record's fields, giving the raw value: text, or a type that DuckDB knows.
        scale: What a number is multiplied by to come to the canonical unit.
        time_format: How an instant is written: `iso`, `epoch_s`, `epoch_ms`, `epoch_us`, or a strptime pattern.
        words: For statuses and other closed sets, the canonical word for each raw one, in lower case.
    """

    sql: str
    scale: float = 1.0
    time_format: str = "iso"
    words: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Typed:
    """One column of typed rows.

    Args:
        column: The canonical column.
        raw: SQL for what the log gives.
        value: SQL over `raw`'s column for its typed value; NULL where the log says nothing, or nothing that can be read.
        damaged: SQL for whether the log says something that cannot be read; `value` stands in it as the canonical column.
    """

    column: Column
    raw: str
    value: str
    damaged: str


def typed(column: Column, given: Field, zone: str) -> Typed:
    """Return the SQL of one canonical column, given how the log writes it and the zone of instants that name none."""
    raw_name = f'"#raw {column.name}"'
    words = ("",) if column.name in _VERBATIM else MISSING
    # DuckDB plans IN (...) and list_contains alike as a join over all rows; a CASE looks only at the rows that need it.
    matches = " ".join(f"WHEN {quote(word)} THEN true" for word in words)
    is_missing = f"(CASE CAST({raw_name} AS VARCHAR) {matches} ELSE false END)"
    damaged = f'CASE WHEN "{column.name}" IS NULL AND {raw_name} IS NOT NULL THEN NOT {is_missing} ELSE false END'
    if column.type is Type.STRING and not column.values:
        short = f"strlen({raw_name}) <= {_LONGEST_MISSING}"
        value = f"CASE WHEN {short} THEN CASE WHEN {is_missing} THEN NULL ELSE {raw_name} END ELSE {raw_name} END"
        damaged = "false"
    else:
        value = _value(column, given, raw_name, zone)
        if column.type in (Type.INTEGER, Type.NUMBER) and column.name not in SIGNED:
            value, damaged = f"nullif({value}, {-given.scale!r})", _unless_minus_one(damaged, raw_name)
        if column.type is Type.INSTANT:
            damaged = f'({damaged} OR coalesce("{column.name}" NOT BETWEEN {FIRST_INSTANT} AND {LAST_INSTANT}, false))'
    # Numbers are cast from what they are: Parquet and plain JSON give them as numbers already.
    number = column.type in (Type.INTEGER, Type.NUMBER)
    return Typed(column, given.sql if number else f"CAST({given.sql} AS VARCHAR)", value, damaged)


def _unless_minus_one(damaged: str, raw: str) -> str:
    return f"CASE WHEN {damaged} THEN try_cast({raw} AS DOUBLE) IS DISTINCT FROM -1 ELSE false END"


def _value(column: Column, given: Field, raw: str, zone: str) -> str:
    if column.values:
        words = given.words or {word.lower(): word for word in column.values}
        table = ", ".join(f"{quote(raw_word)}: {quote(word)}" for raw_word, word in words.items())
        word = f"(MAP {{{table}}})[replace(replace(lower({raw}), ' ', '_'), '-', '_')]"
        # Most logs use few words, most often the canonical ones, for which comparing is cheaper than looking up.
        exact = " ".join(f"WHEN {quote(canonical)} THEN {quote(canonical)}" for canonical in column.values)
        word = f"CASE {raw} {exact} ELSE {word} END"
        if column.name == "task_type":
            # A kind of work that pipesim has no word for is still work; the log's own word stays in raw_type.
            return f"CASE WHEN {raw} <> '' THEN coalesce({word}, 'other') END"
        return word
    if column.type is Type.NUMBER:
        number = f"try_cast({raw} AS DOUBLE)"
        number = number if given.scale == 1.0 else f"{number} * {given.scale!r}"
        return f"CASE WHEN NOT isnan({number}) THEN {number} END"
    if column.type is Type.INTEGER:
        number = f"try_cast({raw} AS DOUBLE)"
        if given.scale != 1.0:
            return f"try_cast(round({number} * {given.scale!r}) AS BIGINT)"
        # A cast alone would round 3.7 to 4 without a word; through DOUBLE alone, large integers would lose digits.
        return f"CASE WHEN {number} = floor({number}) THEN try_cast({raw} AS BIGINT) END"
    if column.type is Type.BOOLEAN:
        return f"try_cast({raw} AS BOOLEAN)"
    return instant(raw, given.time_format, zone)


def instant(raw: str, time_format: str, zone: str) -> str:
    """Return SQL for a UTC instant from its text; NULL where it cannot be read or never was on a local clock."""
    if time_format in _EPOCHS:
        ticks = f"try_cast({raw} AS DOUBLE) * {_EPOCHS[time_format]}"
        return f"CASE WHEN abs({ticks}) < 9e18 THEN make_timestamp(CAST(round({ticks}) AS BIGINT)) END"
    if time_format == "iso":
        # A cast to TIMESTAMP would ignore an offset; for Z, which has none, it is the cheaper one.
        named_utc = f"try_cast({raw} AS TIMESTAMP)"
        utc = f"CASE WHEN ends_with({raw}, 'Z') THEN {named_utc} ELSE timezone('UTC', try_cast({raw} AS TIMESTAMPTZ)) END"
        if zone == "UTC":
            return utc
        local = f"try_cast({raw} AS TIMESTAMP)"
        named = f"regexp_matches({raw}, {quote(NAMED_ZONE)})"
        # The session's zone is the log's. An hour that the clock skipped comes back changed from a round trip.
        kept = f"({named} OR timezone({quote(zone)}, timezone({quote(zone)}, {local})) = {local})"
        return f"CASE WHEN {kept} THEN {utc} END"
    local = f"try_strptime({raw}, {quote(time_format)})"
    utc = f"timezone('UTC', timezone({quote(zone)}, {local}))"
    return f"CASE WHEN timezone({quote(zone)}, timezone({quote(zone)}, {local})) = {local} THEN {utc} END"


def time_basis(raw: str) -> str:
    """Return SQL for how an instant was read: `utc` if its text names a zone, `assumed_zone` if the zone was assumed."""
    text = f"CAST({raw} AS VARCHAR)"
    named = f"regexp_matches({text}, {quote(NAMED_ZONE)})"
    return f"CASE WHEN {text} IS NULL THEN NULL WHEN {named} THEN 'utc' ELSE 'assumed_zone' END"
