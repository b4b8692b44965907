"""Copy what pipesim reads of an Airflow database of any kind into a SQLite file, as it stands at one instant.

Usage, where Airflow is installed: python airflow_to_sqlite.py URL airflow.db, URL being `airflow config get-value database
sql_alchemy_conn`. Nothing is written to Airflow's database.
"""

import json
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

TABLES = ("dag", "slot_pool", "serialized_dag", "dag_run", "task_instance", "task_instance_history")
#: What pipesim does not read, and may be secret.
LEFT_OUT = ("conf", "executor_config", "next_kwargs", "context_carrier")


def written(value: Any) -> Any:
    """Return a value as Airflow itself would write it to SQLite: instants in UTC, JSON as text, UUIDs without dashes."""
    if isinstance(value, datetime):
        return (value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value).isoformat(" ", "microseconds")
    if isinstance(value, dict | list):
        return json.dumps(value)
    if isinstance(value, memoryview):
        return bytes(value)
    return value if isinstance(value, str | bytes | int | float | None) else str(value).replace("-", "")


def main(url: str, path: str) -> None:
    """Copy the tables that there are."""
    engine = sa.create_engine(url, isolation_level="SERIALIZABLE")
    present = sa.inspect(engine)
    with engine.connect() as source, closing(sqlite3.connect(path)) as target:
        for table in TABLES:
            if not present.has_table(table):
                continue
            names = [c["name"] for c in present.get_columns(table) if c["name"] not in LEFT_OUT]
            target.execute(f"CREATE TABLE {table} ({', '.join(names)})")
            columns = [sa.column(name) for name in names]
            rows = source.execution_options(stream_results=True).execute(sa.select(*columns).select_from(sa.table(table)))
            marks = ", ".join("?" * len(names))
            target.executemany(f"INSERT INTO {table} VALUES ({marks})", ([written(value) for value in row] for row in rows))
        target.commit()
    engine.dispose()


if __name__ == "__main__":
    main(*sys.argv[1:])
